"""Reads from a result folder what the verdicts on propagated targets need."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from Tell2RegLib.errors import InputError
from Tell2RegLib.region_sources.label_map import read_regions
from Tell2RegLib.results.checksums import check_files
from Tell2RegLib.results.result_folder import RECORD
from Tell2RegLib.space.grid import Floats
from Tell2RegLib.space.region import RegionPair
from Tell2RegLib.trust.error_model import ErrorPredictor
from Tell2RegLib.trust.model_file import predictor_from

FIXED_REGIONS, MOVING_REGIONS = "fixed_regions.seg.nrrd", "moving_regions.seg.nrrd"


@dataclass(frozen=True, eq=False)
class StoredFit:
    """A fit as its result folder keeps it, without the transform (`read_result_transform`).

    Args:
        rigid_lps, affine_lps: 4 x 4, fixed to moving, LPS mm.
        pairs: the accepted ones.
        predictor: of the errors of targets; None in folders of earlier versions.
    """

    rigid_lps: Floats
    affine_lps: Floats
    pairs: tuple[RegionPair, ...]
    predictor: ErrorPredictor | None


def read_stored_fit(folder: str | Path) -> StoredFit:
    """Read the fit of a result folder that has a transform.

    Raises:
        InputError: a file that is missing, damaged, or not as it was written.
    """
    folder = Path(folder)
    check_files(folder, [RECORD, FIXED_REGIONS, MOVING_REGIONS])
    sides = [
        {region.name: region for region in read_regions(folder / name)} for name in (FIXED_REGIONS, MOVING_REGIONS)
    ]
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        rigid, affine = (
            np.array(record["transform"][f"{kind}_lps"], float).reshape(4, 4) for kind in ("rigid", "affine")
        )
        pairs = tuple(_pair(entry, sides) for entry in record["pairs"] if entry["accepted"])
        prediction = record.get("error_prediction")
        predictor = predictor_from(prediction) if prediction else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"'{folder / RECORD}' is damaged and cannot be read as a result.") from error
    return StoredFit(rigid, affine, pairs, predictor)


def _pair(entry: Mapping[str, Any], sides: list[dict[str, Any]]) -> RegionPair:
    fixed, moving = (regions[entry["name"]] for regions in sides)
    return RegionPair(fixed, moving, entry["similarity"], weight=float(entry.get("weight", 1.0)))
