"""The demo's trained networks, device against CPU in fp32: boxes, embeddings, masks, and words to a transform."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from Tell2RegLib.evaluation import metrics
from Tell2RegLib.fitting import fit
from Tell2RegLib.models.inference import Precision
from Tell2RegLib.models.protocol import Box, Embeddings, Mask, SliceStack
from Tell2RegLib.phantom import PhantomPair, make_pair
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.volume import Volume, to_uint8
from Testing.Bench.gpu_measure import Checks
from Testing.Bench.gpu_plan import Plan
from Testing.Bench.measure import Row

BEST = 3
"""Boxes of every slice and prompt that are compared: a fixed number, so that no threshold decides."""

WAYS: dict[str, Precision] = {"fp32": "fp32", "auto": "auto"}

POSITION_PX = {"fp32": 0.1, "auto": 4.0}
SCORE = {"fp32": 0.002, "auto": 0.1}
SIGMA = {"fp32": 0.001, "auto": 0.03}
"""Root mean square difference of the embeddings, as a share of their standard deviation."""

PIXELS = {"fp32": 0.0005, "auto": 0.01}
"""Share of all pixels on which two sets of masks may differ."""

REGION_DICE = 0.95
TARGET_MM = 1.0
"""How much larger the mean target error may be than on the CPU."""


def demo_networks(plan: Plan, checks: Checks) -> Row:
    """Boxes, embeddings and masks of some slices, in fp32 and in the device's own format."""
    from Tell2RegLib.models.demo_weights import demo_detector, demo_segmenter

    pair = _phantom(plan.phantom)
    middle = slice((plan.phantom.shape_kji[0] - plan.compared) // 2, None)
    slices: SliceStack = to_uint8(pair.fixed.volume).array_kji[middle][: plan.compared].copy()
    reference = demo_detector("cpu", precision="fp32", box_threshold=0.0).detect(slices, plan.asked)
    segmenter = demo_segmenter("cpu", precision="fp32")
    embeddings = segmenter.embed(slices)
    boxes = [box for group in best_boxes(reference).values() for box in group]
    masks = segmenter.segment(embeddings, boxes)
    rows: Row = {"slices": len(slices), "prompts": len(plan.asked)}
    for way, precision in WAYS.items():
        detector = demo_detector(plan.device, precision=precision, box_threshold=0.0)
        detected, again = detector.detect(slices, plan.asked), _again(detector, slices, plan.asked)
        rows[f"boxes {way}"] = box_difference(reference, detected) | {"same_twice": detected == again}
        _check_boxes(f"demo {way}", rows[f"boxes {way}"], way, checks)
        actual = demo_segmenter(plan.device, precision=precision)
        recorded = actual.embed(slices)
        rows[f"embeddings {way}"] = embedding_difference(embeddings, recorded) | {
            "same_twice": actual.embed(slices).features.tobytes() == recorded.features.tobytes()
        }
        _check_embeddings(f"demo {way}", rows[f"embeddings {way}"], way, checks)
        drawn = actual.segment(recorded, boxes)
        rows[f"masks {way}"] = mask_difference(masks, drawn) | {
            "same_twice": all(
                np.array_equal(a.mask, b.mask) for a, b in zip(drawn, actual.segment(recorded, boxes), strict=True)
            )
        }
        checks.at_most(f"demo {way}: pixels in other masks", rows[f"masks {way}"]["pixels"], PIXELS[way])  # type: ignore[index]
        checks.true(f"demo {way}: masks the same twice", rows[f"masks {way}"]["same_twice"])  # type: ignore[index]
    return rows


def _again(detector: Any, slices: SliceStack, prompts: Sequence[str]) -> tuple[Box, ...]:
    detector.feature_cache.clear()
    return detector.detect(slices, prompts)  # type: ignore[no-any-return]


@functools.lru_cache(maxsize=1)
def _phantom(grid: Grid) -> PhantomPair:
    return make_pair(0, grid, grid)


# --- differences ---


def best_boxes(boxes: Sequence[Box], count: int = BEST) -> dict[tuple[int, str], list[Box]]:
    """The surest boxes of each slice and prompt."""
    groups: dict[tuple[int, str], list[Box]] = {}
    for box in sorted(boxes, key=lambda box: -box.score):
        group = groups.setdefault((box.slice_index, box.prompt), [])
        if len(group) < count:
            group.append(box)
    return groups


def box_difference(reference: Sequence[Box], measured: Sequence[Box], count: int = BEST) -> Row:
    """How far the nearest of twice as many boxes lies from each of the reference's best, in pixels and in score."""
    candidates = best_boxes(measured, 2 * count)
    positions, scores = [], []
    for key, group in best_boxes(reference, count).items():
        locations = np.array([box.xyxy_px for box in candidates[key]])
        for box in group:
            gaps = np.abs(locations - box.xyxy_px).max(axis=1)
            nearest = int(gaps.argmin())
            positions.append(gaps[nearest])
            scores.append(abs(candidates[key][nearest].score - box.score))
    return {
        "compared": len(positions),
        "position_px": {"mean": float(np.mean(positions)), "max": float(np.max(positions))},
        "position_px_95": float(np.percentile(positions, 95)),
        "score": {"mean": float(np.mean(scores)), "max": float(np.max(scores))},
    }


def embedding_difference(reference: Embeddings, measured: Embeddings) -> Row:
    """Difference of features as a share of their standard deviation."""
    features = reference.features.astype(np.float32)
    gap = measured.features.astype(np.float32) - features
    sigma = float(features.std())
    return {"sigma": sigma, "rms": float(np.sqrt(np.mean(gap**2))) / sigma, "max": float(np.abs(gap).max()) / sigma}


def mask_difference(reference: Sequence[Mask], measured: Sequence[Mask]) -> Row:
    """Share of pixels that differ, and the worst Dice of masks that are not tiny."""
    pairs = list(zip(reference, measured, strict=True))
    differing = float(np.mean([np.mean(a.mask ^ b.mask) for a, b in pairs]))
    dice = [2 * (a.mask & b.mask).sum() / (a.mask.sum() + b.mask.sum()) for a, b in pairs if a.mask.sum() > 30]
    quality = max(abs(a.quality - b.quality) for a, b in pairs)
    return {"masks": len(pairs), "pixels": differing, "worst_dice": float(min(dice, default=1.0)), "quality": quality}


def _check_boxes(name: str, row: Any, way: str, checks: Checks) -> None:
    checks.at_most(f"{name}: position of the best boxes, px", row["position_px"]["max"], POSITION_PX[way])
    checks.at_most(f"{name}: score of the best boxes", row["score"]["max"], SCORE[way])
    checks.true(f"{name}: boxes the same twice", row["same_twice"])


def _check_embeddings(name: str, row: Any, way: str, checks: Checks) -> None:
    checks.at_most(f"{name}: embeddings, rms in sigma", row["rms"], SIGMA[way])
    checks.true(f"{name}: embeddings the same twice", row["same_twice"])


# --- words to a transform ---


def words(plan: Plan, checks: Checks) -> Row:
    """Both volumes of a phantom pair through every step, on the CPU in fp32 and on the device as it chooses."""
    pair = _phantom(plan.phantom)
    reference = _registered(pair, plan, "cpu", "fp32")
    detected = _registered(pair, plan, plan.device, "auto")
    row: Row = {"cpu": reference["summary"], "device": detected["summary"]}
    names = {position: {region.name for region in reference[position]} for position in ("fixed", "moving")}
    same = all({region.name for region in detected[position]} == names[position] for position in names)
    dice = [
        metrics.dice(region, candidate)
        for position in names
        for region in reference[position]
        for candidate in detected[position]
        if candidate.name == region.name
    ]
    row["same_regions"], row["worst_dice_of_regions"] = same, float(min(dice, default=1.0))
    checks.true("words: the same regions as on the CPU", same)
    checks.at_most("words: 1 - Dice of the worst region", 1 - row["worst_dice_of_regions"], 1 - REGION_DICE)  # type: ignore[operator]
    if "target_mm" in reference["summary"]:
        loss = detected["summary"].get("target_mm", np.inf) - reference["summary"]["target_mm"]
        checks.at_most("words: mean target error above the CPU's, mm", loss, TARGET_MM)
    return row


def _registered(pair: PhantomPair, plan: Plan, device: str, precision: Precision) -> dict[str, Any]:
    from Tell2RegLib.matching.by_prototype import match_source_results
    from Tell2RegLib.models.demo_weights import demo_detector, demo_segmenter
    from Tell2RegLib.region_sources.grounded_sam import GroundedSam

    source = GroundedSam(demo_detector(device, precision=precision), demo_segmenter(device, precision=precision))
    fixed, moving = (_regions_of(source, side.volume, plan.asked) for side in (pair.fixed, pair.moving))
    pairs = match_source_results(fixed, moving)
    accepted = [item for item in pairs if item.accepted]
    summary: dict[str, Any] = {"pairs": [item.name for item in accepted], "rejected": len(pairs) - len(accepted)}
    if accepted:
        result = fit(accepted, plan.settings(device))
        back = result.transform.inverse.apply_to_points([target.moving_lps_mm for target in pair.plan])
        errors = np.linalg.norm(back - np.array([target.fixed_lps_mm for target in pair.plan]), axis=1)
        summary |= {"target_mm": float(errors.mean()), "worst_target_mm": float(errors.max())}
    return {"summary": summary, "fixed": fixed.regions, "moving": moving.regions}


def _regions_of(source: Any, volume: Volume, prompts: Sequence[str]) -> Any:
    """`GroundedSam.find` on the volume's own slices: the phantom is axial, and resampling needs SimpleITK."""
    from Tell2RegLib.region_sources.grounded_sam import Prepared

    prepared = Prepared(to_uint8(volume), tuple(range(len(volume.array_kji))))
    findings = source.filter_boxes(prepared, source.detect(prepared, prompts))
    embeddings = source.embed(prepared)
    return source.link(volume, prompts, prepared, source.segment(prepared, findings, embeddings), embeddings)
