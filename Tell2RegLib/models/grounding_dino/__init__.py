"""GroundingDINO: words to boxes, in batches, with the official weights or the demo's."""
