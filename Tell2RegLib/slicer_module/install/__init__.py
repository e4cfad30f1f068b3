"""The Python packages that the networks need: what is missing, and how Slicer installs it."""
