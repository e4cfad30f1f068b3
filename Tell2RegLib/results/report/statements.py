"""The report's text: key figures, remarks, measures, targets, provenance of a result.

A remark is good, asks the reader to look closely, or is a note; none says that a result may be used.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from Tell2RegLib.evaluation.target_trust import CHECK, DO_NOT_TRUST, GOOD
from Tell2RegLib.fitting.linear import FULL_SUPPORT
from Tell2RegLib.region_sources.messages import counted
from Tell2RegLib.results.report.calibration_remarks import about_calibration
from Tell2RegLib.results.report.displacements import largest_in_regions_mm
from Tell2RegLib.results.report.remark import Remark
from Tell2RegLib.results.report.thresholds import INVERSE_MAX_MM, INVERSE_MEAN_MM, LOW_DICE, TARGET_MM
from Tell2RegLib.results.result import Fitted, PairMetrics, Target
from Tell2RegLib.space.jacobian import USUAL_JACOBIAN
from Tell2RegLib.space.transform_kinds import DEFORMABLE, STATES, state_of

if TYPE_CHECKING:
    from Tell2RegLib.results.result import RegistrationResult

Strain = Mapping[str, tuple[float, float]]
"""Range of det J inside the fixed region of each accepted pair, by name."""

EXTRAPOLATION = (
    "Only the regions were aligned. Between and beyond them the transform is an extrapolation: trust it less the "
    "farther a point lies from an accepted region."
)


# --- numbers ---


def number(value: float | None, digits: int = 2) -> str:
    """A number for people; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:.{digits}f}"


def change(before: float | None, after: float | None, digits: int = 2) -> str:
    """'before → after'."""
    return f"{number(before, digits)} → {number(after, digits)}"


def percent(value: float) -> str:
    """A percentage; a trace is not rounded to none."""
    if 0 < value < 0.01:
        return "< 0.01 %"
    return f"{number(value, 2 if value else 0)} %"


def position(point_lps_mm: Sequence[float]) -> str:
    """A point in the patient's directions: 'L 12.0, P 4.1, I 8.0'."""
    letters = ("RL", "AP", "IS")
    return ", ".join(f"{pair[int(x >= 0)]} {abs(x):.1f}" for pair, x in zip(letters, point_lps_mm, strict=True))


def listed(names: Sequence[str]) -> str:
    """'a', 'a and b', 'a, b and c'."""
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


# --- key figures ---


def key_figures(result: RegistrationResult) -> list[dict[str, str]]:
    """Label and value of the tiles at the top."""
    used = sum(pair.accepted for pair in result.pairs)
    tiles = [("region pairs used", f"{used} of {len(result.pairs)}")]
    if result.fitted:
        means, quality = result.summary, result.fitted.quality
        distance = change(means.mean_centroid_mm_before, means.mean_centroid_mm_after, 1)
        tiles += [
            ("mean Dice overlap", change(means.mean_dice_before, means.mean_dice_after)),
            ("mean centroid distance", distance + " mm"),
            ("folded voxels", percent(quality.folding_percent)),
            ("largest displacement in the regions", number(largest_in_regions_mm(result)[0], 1) + " mm"),
        ]
    errors = mean_errors(result)
    if errors:
        both = change(errors.get("before"), errors.get(fitted_kind(result)), 1)
        tiles.append(("mean target error", both + " mm"))
    return [{"label": label, "value": value} for label, value in tiles]


# --- words ---


def prompt_rows(result: RegistrationResult) -> list[dict[str, Any]]:
    """One row per prompt, as in the paper's Table 2, with a sentence per side; empty when the regions were given."""
    if result.prompts_result is None:
        return []
    return [
        {
            "prompt": row.prompt,
            "fixed": row.fixed,
            "moving": row.moving,
            "pairs": row.pairs,
            "accepted": row.accepted,
            "ratio": "–" if row.detection_ratio is None else f"{100 * row.detection_ratio:.0f} %",
            "notes": [f"{side}: {count.sentence()}" for side, count in (("Fixed", row.fixed), ("Moving", row.moving))],
        }
        for row in result.prompts_result.prompts
    ]


