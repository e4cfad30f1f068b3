"""Converts between MRML nodes and library values, and controls the display of scene and views."""
