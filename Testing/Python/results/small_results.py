"""What the results of a small pair are made from, and what their folder contains."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from Tell2RegLib.fitting import FitSettings
from Tell2RegLib.region_sources.label_map import read_regions
from Tell2RegLib.space.volume import read_volume
from Testing.Python.small import Files

QUICK = FitSettings(kind="svf", resolution_mm=8.0, max_steps=5)


def inputs_of(files: Files) -> Mapping[str, Any]:
    fixed, moving = read_volume(files.inputs["--fixed"]), read_volume(files.inputs["--moving"])
    regions = read_regions(files.inputs["--fixed-regions"], fixed.grid)
    partners = read_regions(files.inputs["--moving-regions"], moving.grid)
    return {"fixed": fixed, "moving": moving, "fixed_regions": regions, "moving_regions": partners}


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
