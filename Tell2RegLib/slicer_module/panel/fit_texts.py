"""Texts about a fit: its results, and its limits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from slicer.i18n import tr as _

from Tell2RegLib.slicer_module.panel import tables

_SUFFICIENT: Mapping[str, str] = {
    "rigid": _(
        "The rigid transform aligns the regions to within the noise of the voxels; the deformable transform is "
        "identical to it, since a deformation would only fit that noise."
    ),
    "affine": _(
        "The affine transform aligns the regions to within the noise of the voxels; the deformable transform is "
        "identical to it, since a deformation would only fit that noise."
    ),
}
"""By the recommended kind; a recommended deformation needs no explanation."""
OUTDATED = _("From an earlier fit. {why}")


def summaryText(summary: Mapping[str, Any], outdated: str = "") -> str:
    """The results of the fit for the panel, preceded by the reason if it is outdated."""
    dice, distance = ((summary[name][0], summary[name][-1]) for name in ("dice", "distance_mm"))
    text = _(
        "Pairs used: {pairs}. Mean Dice {before} → {after}; centre distance of the fitted regions {far} → {near} mm "
        "(not accuracy). {folded} of the volume is folded. {displacement} Forward and inverse agree within {error} mm."
    ).format(
        pairs=summary["pairs"],
        before=tables.number(dice[0]),
        after=tables.number(dice[1]),
        far=tables.number(distance[0]),
        near=tables.number(distance[1]),
        folded=_("Nothing") if not summary["folding_percent"] else f"{summary['folding_percent']:.3g} %",
        displacement=_displacement(summary),
        error=tables.number(summary["inverse_error_mm"][1]),
    )
    return "\n".join([*([_("{why} Fit again.").format(why=outdated)] if outdated else []), text])


def _displacement(summary: Mapping[str, Any]) -> str:
    largest, inside = summary["max_displacement_mm"], summary.get("max_displacement_inside_mm")
    if inside is None or "volume_mm" not in summary:
        return _("Largest displacement {largest} mm.").format(largest=tables.number(largest, 1))
    return _(
        "Largest displacement {inside} mm inside the regions, {largest} mm in the whole volume ({size} mm), where it "
        "is extrapolated."
    ).format(
        inside=tables.number(inside, 1),
        largest=tables.number(largest, 1),
        size=" x ".join(tables.number(side, 0) for side in summary["volume_mm"]),
    )


def fitLines(summary: Mapping[str, Any]) -> tuple[str, ...]:
    """The results and the limits of a new fit, for the log."""
    return (summaryText(summary), *limitTexts(summary))


def limitTexts(summary: Mapping[str, Any]) -> tuple[str, ...]:
    """What the fit cannot know, where its deformation adds nothing, and what a calibration did; a sentence each."""
    return (*_ofOneRegion(summary), *_ofALinearMap(summary), *_ofACalibration(summary))


def _ofOneRegion(summary: Mapping[str, Any]) -> Sequence[str]:
    name = summary.get("only_region")
    if not name:
        return ()
    alone = _(
        "Only '{name}' was fitted: its overlap is no evidence of accuracy, and away from it the transform is "
        "extrapolated. Add "
        "pairs around your targets."
    ).format(name=name)
    turned = _("'{name}' is nearly round: it does not determine the rotation.").format(name=name)
    return (alone, turned) if summary.get("only_region_is_round") else (alone,)


def _ofACalibration(summary: Mapping[str, Any]) -> Sequence[str]:
    effect = summary.get("calibration")
    if not effect:
        return ()
    if not effect["used"]:
        return (_("The calibration was not used. {reason}").format(reason=effect["reason"]),)
    offset = _(
        "The expected offset comes from a calibration on {patients} patients (mean rotation {angle} degrees). {reason}"
    ).format(
        patients=effect["patients"],
        angle=tables.number(math.hypot(*effect["mean_rotation_deg"]), 1),
        reason=effect["reason"],
    )
    return (offset, *(_ofAnInterior(motion) for motion in effect.get("interiors", ())))


def _ofAnInterior(motion: Mapping[str, Any]) -> str:
    if motion["reason"]:
        return _("The calibration's model of the inside of '{region}' was not used. {reason}").format(**motion)
    return _("Following the calibration, points inside '{region}' move by up to {largest} mm.").format(
        region=motion["region"], largest=tables.number(motion["largest_mm"], 1)
    )


def _ofALinearMap(summary: Mapping[str, Any]) -> Sequence[str]:
    sufficient = _SUFFICIENT.get(summary.get("recommended", ""))
    return () if sufficient is None else (sufficient,)
