"""What every room may use: version, hashes, resources, memory of the system, progress and cancelling."""
