"""Bounds of the verdicts on propagated targets, each declared with its range, unit and purpose."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from Tell2RegLib.errors import InputError
from Tell2RegLib.space.jacobian import USUAL_JACOBIAN
from Tell2RegLib.support.settings import check_settings, setting


def _check_range(value: Any) -> str:
    """What a range of the Jacobian determinant must be; empty when `value` is one."""
    is_range = len(value) == 2 and all(math.isfinite(end) and end >= 0 for end in value) and value[0] <= value[1]
    return "" if is_range else "two numbers of at least 0, the smaller one first"


@dataclass(frozen=True, kw_only=True)
class TrustSettings:
    """Bounds of the verdicts "check" and "do not trust"; docs/settings.md lists defaults and ranges.

    The tolerance is compared with the predicted error. The other bounds are a matter of judgement, not fitted to
    measured errors; where an error is predicted, only those of "do not trust" count.

    Raises:
        InputError: a value out of its range, or bounds in the wrong order.
    """

    tolerance_mm: float = setting(
        5.0,
        "Error that is tolerated: 'good' if the radius around a target is within it, 'do not trust' if the predicted "
        "error exceeds it (4.9 mm is the radius of a 0.5 ml lesion).",
        unit="mm",
        low=0,
        usual=(0.0, 50.0),
        step=0.25,
        flag="--trust-tolerance",
        label="Tolerance",
    )
    near_mm: float = setting(
        5.0,
        "Without a predicted error: 'check' beyond this distance from an accepted region.",
        unit="mm",
        low=0,
        usual=(0.0, 50.0),
        step=0.25,
        flag="--trust-near",
        label="Good up to",
    )
    far_mm: float = setting(
        20.0,
        "'do not trust' beyond this distance from every accepted region.",
        unit="mm",
        low=0,
        usual=(0.0, 100.0),
        step=0.25,
        flag="--trust-far",
        label="Do not trust beyond",
    )
    jacobian_check: tuple[float, float] = setting(
        USUAL_JACOBIAN,
        "'check' outside this range of the Jacobian determinant: tissue rarely halves or doubles its volume.",
        check=_check_range,
        expert=True,
    )
    jacobian_never: tuple[float, float] = setting(
        (0.1, 5.0),
        "'do not trust' at or outside this range of the Jacobian determinant: nearly folding or tearing.",
        check=_check_range,
        expert=True,
    )
    spread_check_mm: float = setting(
        5.0,
        "'check' when rigid, affine and fitted transform disagree by more.",
        unit="mm",
        low=0,
        usual=(0.0, 50.0),
        step=0.25,
        flag="--trust-spread-check",
        label="Check above a spread of",
    )
    spread_never_mm: float = setting(
        15.0,
        "'do not trust' when rigid, affine and fitted transform disagree by more.",
        unit="mm",
        low=0,
        usual=(0.0, 100.0),
        step=0.25,
        flag="--trust-spread-never",
        label="Do not trust above a spread of",
    )
    round_ratio: float = setting(
        1.25, "A region counts as round if two of its semi-axes differ by at most this factor.", low=1, expert=True
    )
    centre_mm: float = setting(
        10.0,
        "If a single round region constrains the transform, 'good' up to this distance from its centre: a rotation "
        "by 15 degrees, hardly visible at its surface, is 2.6 mm there.",
        unit="mm",
        low=0,
        expert=True,
    )

    def __post_init__(self) -> None:
        check_settings(self)
        (low, high), (lowest, highest) = self.jacobian_check, self.jacobian_never
        for names, bounds in (
            ("near_mm, far_mm", (self.near_mm, self.far_mm)),
            ("spread_check_mm, spread_never_mm", (self.spread_check_mm, self.spread_never_mm)),
            ("jacobian_never, jacobian_check", (lowest, low, high, highest)),
        ):
            if list(bounds) != sorted(bounds):
                raise InputError(
                    f"The bounds {names} are {', '.join(f'{bound:g}' for bound in bounds)}, but must increase "
                    "from left to right."
                )
