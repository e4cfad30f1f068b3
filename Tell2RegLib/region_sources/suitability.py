"""Whether volumes are like those that a source was made for, and what to do where they are not.

A source that can tell has `made_for` and `is_suited`; of others nothing is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from Tell2RegLib.errors import InputError
from Tell2RegLib.models.protocol import Segmenter, SliceStack
from Tell2RegLib.region_sources.protocol import RegionSource
from Tell2RegLib.region_sources.settings import DetectionSettings
from Tell2RegLib.space.volume import Volume, axial_slices, working_grid

if TYPE_CHECKING:
    from Tell2RegLib.models.training_domain import Features, TrainingDomain

SLICES = 5
"""Slices of a volume whose statistics are compared, evenly spaced."""
INSTEAD = (
    "Choose other models (`tell2reg models install fast`, then 'fast'), or existing segmentations of both volumes "
    "instead of prompts."
)


@runtime_checkable
class JudgingSource(RegionSource, Protocol):
    """A source that can tell whether a volume is like those that it was made for."""

    @property
    def made_for(self) -> str:
        """What it was made for, in words; empty where nothing is known."""
        ...

    def is_suited(self, volume: Volume) -> bool:
        """Whether a volume is like that."""
        ...


def features_of_volume(volume: Volume, segmenter: Segmenter) -> Features:
    """The statistics of a volume, of `SLICES` slices of it, whatever its voxels are."""
    from Tell2RegLib.models.training_domain import features_of

    slices = _sampled_slices(volume)
    return features_of(slices, segmenter.embed(slices))


def _sampled_slices(volume: Volume) -> SliceStack:
    grid = working_grid(volume.grid, DetectionSettings.spacing_mm)
    height_mm = (grid.size_xyz[2] - 1) * grid.spacing_mm[2]
    slices = axial_slices(volume, DetectionSettings.spacing_mm, max(height_mm, 1.0) / (SLICES + 1)).array_kji
    inner: SliceStack = np.ascontiguousarray(slices[1:-1] if len(slices) > 2 else slices)
    return inner


def is_in_domain(volume: Volume, domain: TrainingDomain, segmenter: Segmenter) -> bool:
    """Whether a volume is like those of a domain, whose statistics are of embeddings of this segmenter."""
    return domain.distance(features_of_volume(volume, segmenter)) <= 1


def unsuited_warning(source: RegionSource, volumes: Sequence[Volume]) -> str:
    """Which volumes a source does not know, and what to do instead, for display; empty if it knows all.

    Args:
        source: any; of one that cannot tell nothing is said.
        volumes: one, or the fixed and the moving one.
    """
    unlike = _unlike(source, volumes)
    return f"{unlike}: whatever they detect there means nothing. {INSTEAD}" if unlike else ""


def check_default(source: RegionSource, volumes: Sequence[Volume]) -> None:
    """Check that a source knows volumes for which nobody chose models. Arguments as in `unsuited_warning`.

    Raises:
        InputError: it does not.
    """
    unlike = _unlike(source, volumes)
    if unlike:
        raise InputError(f"No models were chosen. {unlike}. {INSTEAD}")


def _unlike(source: RegionSource, volumes: Sequence[Volume]) -> str:
    if not isinstance(source, JudgingSource) or not source.made_for:
        return ""
    names = ("the fixed volume", "the moving volume") if len(volumes) == 2 else ("the volume",) * len(volumes)
    unlike = [name for name, volume in zip(names, volumes, strict=True) if not source.is_suited(volume)]
    if not unlike:
        return ""
    which = "both volumes are" if len(unlike) > 1 else f"{unlike[0]} is"
    return f"The demo networks know only {source.made_for}, and {which} unlike it"