# --- remarks ---


def remarks(result: RegistrationResult, strain: Strain) -> list[Remark]:
    """The most important remarks on a result, favourable ones first."""
    if result.fitted is None:
        return [Remark(result.reason or "No region pair could be used, so there is no transform.", "look")]
    all_remarks = [
        *_about_prompts(result),
        *_about_pairs([m for m in result.metrics if m.accepted]),
        *_about_doubtful([m.name for m in result.metrics if m.accepted and m.weight < 1]),
        *_about_rejected([m.name for m in result.metrics if not m.accepted]),
        *(Remark(text, "look") for text in result.pair_remarks),
        *_about_transform(result.fitted),
        *_about_a_rigid_map(result.fitted),
        *_about_recommendation(result.fitted),
        *_about_support(result.fitted),
        *about_calibration(result),
        *_about_strain(strain),
        *_about_trust(result.targets),
        *_about_targets(result),
        Remark(EXTRAPOLATION, "note"),
    ]
    if result.warnings:  # nothing that follows is good news
        all_remarks = [replace(remark, kind="note") if remark.kind == "good" else remark for remark in all_remarks]
    return sorted(all_remarks, key=lambda remark: ("good", "look", "note").index(remark.kind))


def _about_prompts(result: RegistrationResult) -> Iterator[Remark]:
    if result.prompts_result is None:
        return
    unknown = result.provenance.get("parameters", {}).get("unverified_models")
    if unknown:
        yield Remark(f"Unverified weights, their hash is not in the catalogue: {listed(unknown)}.", "look")
    unused = [row.prompt for row in result.prompts_result.prompts if not row.accepted]
    if unused:
        quoted = listed([f"'{prompt}'" for prompt in unused])
        yield Remark(f"No used pair comes from {quoted}: see the detections by prompt.", "look")


def _about_pairs(used: Sequence[PairMetrics]) -> Iterator[Remark]:
    if len(used) < 3:
        yield Remark(f"The fit rests on {counted(len(used), 'pair')} only: elsewhere the transform is a guess.", "look")
    lost_names = [m.name for m in used if m.centroid_mm_after is None or m.dice_after is None]
    if lost_names:
        yield Remark(f"Outside the fixed volume after warping: {listed(lost_names)}.", "look")
    dice_rows = [
        (m.name, m.dice_before or 0.0, m.dice_after)
        for m in used
        if m.dice_after is not None and m.name not in lost_names
    ]
    worse = [name for name, before, after in dice_rows if after < before - 0.005]
    if worse:
        yield Remark(f"Overlap less than before: {listed(worse)}.", "look")
    low = [f"{name} ({after:.2f})" for name, _, after in dice_rows if after < LOW_DICE]
    if low:
        yield Remark(f"Overlap poorly, Dice below {LOW_DICE:.1f}: {listed(low)}.", "look")
    if dice_rows and not (lost_names or worse or low):
        smallest = min(after for _, _, after in dice_rows)
        yield Remark(f"Every used pair has a Dice of at least {math.floor(smallest * 100) / 100:.2f}.", "good")


def _about_doubtful(names: Sequence[str]) -> Iterator[Remark]:
    if names:
        yield Remark(
            f"Doubtful, so they count less in the fit: {listed(names)}. The table of region pairs says why.", "look"
        )


def _about_rejected(names: Sequence[str]) -> Iterator[Remark]:
    if names:
        yield Remark(f"Not used in the fit: {listed(names)}. The table of region pairs gives the reasons.", "look")


