"""The Slicer side: panel, scene and the worker's client; the only folder that may import slicer, qt or vtk."""
