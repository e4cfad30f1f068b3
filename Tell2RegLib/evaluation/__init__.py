"""Metrics: agreement of regions, quality of a displacement field, trust in propagated targets."""
