"""Segment Anything: boxes to masks, in batches, with the official weights or the demo's."""
