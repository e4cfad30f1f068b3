"""Warps files with a transform: volumes, label maps, segmentations, points, surface models.

Files are mapped from moving to fixed space, like a plan, or back with `inverse`. Positions are LPS mm.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from Tell2RegLib.errors import InputError, NothingFound, OutputError
from Tell2RegLib.region_sources.label_map import is_mask_folder, read_regions
from Tell2RegLib.region_sources.segmentation_file import write_segmentation
from Tell2RegLib.space.grid import Floats, Grid
from Tell2RegLib.space.point_files import read_points, write_points
from Tell2RegLib.space.region_warping import warp_region
from Tell2RegLib.space.surface_files import MODEL_ENDINGS, load_vtk, points_lps_mm, read_surface, write_surface
from Tell2RegLib.space.transform import Transform
from Tell2RegLib.space.volume import read_volume, write_volume
from Tell2RegLib.support.complete_file import check_not_input
from Tell2RegLib.support.regular_files import check_file_or_folder
from Tell2RegLib.workflows.apply_checks import is_label_map, warning_about_points, warning_about_volume

log = logging.getLogger(__name__)

POINT_ENDINGS = (".json", ".csv", ".fcsv")
SEGMENTATION_ENDING = ".seg.nrrd"
VOLUME_ENDINGS = (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd")
"""Formats that preserve the direction of the axes and every data type."""

Warn = Callable[[str], None]
"""Reports a warning about a file, one sentence."""


def apply_file(
    transform: Transform,
    source: str | Path,
    target: str | Path,
    *,
    inverse: bool = False,
    nearest: bool | None = None,
    only: Sequence[str] = (),
    names: Mapping[int, str] | None = None,
    warn: Warn = log.warning,
) -> str:
    """Warp one file from moving to fixed space, or from fixed to moving with `inverse`.

    Args:
        transform: the transform of a registration.
        source: a volume, label map, `.seg.nrrd`, folder of masks, point list (.mrk.json or .json, .fcsv, .csv) or
            surface (.vtk, .vtp, .stl, .ply, .obj).
        target: the file to write; must differ from the source. Regions are written as `.seg.nrrd`.
        inverse: from fixed to moving instead.
        nearest: take the nearest voxel of a volume instead of interpolating; when None, of label maps.
        only: names of the regions to warp; all when empty.
        names: names of the labels of a label map, which is then warped as regions.
        warn: called with what does not fit: points or a volume elsewhere than the transform.

    Returns:
        One sentence that describes what was done.

    Raises:
        InputError: a file that cannot be read, or one kind of file to be written as another.
        OutputError: the target cannot be written.
    """
    source, target = Path(source), Path(target)
    check_file_or_folder(source)
    check_not_input(target, [source])
    if not target.parent.is_dir():
        raise OutputError(f"'{target}' cannot be written: the folder '{target.parent}' does not exist.")
    job = _Job(transform.inverse if inverse else transform, source, target, "fixed" if inverse else "moving", warn)
    name = source.name.lower()
    if holds_points(source):
        return _apply_to_points(job)
    if name.endswith(MODEL_ENDINGS):
        return _apply_to_model(job.transform, source, target)
    if name.endswith(SEGMENTATION_ENDING) or is_mask_folder(source) or only or names is not None:
        return _apply_to_regions(job, only, names)
    return _apply_to_volume(job, nearest)


def holds_points(source: Path) -> bool:
    """Whether `apply_file` takes a file for a list of points."""
    return source.name.lower().endswith(POINT_ENDINGS)


@dataclass(frozen=True)
class _Job:
    """One file to warp: `transform` maps from the `side` that the file belongs to."""

    transform: Transform
    source: Path
    target: Path
    side: str
    warn: Warn

    @property
    def grid(self) -> Grid:
        """Of the volume that the file belongs to."""
        return self.transform.moving_to_fixed.grid

    def say(self, warning: str) -> None:
        """Report a warning, unless it is empty."""
        if warning:
            self.warn(warning)


def _apply_to_points(job: _Job) -> str:
    points = read_points(job.source)
    job.say(warning_about_points(points.points_lps_mm, job.grid, job.side))
    moved = job.transform.inverse.apply_to_points(points.points_lps_mm)
    keeps = job.source.suffix.lower() == job.target.suffix.lower() == ".json"
    write_points(job.target, points.names, moved, template=job.source if keeps else None)
    return f"{len(points)} point(s) carried to '{job.target}'."


def _apply_to_regions(job: _Job, only: Sequence[str], names: Mapping[int, str] | None) -> str:
    if not job.target.name.lower().endswith(SEGMENTATION_ENDING):
        raise InputError(f"Regions are written as a segmentation: end '{job.target.name}' with {SEGMENTATION_ENDING}.")
    regions = read_regions(job.source, names=names, only=only)
    job.say(warning_about_volume(job.source.name, regions[0].grid, job.grid, job.side))
    warped_regions = [
        warped for warped in (warp_region(region, job.transform) for region in regions) if warped is not None
    ]
    if not warped_regions:
        raise NothingFound(f"No segment of '{job.source}' lands inside the volume it was to be carried to.")
    write_segmentation(warped_regions, job.target, grid=job.transform.fixed_to_moving.grid)
    lost_count = len(regions) - len(warped_regions)
    return f"{len(warped_regions)} segment(s) carried to '{job.target}'" + (
        f"; {lost_count} fell outside." if lost_count else "."
    )


def _apply_to_volume(job: _Job, nearest: bool | None) -> str:
    name = job.target.name.lower()
    volume = read_volume(job.source)
    are_labels = is_label_map(volume.array_kji)
    if are_labels and name.endswith(SEGMENTATION_ENDING):
        return _apply_to_regions(job, (), None)
    if not name.endswith(VOLUME_ENDINGS) or name.endswith(SEGMENTATION_ENDING):
        raise InputError(f"A volume can be written as {', '.join(VOLUME_ENDINGS)}, not as '{job.target.name}'.")
    job.say(warning_about_volume(job.source.name, volume.grid, job.grid, job.side))
    is_nearest = are_labels if nearest is None else nearest
    write_volume(job.transform.resample(volume, nearest=is_nearest), job.target)
    how = "linear" if not is_nearest else "nearest voxel" if nearest else "a label map: nearest voxel"
    return f"'{job.source.name}' resampled to '{job.target}' ({how})."


# --- surface models ---


def _apply_to_model(transform: Transform, source: Path, target: Path) -> str:
    if not target.name.lower().endswith(MODEL_ENDINGS):
        raise InputError(f"A surface model can be written as {', '.join(MODEL_ENDINGS)}, not as '{target.name}'.")
    vtk = load_vtk()
    surface = read_surface(source, vtk)
    points = points_lps_mm(source, surface, vtk)
    moved: Floats = transform.inverse.apply_to_points(points)
    fresh = vtk.Points()
    fresh.SetData(vtk.numpy_support.numpy_to_vtk(np.ascontiguousarray(moved, np.float32), deep=True))
    surface.SetPoints(fresh)
    # Normals belong to the old shape.
    surface.GetPointData().SetNormals(None)
    surface.GetCellData().SetNormals(None)
    write_surface(surface, target, vtk)
    return f"A surface of {len(points)} points carried to '{target}'."
