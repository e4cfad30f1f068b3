"""The install flow against the real package index, in an environment that has Slicer's own packages."""
