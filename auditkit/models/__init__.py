"""What can be audited, and the worker process that isolates it."""
