"""The library as a separate process: requests in, events out; a host such as Slicer neither freezes nor crashes with
it.

docs/worker-protocol.md describes the protocol.
"""
