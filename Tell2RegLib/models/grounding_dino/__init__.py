"""GroundingDINO: from prompts to boxes, in batches, with the official weights or those of the demo."""
