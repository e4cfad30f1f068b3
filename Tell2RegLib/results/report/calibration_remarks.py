"""What the report says of a calibration."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from Tell2RegLib.results.report.remark import Remark

if TYPE_CHECKING:
    from Tell2RegLib.results.result import RegistrationResult


def about_calibration(result: RegistrationResult) -> Iterator[Remark]:
    """What it did to the registration, or why it was not used; nothing without one."""
    effect = result.provenance.get("parameters", {}).get("calibration")
    if effect is None:
        return
    if effect["used"]:
        angle = math.hypot(*effect["mean_rotation_deg"])
        yield Remark(
            f"The expected offset comes from a calibration on {effect['patients']} patients (mean rotation {angle:.1f} "
            f"degrees). {effect['reason']}",
            "note",
        )
        yield from map(_about_interior, effect.get("interiors", ()))
    else:
        yield Remark(f"The calibration was not used. {effect['reason']}", "look")


def _about_interior(motion: Mapping[str, Any]) -> Remark:
    """What the calibration's model of a region's inside did (`fitting.interior.InteriorMotion`, as plain values)."""
    if motion["reason"]:
        return Remark(
            f"The calibration's model of the inside of '{motion['region']}' was not used. {motion['reason']}", "look"
        )
    reduced = (
        ""
        if motion["share"] == 1
        else f"; only {100 * motion['share']:.0f} % of it was applied, because more would fold"
    )
    return Remark(
        f"Following the calibration, points inside '{motion['region']}' move by up to {motion['largest_mm']:.1f} mm, "
        f"as learned from regions of similar size and shape in other patients{reduced}.",
        "note",
    )
