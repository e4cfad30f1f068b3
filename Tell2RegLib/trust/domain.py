"""What a model of errors was learned from, and whether a case and its targets are like it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from Tell2RegLib.space.grid import Floats, Grid
from Tell2RegLib.space.region import RegionPair, plain_name
from Tell2RegLib.space.volume import Volume
from Tell2RegLib.trust.cues import CUES
from Tell2RegLib.trust.scan_looks import LOOKS, TOLERANCES, looks_of

SIDES = ("fixed", "moving")
BEYOND = {"volume": 2.0, "voxel side": 1.5, "size": 1.5}
"""By which factor a region's volume, a voxel's side and a volume's size may lie beyond those learned from."""
BEYOND_LOOKS, BEYOND_CUES = 0.5, 0.25
"""By which share of their range, and beyond it, looks and cues may lie."""
LEAST_CUE_MARGIN = 0.5
"""By how much a cue may lie beyond its range at least (a length: by a factor of 1.6)."""
Range = tuple[float, float]


@dataclass(frozen=True, eq=False)
class SideFacts:
    """What counts of one volume of a case.

    Args:
        voxel_sides_mm: (smallest, largest).
        size_mm: its shortest extent.
        looks: (6,), `looks_of`.
    """

    voxel_sides_mm: Range
    size_mm: float
    looks: Floats

    @classmethod
    def of(cls, volume: Volume) -> SideFacts:
        """Of a volume."""
        grid: Grid = volume.grid
        sides = grid.spacing_mm
        return cls((min(sides), max(sides)), float(np.multiply(grid.size_xyz, sides).min()), looks_of(volume))


@dataclass(frozen=True, eq=False)
class CaseFacts:
    """What counts of a case.

    Args:
        sides: of the fixed and the moving volume.
        regions_ml: volumes of the accepted pairs' regions (fixed, moving) by name.
        from_prompts: whether pairs were matched by appearance, as those from prompts are.
    """

    sides: tuple[SideFacts, SideFacts]
    regions_ml: Mapping[str, tuple[float, float]]
    from_prompts: bool = False

    @classmethod
    def of(cls, fixed: Volume, moving: Volume, pairs: Sequence[RegionPair]) -> CaseFacts:
        """Of a case with its pairs; rejected ones are ignored."""
        accepted = [pair for pair in pairs if pair.accepted]
        volumes = {pair.name: (pair.fixed.volume_ml, pair.moving.volume_ml) for pair in accepted}
        return cls(
            (SideFacts.of(fixed), SideFacts.of(moving)), volumes, any(pair.similarity is not None for pair in accepted)
        )


