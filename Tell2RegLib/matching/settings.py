"""Settings for pairing regions found by prompts, each with its origin (docs/words-to-regions.md)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from Tell2RegLib.matching.assignment import Method
from Tell2RegLib.support.settings import check_settings, setting

Mode = Literal["regions", "slices"]


@dataclass(frozen=True)
class GeometrySettings:
    """When a pair is taken to lie elsewhere than the other pairs say; docs/settings.md lists defaults and ranges.

    Raises:
        InputError: a value that makes no sense.
    """

    tolerance_mm: float = setting(
        15.0,
        "Centroids may differ by this much, because organs move independently: up to 6 mm in the phantoms, more in "
        "patients (ours).",
        unit="mm",
        low=0.1,
    )
    tolerance_radii: float = setting(
        0.5, "Additional tolerance in radii of the region, because truncation moves its centroid (ours).", low=0
    )
    most_turn_deg: float = setting(
        45.0,
        "Maximum rotation between the volumes: patients are positioned similarly, and from 90 degrees on sides can be "
        "swapped (ours).",
        unit="degrees",
        low=1,
        below=90,
    )
    most_scale: float = setting(1.6, "Maximum scale between the volumes; its inverse is the minimum (ours).", low=1.01)
    most_volume_ratio: float = setting(
        5.0, "Maximum volume ratio of a pair after the common scaling: bladders fill (ours).", low=1
    )
    least_support: int = setting(
        3,
        "Number of other pairs that must agree before one is rejected without a better partner (ours).",
        low=2,
        whole=True,
    )
    tie: float = setting(
        0.05,
        "Similarity penalty of a pair at the limit of position or size, so that the pair that is closer in position "
        "and size wins among similar ones (ours).",
        low=0,
    )

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class MatchSettings:
    """How regions found by words are paired; docs/settings.md lists defaults and ranges.

    Args:
        geometry: the geometric check; none when None (paper).

    Raises:
        InputError: a value that makes no sense.
    """

    mode: Mode = setting(
        "regions",
        "'regions' pairs 3-D regions (ours); 'slices' pairs masks of slice k with masks of slice k (paper).",
        choices=get_args(Mode),
    )
    threshold: float = setting(0.8, "Minimum cosine similarity of a pair (research code: 0.8).", low=-1, below=1)
    method: Method = setting("greedy", "'greedy' (paper, Algorithm 1) or 'optimal' (ours).", choices=get_args(Method))
    cross_prompts: bool = setting(
        False,
        "Allow pairs of different prompts (paper: yes). Ours is no: the prompt states the user's intention, and a "
        "bladder paired with a prostate can have good numbers everywhere except its position.",
    )
    geometry: GeometrySettings | None = field(default_factory=GeometrySettings)

    def __post_init__(self) -> None:
        check_settings(self)

    @classmethod
    def paper(cls) -> MatchSettings:
        """The settings of the paper: slice by slice, any prompts, no geometric check."""
        return cls(mode="slices", cross_prompts=True, geometry=None)
