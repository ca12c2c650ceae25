"""A model checker of the queue: the code that workers run, every order of its requests, and every accident."""
