"""What can be chosen on the way from words to regions, each with its origin (docs/words-to-regions.md)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from Tell2RegLib.errors import InputError

_SHARES = (
    *("box_margin", "box_overlap", "mask_smallest", "mask_largest", "mask_overlap", "link_overlap"),
    "region_score",
)


@dataclass(frozen=True)
class DetectionSettings:
    """How a volume is looked at and which boxes, masks and regions are kept.

    "Paper" is the Tell2Reg paper, "research code" what was published with it, "ours" a choice of this library.

    Args:
        spacing_mm: in-plane voxel size of the slices that the networks see (paper: 1 mm).
        slice_spacing_mm: distance of the slices; when None, the volume's own, but not below `spacing_mm` (ours).
        slice_step: look at every n-th slice only; what lies between is filled in (ours: 1).
        box_margin: a box that lacks less than this share of the slice's full width or height is dropped (research
            code: 20 of 1000 pixels).
        box_overlap: of two boxes of one prompt on one slice that share this much of their union, the less sure is
            dropped (ours: 0.7, since the detector often gives a place twice; 1 keeps all, as the paper does).
        mask_smallest, mask_largest: share of the slice's area that a mask must have (research code: 0.2 % and 50 %).
        mask_overlap: of two masks of one prompt on one slice that share this much of the smaller one's area, the
            smaller is dropped (research code: 0.8).
        link_overlap: masks on neighbouring slices are one region when they share this much of the smaller one's area
            (ours).
        link_gap: so many slices in between may lack a mask (ours: one, a single miss of the detector).
        min_slices: a region must be seen on so many slices, or on all where fewer were looked at (ours: two, because
            false boxes seldom come twice at one place; 1 keeps specks).
        region_score: a region must hold a box of at least this score; weaker boxes may continue a region, but not make
            one, so that an organ is followed to its faint ends (ours; None: what suits the weights, where they say
            so and their own box threshold is used; else 0, off).
        min_volume_ml: a region must be so large (ours: 0, since `mask_smallest` and `min_slices` see to it).
        most_regions: keep so many regions of a prompt, those with the largest score times volume; all when None (ours).

    Raises:
        InputError: a value that makes no sense.
    """

    spacing_mm: float = 1.0
    slice_spacing_mm: float | None = None
    slice_step: int = 1
    box_margin: float = 0.02
    box_overlap: float = 0.7
    mask_smallest: float = 0.002
    mask_largest: float = 0.5
    mask_overlap: float = 0.8
    link_overlap: float = 0.5
    link_gap: int = 1
    min_slices: int = 2
    region_score: float | None = None
    min_volume_ml: float = 0.0
    most_regions: int | None = None

    def __post_init__(self) -> None:
        for name in ("spacing_mm", "slice_spacing_mm"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise InputError(f"'{name}' is {value}, but a spacing must be a positive number of millimetres.")
        for name in _SHARES:
            if not 0 <= (getattr(self, name) or 0) <= 1:
                raise InputError(f"'{name}' is {getattr(self, name)}, but it is a share: give a number from 0 to 1.")
        if self.mask_smallest > self.mask_largest:
            raise InputError(f"'mask_smallest' ({self.mask_smallest}) is above mask_largest ({self.mask_largest}).")
        for name, least in (("slice_step", 1), ("link_gap", 0), ("min_slices", 1), ("most_regions", 1)):
            value = getattr(self, name)
            if value is not None and (value != int(value) or value < least):
                raise InputError(f"'{name}' is {value}, but it must be a whole number of at least {least}.")
        if not (math.isfinite(self.min_volume_ml) and self.min_volume_ml >= 0):
            raise InputError(f"'min_volume_ml' is {self.min_volume_ml}, but a volume cannot be negative.")

    @classmethod
    def paper(cls, **more: Any) -> DetectionSettings:
        """As in the paper: all boxes are segmented, and a region may be seen on a single slice."""
        return cls(**{"box_overlap": 1.0, "min_slices": 1, "region_score": 0.0, **more})
