"""Shared by all packages: version, hashes, resources, system memory, settings, device, progress and cancel."""
