"""What a job is, and its state on disk. Nothing here imports torch."""
