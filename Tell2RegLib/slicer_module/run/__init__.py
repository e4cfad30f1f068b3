"""The worker process from the host's side: one run at a time, progress, outcome."""
