"""The worker process as seen from Slicer: one run at a time, its progress, its end."""
