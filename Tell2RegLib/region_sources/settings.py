"""Settings of detection, filters and linking, each with its origin (docs/words-to-regions.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from Tell2RegLib.errors import InputError
from Tell2RegLib.support.settings import check_settings, setting


@dataclass(frozen=True)
class DetectionSettings:
    """How a volume is processed, and which boxes, masks and regions are kept; docs/settings.md has defaults and ranges.

    "Paper" is the Tell2Reg paper, "research code" what was published with it, "ours" a choice of this library.

    Raises:
        InputError: a value that makes no sense.
    """

    spacing_mm: float = setting(
        1.0, "In-plane pixel size of the slices that the networks process (paper: 1 mm).", unit="mm", above=0
    )
    slice_spacing_mm: float | None = setting(
        None,
        "Slice spacing; by default the volume's own, but at least spacing_mm (ours).",
        unit="mm",
        above=0,
    )
    slice_step: int = setting(
        1, "Process every n-th slice only; slices between are interpolated (ours).", low=1, whole=True
    )
    box_margin: float = setting(
        0.02,
        "A box within this margin of the slice's full width or height is discarded (research code: 20 of 1000 pixels).",
        low=0,
        high=1,
    )
    box_overlap: float = setting(
        0.7,
        "Of two boxes of one prompt on one slice with at least this intersection over union, the one with the lower "
        "score is discarded (ours: the detector often reports a position twice; 1 keeps all, as in the paper).",
        low=0,
        high=1,
    )
    mask_smallest: float = setting(
        0.002, "Minimum area of a mask, as a fraction of the slice (research code: 0.2 %).", low=0, high=1
    )
    mask_largest: float = setting(
        0.5, "Maximum area of a mask, as a fraction of the slice (research code: 50 %).", low=0, high=1
    )
    mask_overlap: float = setting(
        0.8,
        "Of two masks of one prompt on one slice that overlap by this fraction of the smaller one, the smaller is "
        "discarded (research code).",
        low=0,
        high=1,
    )
    link_overlap: float = setting(
        0.5,
        "Masks on neighbouring slices are linked if they overlap by this fraction of the smaller one (ours).",
        low=0,
        high=1,
    )
    link_gap: int = setting(
        1, "Number of slices without a mask that are bridged (ours: a single miss of the detector).", low=0, whole=True
    )
    min_slices: int = setting(
        2,
        "Minimum number of slices of a region; all slices if fewer were processed (ours: false boxes rarely occur "
        "twice at one position; 1 keeps specks).",
        low=1,
        whole=True,
    )
    region_score: float | None = setting(
        None,
        "Minimum score of a region's best box; weaker boxes extend a region but do not start one, so that an organ is "
        "followed to its faint ends (ours). The default depends on the weights; otherwise 0, which disables it.",
        low=0,
        high=1,
    )
    min_volume_ml: float = setting(
        0.0, "Minimum volume of a region (ours: off, because mask_smallest and min_slices suffice).", unit="ml", low=0
    )
    most_regions: int | None = setting(
        None,
        "Maximum number of regions of a prompt, those with the largest score times volume; by default all (ours).",
        low=1,
        whole=True,
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if self.mask_smallest > self.mask_largest:
            raise InputError(f"'mask_smallest' ({self.mask_smallest}) is above mask_largest ({self.mask_largest}).")

    @classmethod
    def paper(cls, **overrides: Any) -> DetectionSettings:
        """The settings of the paper: all boxes are segmented, and a region may consist of a single slice."""
        return cls(**{"box_overlap": 1.0, "min_slices": 1, "region_score": 0.0, **overrides})