def _about_transform(fitted: Fitted) -> Iterator[Remark]:
    folding = fitted.quality.folding_percent
    if folding > 0:
        yield Remark(f"The transform folds in {percent(folding)} of the voxels: anatomically impossible.", "look")
    else:
        yield Remark("The transform does not fold.", "good")
    mean, maximum = fitted.inverse_error_mm
    if not math.isfinite(mean):
        yield Remark("The two volumes do not overlap, so the inverse could not be checked.", "look")
    elif mean > INVERSE_MEAN_MM or maximum > INVERSE_MAX_MM:
        yield Remark(f"High inverse-consistency error: {mean:.2f} mm on average, {maximum:.2f} mm at most.", "look")
    else:
        yield Remark(f"Inverse-consistency error: {mean:.3f} mm on average, {maximum:.3f} mm at most.", "good")


def _about_a_rigid_map(fitted: Fitted) -> Iterator[Remark]:
    choice = fitted.recommendation
    if choice is not None and choice.kind == "rigid" and fitted.transform.kind in DEFORMABLE:
        yield Remark(
            "The rigid transform aligns the regions to within voxel noise, so the deformable transform equals it: a "
            "deformation would fit the noise.",
            "note",
        )


def _about_recommendation(fitted: Fitted) -> Iterator[Remark]:
    choice = fitted.recommendation
    if choice is not None:
        requested = state_of(fitted.transform.kind)
        chosen = "" if choice.kind == requested else f" The {requested} transform was requested."
        yield Remark(f"Recommended: the {choice.kind} transform. {choice.reason}{chosen}", "note")


def _about_support(fitted: Fitted) -> Iterator[Remark]:
    support = fitted.support
    if support is not None and support.mean < FULL_SUPPORT:
        yield Remark(
            "The regions determine the orientation only in part: "
            f"{100 * support.rotation:.0f} % of the affine transform's rotation, {100 * support.scale:.0f} % of its "
            f"scale and {100 * support.shear:.0f} % of its shear. The rest follows the prior: the orientation of the "
            "initial transform or the calibration, or none, and equal scale along the patient's axes.",
            "note",
        )


def _about_strain(strain: Strain) -> Iterator[Remark]:
    least, most = USUAL_JACOBIAN
    strained = [name for name, (low, high) in strain.items() if low < least or high > most]
    if strained:
        yield Remark(
            f"Local volume changes by a factor below {least:g} or above {most:g} within: {listed(strained)}.", "look"
        )


def _about_trust(targets: Sequence[Target]) -> Iterator[Remark]:
    for verdict, text in ((DO_NOT_TRUST, "Do not trust the position of"), (CHECK, "Check the position of")):
        names = [target.name for target in targets if target.trust.verdict == verdict]
        if names:
            yield Remark(f"{text} {listed(names)}: the table of targets gives the reasons.", "look")
    if targets and all(target.trust.verdict == GOOD for target in targets):
        yield Remark("The radius around every target is within the tolerance.", "good")


def _about_targets(result: RegistrationResult) -> Iterator[Remark]:
    errors, kind = mean_errors(result), fitted_kind(result)
    if kind not in errors or "before" not in errors:
        return
    worst_target = max((t for t in result.targets if kind in t.errors_mm), key=lambda target: target.errors_mm[kind])
    text = f"Mean target error {errors['before']:.1f} mm before, {errors[kind]:.1f} mm after; largest"
    is_good = errors[kind] < errors["before"] and worst_target.errors_mm[kind] <= TARGET_MM
    yield Remark(
        f"{text} '{worst_target.name}' with {worst_target.errors_mm[kind]:.1f} mm.", "good" if is_good else "look"
    )
    best_kind = min(errors, key=lambda name: errors[name])
    if errors[best_kind] < errors[kind] - 0.05:
        best_label = "no registration" if best_kind == "before" else f"the {best_kind} transform"
        yield Remark(f"For these targets {best_label} is better: mean error {errors[best_kind]:.1f} mm.", "look")


# --- targets ---


def fitted_kind(result: RegistrationResult) -> str:
    """The key of target errors that belongs to the fitted transform."""
    return state_of(result.fitted.transform.kind) if result.fitted else "before"


