"""Experiments that measure what the documents claim, on phantoms with fresh seeds; not part of the tests."""
