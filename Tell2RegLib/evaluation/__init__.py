"""What is measured: agreement of regions, quality of a field, trust in a propagated target."""
