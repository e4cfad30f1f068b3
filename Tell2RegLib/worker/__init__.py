"""The library as a process of its own: requests in, events out, so that a host such as Slicer never freezes or falls.

docs/worker-protocol.md says what is spoken.
"""
