"""`orch doctor`: is this host, its GPUs and this shared folder fit to work?"""
