"""MRML nodes to library values and back, and what the scene and its views show."""
