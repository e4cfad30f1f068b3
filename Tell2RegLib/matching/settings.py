"""What can be chosen when regions found by words are paired, each with its origin (docs/words-to-regions.md)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, get_args

from Tell2RegLib.errors import InputError
from Tell2RegLib.matching.assignment import Method

Mode = Literal["regions", "slices"]


@dataclass(frozen=True)
class GeometrySettings:
    """When a pair is taken to lie at another place than the other pairs say; all ours.

    Args:
        tolerance_mm: centroids may be so far off, because organs move on their own: up to 6 mm in the phantoms, and
            more in patients.
        tolerance_radii: and so many of the region's own radii more, because where a region is cut moves its centroid.
        most_turn_deg: bodies lie alike: no larger rotation between the volumes is considered, so no half turn that
            would swap left and right.
        most_scale: nor a larger scale, or a smaller one than its inverse.
        most_volume_ratio: one region may be so many times as large as the other, at the scale of all (bladders fill).
        least_support: so many other pairs must agree before one is switched off without a better partner.
        tie: at the edge of what is allowed, in place or in size, a pair counts as so much less similar, so that of
            look-alikes the nearer and the more alike in size wins.

    Raises:
        InputError: a value that makes no sense.
    """

    tolerance_mm: float = 15.0
    tolerance_radii: float = 0.5
    most_turn_deg: float = 45.0
    most_scale: float = 1.6
    most_volume_ratio: float = 5.0
    least_support: int = 3
    tie: float = 0.05

    def __post_init__(self) -> None:
        lowest = {"tolerance_mm": 0.1, "most_turn_deg": 1.0, "most_scale": 1.01, "most_volume_ratio": 1.0}
        for name in self.__dataclass_fields__:
            value, least = getattr(self, name), lowest.get(name, 2 if name == "least_support" else 0)
            if not (math.isfinite(value) and value >= least):
                raise InputError(f"'{name}' is {value}, but it must be a number of at least {least}.")
        if self.most_turn_deg >= 90:
            raise InputError(f"'most_turn_deg' is {self.most_turn_deg}, but from 90 degrees on sides can be swapped.")


@dataclass(frozen=True)
class MatchSettings:
    """How regions found by words are paired.

    Args:
        mode: "regions" pairs 3-D regions (ours); "slices" pairs masks of slice k with masks of slice k (paper).
        threshold: the cosine of a pair must be above it (research code: 0.8).
        method: "greedy" (paper, Algorithm 1) or "optimal" (ours).
        cross_prompts: whether regions of different prompts may be paired (paper: yes). Ours is no: the words are what
            the user means, and a bladder that is paired with a prostate looks right in every number but the place.
        geometry: the check of places; none when None (paper).

    Raises:
        InputError: a value that makes no sense.
    """

    mode: Mode = "regions"
    threshold: float = 0.8
    method: Method = "greedy"
    cross_prompts: bool = False
    geometry: GeometrySettings | None = field(default_factory=GeometrySettings)

    def __post_init__(self) -> None:
        for name, allowed in (("mode", get_args(Mode)), ("method", get_args(Method))):
            if getattr(self, name) not in allowed:
                raise InputError(f"'{name}' is '{getattr(self, name)}', but it must be one of: {', '.join(allowed)}.")
        if not -1 <= self.threshold < 1:
            raise InputError(f"'threshold' is {self.threshold}, but a cosine lies between -1 and 1.")

    @classmethod
    def paper(cls) -> MatchSettings:
        """As in the paper: slice by slice, any prompts, no check of places."""
        return cls(mode="slices", cross_prompts=True, geometry=None)