@dataclass(frozen=True, eq=False)
class Domain:
    """Ranges over the cases that a model was learned from.

    Args:
        regions_ml: by `organ_of` the name, the ranges of the volumes (fixed, moving).
        pairs: range of the number of accepted pairs.
        voxel_sides_mm, sizes_mm: ranges per side.
        looks: (2, 2, 6), lowest and highest per side.
        cues: (2, C), lowest and highest of the targets.
        from_prompts: whether the regions of any case were detected from prompts.
    """

    regions_ml: Mapping[str, tuple[Range, Range]]
    pairs: tuple[int, int]
    voxel_sides_mm: tuple[Range, Range]
    sizes_mm: tuple[Range, Range]
    looks: Floats
    cues: Floats
    from_prompts: bool = False

    @classmethod
    def over(cls, cases: Sequence[CaseFacts], cues: Floats) -> Domain:
        """The ranges over cases, and over the cues (N, C) of all their targets."""
        volumes: dict[str, list[tuple[float, float]]] = {}
        for case in cases:
            for name, of_pair in case.regions_ml.items():
                volumes.setdefault(organ_of(name), []).append(of_pair)
        counts = [len(case.regions_ml) for case in cases]
        sides = [[case.sides[n] for case in cases] for n in range(2)]
        looks = np.array([[side.looks for side in facts] for facts in sides])
        return cls(
            regions_ml={
                name: _both(_range(column) for column in zip(*rows, strict=True)) for name, rows in volumes.items()
            },
            pairs=(min(counts), max(counts)),
            voxel_sides_mm=_both(_range([v for side in facts for v in side.voxel_sides_mm]) for facts in sides),
            sizes_mm=_both(_range([side.size_mm for side in facts]) for facts in sides),
            looks=np.stack([looks.min(axis=1), looks.max(axis=1)], axis=1),
            cues=np.stack([cues.min(axis=0), cues.max(axis=0)]),
            from_prompts=any(case.from_prompts for case in cases),
        )

    def why_not(self, case: CaseFacts) -> str:
        """Why the model does not hold for a case, one sentence; "" if it does."""
        return next(self._objections(case), "")

    def _objections(self, case: CaseFacts) -> Iterator[str]:
        for name, side in zip(SIDES, range(2), strict=True):
            facts, (low, high) = case.sides[side], self.looks[side]
            margins = np.maximum(BEYOND_LOOKS * (high - low), TOLERANCES)
            excess = np.maximum(low - facts.looks, facts.looks - high) / margins
            if excess.max() > 1:
                n = int(excess.argmax())
                yield (
                    f"The {name} volume looks unlike the scans learned from: {LOOKS[n]} {facts.looks[n]:.2f}, there "
                    f"{low[n]:.2f} to {high[n]:.2f}; is it another modality?"
                )
            for value in facts.voxel_sides_mm:
                yield from _beyond(
                    f"The {name} volume has a voxel side of", value, self.voxel_sides_mm[side], "voxel side", "mm"
                )
            yield from _beyond(f"The {name} volume is as thin as", facts.size_mm, self.sizes_mm[side], "size", "mm")
        yield from self._objections_to_regions(case)

    def _objections_to_regions(self, case: CaseFacts) -> Iterator[str]:
        if case.from_prompts and not self.from_prompts:
            yield "The regions were detected from prompts, those of the cases learned from were not."
        least, most = self.pairs
        if not least <= len(case.regions_ml) <= most:
            learned = f"{least}" if least == most else f"{least} to {most}"
            yield f"The fit uses {len(case.regions_ml)} pair(s), the cases learned from {learned}."
        for name, volumes in case.regions_ml.items():
            if organ_of(name) not in self.regions_ml:
                yield f"No case learned from has the region '{name}'."
                continue
            for side, volume, limits in zip(SIDES, volumes, self.regions_ml[organ_of(name)], strict=True):
                yield from _beyond(f"The {side} region '{name}' has", volume, limits, "volume", "ml")

    def why_not_at(self, cues: Floats) -> list[str]:
        """Why the model does not hold at targets with these cues (N, C), one sentence each; "" where it does."""
        low, high = self.cues
        margins = np.maximum(BEYOND_CUES * (high - low), LEAST_CUE_MARGIN)
        excess = np.maximum(low - cues, cues - high) / margins
        return [
            "" if row[n] <= 1 else f"The target is unlike those learned from: {CUES[n]} beyond their range."
            for row, n in zip(excess, excess.argmax(axis=1), strict=True)
        ]


def organ_of(name: str) -> str:
    """The name of a region without side and number: organs of both sides, and of several, are alike.

    >>> organ_of("Left femoral head"), organ_of("femoral_head 2"), organ_of("L5")
    ('femoral head', 'femoral head', 'l5')
    """
    words = plain_name(name).split()
    naming = [word for word in words if word not in ("left", "right") and not word.isdigit()]
    return " ".join(naming or words)


def _beyond(subject: str, value: float, limits: Range, kind: str, unit: str) -> Iterator[str]:
    low, high = limits
    if not low / BEYOND[kind] <= value <= high * BEYOND[kind]:
        yield f"{subject} {value:.3g} {unit}, far from the {low:.3g} to {high:.3g} {unit} learned from."


def _range(values: Sequence[float]) -> Range:
    return float(min(values)), float(max(values))


def _both(ranges: Iterator[Range]) -> tuple[Range, Range]:
    first, second = ranges
    return first, second