def mean_errors(result: RegistrationResult) -> dict[str, float]:
    """Mean target error by kind, in the order before, rigid, affine, deformable; empty when no truth is known."""
    means = {}
    for kind in STATES:
        known = [target.errors_mm[kind] for target in result.targets if kind in target.errors_mm]
        if known:
            means[kind] = sum(known) / len(known)
    return means


# --- measures, time, provenance ---


def measures(result: RegistrationResult) -> list[dict[str, str]]:
    """Name, meaning and value of the global measures."""
    if result.fitted is None:
        return []
    means, quality = result.summary, result.fitted.quality
    mean, maximum = result.fitted.inverse_error_mm
    in_regions = largest_in_regions_mm(result)
    rows = [
        (
            "Mean Dice, before → after",
            "Overlap of the two regions of a pair: 0 none, 1 complete.",
            change(means.mean_dice_before, means.mean_dice_after, 3),
        ),
        (
            "Mean centroid distance, before → after",
            "Between the centroids of the two regions of a pair.",
            change(means.mean_centroid_mm_before, means.mean_centroid_mm_after) + " mm",
        ),
        (
            "Folding",
            "Share of fixed voxels with det J of 0 or less. It should be 0.",
            f"{percent(quality.folding_percent)}, smallest det J {number(quality.min_jacobian)}",
        ),
        (
            "Spread of volume change",
            "Standard deviation of log det J; in brackets as the Learn2Reg challenge computes it. 0: none.",
            f"{number(quality.sdlogj, 3)} ({number(quality.sdlogj_l2r, 3)})",
        ),
        (
            "Largest displacement within the regions (beyond the affine part)",
            "Over all points of the fixed regions that were used; in brackets what the deformation adds.",
            f"{number(in_regions[0], 1)} mm ({number(in_regions[1], 1)} mm)",
        ),
        (
            "Largest displacement in the volume",
            "Over all points of the fixed volume, most of which are extrapolated.",
            number(quality.max_displacement_mm, 1) + " mm",
        ),
        (
            "Inverse-consistency error, mean and largest",
            "Distance between a point and its image after forward and inverse transform.",
            f"{number(mean, 3)} and {number(maximum, 3)} mm",
        ),
    ]
    return [{"name": name, "meaning": meaning, "value": value} for name, meaning, value in rows]


def timing(result: RegistrationResult) -> list[dict[str, str]]:
    """Stages and their seconds, the total last."""
    stages = [(name, seconds) for name, seconds in result.timing_s.items() if name != "total"]
    if "total" in result.timing_s:
        stages.append(("total", result.timing_s["total"]))
    return [{"name": name.replace("_", " "), "value": f"{seconds:.1f} s"} for name, seconds in stages]


def provenance(result: RegistrationResult) -> list[dict[str, str]]:
    """Everything that is needed to do it again: a line per input, one for all versions, one for all parameters."""
    lines = []
    for name, value in result.provenance.items():
        if name == "inputs":
            lines += [(str(entry.get("role", "input")), _all(entry, leave_out="role")) for entry in value]
        else:
            lines.append((name.replace("_", " "), _all(value) if isinstance(value, Mapping) else _plain(value)))
    return [{"name": name, "value": value} for name, value in lines if value]


def _all(values: Mapping[str, Any], leave_out: str = "") -> str:
    """'kind svf, smoothness 0.02, ...'; a name needs no label."""
    parts = [(key, _plain(value)) for key, value in values.items() if key != leave_out]
    return ", ".join(text if key == "name" else f"{key.replace('_', ' ')} {text}" for key, text in parts if text)


def _plain(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_plain, value))
    return "" if value is None or value == {} else str(value)


def date(result: RegistrationResult) -> str:
    """'2030-01-02 03:04 UTC', from an ISO date in UTC; other dates as they are."""
    text = str(result.provenance.get("date", ""))
    return text[:16].replace("T", " ") + " UTC" if text.endswith("+00:00") else text
