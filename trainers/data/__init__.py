"""Data sets as arrays of pixels, what is kept of them, and how a batch is made. Importing this imports no torch."""
