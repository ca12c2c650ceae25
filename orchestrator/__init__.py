"""Who runs what, where: commands, workers, GPUs, status and report."""

__version__ = "0.1.0"
