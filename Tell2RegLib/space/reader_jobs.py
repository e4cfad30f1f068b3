"""The process that reads foreign files: `python -m Tell2RegLib.space.reader_jobs` (`support.reader_process`)."""

from __future__ import annotations

from Tell2RegLib.support.reader_process import serve

JOBS = {
    "image": "Tell2RegLib.space.image_files:image_job",
    "transform": "Tell2RegLib.space.itk_maps:map_job",
    "surface": "Tell2RegLib.space.surface_files:surface_job",
}
"""Where each job is: module and function, which takes a path and options and returns a `Reply`."""
LIBRARIES = {
    "image": ("SimpleITK",),
    "transform": ("SimpleITK",),
    "surface": ("vtkmodules.vtkIOGeometry", "vtkmodules.vtkIOLegacy", "vtkmodules.vtkIOPLY", "vtkmodules.vtkIOXML"),
}
"""What each job takes long to import."""

if __name__ == "__main__":
    serve(JOBS, LIBRARIES)
