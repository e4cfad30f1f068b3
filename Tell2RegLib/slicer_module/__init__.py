"""The Slicer side: panel, scene and worker client; the only package that may import slicer, qt or vtk."""
