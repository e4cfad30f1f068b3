"""A registration's result: the value, the folder that it is saved to, its provenance and its report."""
