"""What people do to jobs: cancel, requeue, hold, release, priority."""
