"""`make bench`: this fit beside the tools that a user would otherwise take, on the same pairs of segmentations."""
