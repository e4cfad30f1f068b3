"""Networks of full size with random weights: ours against the packages' predictors, their times, memory and profile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from Tell2RegLib.models.grounding_dino import detector as grounding_dino
from Tell2RegLib.models.grounding_dino.detector import GroundingDinoDetector
from Tell2RegLib.models.inference import free_unused
from Tell2RegLib.models.protocol import Box, Embeddings, Mask, SliceStack
from Tell2RegLib.models.sam import segmenter as sam
from Tell2RegLib.models.sam.segmenter import SamSegmenter
from Testing.Bench.gpu_demo import box_difference, embedding_difference, mask_difference
from Testing.Bench.gpu_measure import Checks, Laps, profile, timed
from Testing.Bench.gpu_plan import Plan
from Testing.Bench.measure import Row
from Testing.Bench.networks_measure import (
    CASES,
    SLICE_HW,
    build,
    operations,
    package_image,
    package_output,
    predict_each,
    teraflops,
)

WARM_UP = 32
"""Slices before the clock starts: a full batch."""

BEST = 20
"""Boxes of a slice that are compared with the package's."""

KEPT_BOXES = 3
"""Boxes of a slice and prompt that pass the threshold, on average: random weights know none of their own."""

SIGMA = {"fp32": 0.002, "half": 0.03}
POSITION_PX = 1.0
PIXELS = 0.001
LATER = ("urethra",)
TEXT_SCALE = 0.02
"""Of the features of words, so that random weights do not give every box the score 1."""


def network(name: str, plan: Plan, checks: Checks) -> Row:
    """One network: its answers against the package's, then its stages against the clock."""
    torch.manual_seed(0)
    with torch.device(plan.device):
        module, config = build(CASES[name])
    module = module.to(plan.device)
    pixels = np.random.default_rng(0).integers(0, 256, (plan.slices, *SLICE_HW), dtype=np.uint8)
    try:
        if CASES[name].detects:
            return _detector(name, module, config, pixels, plan, checks)
        return _segmenter(name, module, config, pixels, plan, checks)
    finally:
        del module
        free_unused()


# --- detection ---


def _detector(name: str, module: Any, config: Any, pixels: SliceStack, plan: Plan, checks: Checks) -> Row:
    _move_boxes(module)
    detector = GroundingDinoDetector(module, config, device=plan.device, content="random")
    rows: Row = {"format": detector.compute.format}
    rows["against the package"] = _against_package_boxes(name, module, config, pixels[:1], plan, checks)
    some = pixels[: plan.package_slices]
    detector.box_threshold = 0.0
    scores = sorted((box.score for box in detector.detect(some, plan.asked)), reverse=True)
    detector.box_threshold = scores[KEPT_BOXES * len(some) * len(plan.asked)]

    detected: list[int] = []

    def detect(slices: SliceStack) -> None:
        detector.feature_cache.clear()
        detected.append(len(detector.detect(slices, plan.asked)))

    detect(pixels[:WARM_UP])
    rows["detect"] = _stage(lambda: detect(pixels), detect, pixels, detector.compute.format, plan)
    rows["later word"] = timed(lambda: detector.detect(pixels, LATER), plan.device)
    laps = Laps(plan.device)
    names = ("resized", "normalised", "image_features", "locate")
    with laps.of(*((grounding_dino, part) for part in names), (GroundingDinoDetector, "_boxes")):
        rows["again, each part alone"] = timed(lambda: detect(pixels), plan.device)
    rows["parts"], rows["boxes"] = laps.seconds, detected[-1]
    few = pixels[: plan.package_slices]
    predict_each(module, config, few[:1], plan.asked[:1], plan.device)
    rows["package"] = timed(lambda: predict_each(module, config, few, plan.asked, plan.device), plan.device)
    _compare(rows, "detect", "package", plan)
    detector.feature_cache.clear()
    rows["profile"] = profile(lambda: detect(pixels[: plan.profiled_slices]), plan.device)
    return rows


def _move_boxes(module: Any) -> None:
    """Random offsets, attention and boxes: training starts them at zero, where pixels differ in nothing."""
    for name, weight in module.named_parameters():
        last_of_boxes = "bbox_embed" in name and "layers.2" in name
        if last_of_boxes or any(part in name for part in ("offsets.w", "attention_weights.w", "bias")):
            torch.nn.init.normal_(weight, 0.0, 0.05)
        elif "gamma" in name:
            torch.nn.init.constant_(weight, 0.5)
    with torch.no_grad():
        module.feat_map.weight.mul_(TEXT_SCALE)


@contextmanager
def _without_tf32() -> Iterator[None]:
    """The package in true fp32: by default torch lets convolutions have TF32, and nearly equal scores change places."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def _against_package_boxes(name: str, module: Any, config: Any, item: SliceStack, plan: Plan, checks: Checks) -> Row:
    """Boxes of one slice and prompt: the package, ours in fp32, and ours in the device's own format against ours."""
    prompt = plan.asked[0]
    every: dict[str, Any] = {"device": plan.device, "box_threshold": 0.0, "content": "random"}
    exact = GroundingDinoDetector(module, config, precision="fp32", **every).detect(item, (prompt,))
    half = GroundingDinoDetector(module, config, **every).detect(item, (prompt,))
    with _without_tf32():
        logits, positions = package_output(module, package_image(config, item[0]), prompt, plan.device)
    centre, size = positions.split(2, dim=-1)
    corners = torch.cat([centre - size / 2, centre + size / 2], dim=-1) * item.shape[1]
    expected = [
        Box(0, prompt, tuple(xyxy), score)  # type: ignore[arg-type]
        for xyxy, score in zip(corners.tolist(), logits.amax(dim=-1).tolist(), strict=True)
    ]
    row: Row = {
        "fp32": box_difference(expected, exact, BEST),
        "own format against fp32": box_difference(exact, half, BEST),
    }
    checks.at_most(f"{name}: 95 % of the package's best boxes, px", row["fp32"]["position_px_95"], POSITION_PX)  # type: ignore[index]
    return row


# --- embedding and masks ---


def _segmenter(name: str, module: Any, config: Any, pixels: SliceStack, plan: Plan, checks: Checks) -> Row:
    _move_positions(module)
    size = config.image_size_px
    segmenter = SamSegmenter(module, device=plan.device, image_size=size, content="random")
    rows: Row = {"format": segmenter.compute.format}
    boxes = _boxes(len(pixels), plan.prompts)
    rows["against the package"] = _against_package_masks(name, module, size, pixels[:2], plan, checks)
    segmenter.embed(pixels[:WARM_UP])
    embed = segmenter.embed
    rows["embed"] = _stage(lambda: embed(pixels), embed, pixels, segmenter.compute.format, plan)
    embeddings = embed(pixels)
    segmenter.segment(embeddings, boxes[:WARM_UP])
    rows["segment"] = timed(lambda: segmenter.segment(embeddings, boxes), plan.device)
    rows["boxes"] = len(boxes)
    laps = Laps(plan.device)
    positions = [(sam, part) for part in ("resized", "normalised", "decode", "to_slice")]
    with laps.of(*positions, (sam.SamEncoder, "__call__")):
        rows["again, each part alone"] = timed(lambda: segmenter.segment(embed(pixels), boxes), plan.device)
    rows["parts"] = laps.seconds
    rows |= _package_times(module, pixels[: plan.package_slices], plan)
    _compare(rows, "embed", "package embed", plan)
    _compare(rows, "segment", "package segment", plan)
    rows["profile"] = profile(lambda: embed(pixels[: plan.profiled_slices]), plan.device)
    few = [box for box in boxes if box.slice_index < plan.profiled_slices]
    rows["profile of segment"] = profile(lambda: segmenter.segment(embeddings, few), plan.device)
    return rows


def _move_positions(module: Any) -> None:
    """Random positions: training starts them at zero, where they would hide a mistake."""
    for name, weight in module.named_parameters():
        if "rel_pos" in name or "pos_embed" in name:
            torch.nn.init.normal_(weight, 0.0, 0.1)


def _boxes(slices: int, each: int) -> list[Box]:
    """Some boxes on every slice."""
    rng = np.random.default_rng(1)
    height, width = SLICE_HW
    boxes = []
    for index in range(slices):
        for number in range(each):
            x, y = rng.uniform(0.1, 0.6, 2)
            wide, high = rng.uniform(0.1, 0.35, 2)
            corners = (x * width, y * height, (x + wide) * width, (y + high) * height)
            boxes.append(Box(index, str(number), corners, 0.5))
    return boxes


def _against_package_masks(name: str, module: Any, size: int, few: SliceStack, plan: Plan, checks: Checks) -> Row:
    from segment_anything import SamPredictor

    boxes = _boxes(len(few), plan.prompts)
    predictor = SamPredictor(module)
    features, masks = [], []
    with _without_tf32():
        for index, grey in enumerate(few):
            predictor.set_image(np.repeat(grey[..., None], 3, axis=-1))
            features.append(predictor.get_image_embedding()[0].cpu().numpy())
            for box in boxes:
                if box.slice_index == index:
                    mask, quality, _ = predictor.predict(box=np.array(box.xyxy_px), multimask_output=False)
                    masks.append(Mask(box, mask[0], float(quality[0])))
    exact = SamSegmenter(module, device=plan.device, image_size=size, precision="fp32", content="random")
    half = SamSegmenter(module, device=plan.device, image_size=size, content="random")
    exact_embeddings, half_embeddings = exact.embed(few), half.embed(few)
    expected = Embeddings(
        np.stack(features), exact_embeddings.covered_hw, exact_embeddings.slice_hw, exact_embeddings.model
    )
    row: Row = {
        "embeddings fp32": embedding_difference(expected, exact_embeddings),
        "embeddings own format": embedding_difference(expected, half_embeddings),
        "masks fp32": mask_difference(masks, exact.segment(exact_embeddings, boxes)),
        "masks own format": mask_difference(masks, half.segment(half_embeddings, boxes)),
    }
    checks.at_most(f"{name}: fp32 embeddings, rms in sigma", row["embeddings fp32"]["rms"], SIGMA["fp32"])  # type: ignore[index]
    checks.at_most(f"{name}: own format's embeddings, rms", row["embeddings own format"]["rms"], SIGMA["half"])  # type: ignore[index]
    checks.at_most(f"{name}: pixels in other masks, fp32", row["masks fp32"]["pixels"], PIXELS)  # type: ignore[index]
    return row


def _package_times(module: Any, few: SliceStack, plan: Plan) -> Row:
    """The package's predictor: a slice at a time, then a box at a time."""
    from segment_anything import SamPredictor

    predictor = SamPredictor(module)
    colour = np.repeat(few[..., None], 3, axis=-1)
    boxes = [np.array(box.xyxy_px) for box in _boxes(len(few), plan.prompts)]

    def embed() -> None:
        for picture in colour:
            predictor.set_image(picture)
            predictor.get_image_embedding().cpu()

    def segment() -> None:
        for box in boxes:
            predictor.predict(box=box, multimask_output=False)

    predictor.set_image(colour[0])
    predictor.predict(box=boxes[0], multimask_output=False)
    return {"package embed": timed(embed, plan.device), "package segment": timed(segment, plan.device)}


# --- numbers ---


def _stage(
    run: Callable[[], Any], item: Callable[[SliceStack], Any], pixels: SliceStack, number_format: str, plan: Plan
) -> Row:
    """Time, memory, arithmetic and share of the peak of a stage."""
    row = timed(run, plan.device, repeats=2)
    row["teraflop_each"] = operations(item, pixels[:1])
    reached = row["teraflop_each"] * len(pixels) / row["seconds"]  # type: ignore[operator]
    return row | {"teraflops": reached, "share_of_peak": reached / teraflops(plan.device, number_format, plan.matrix)}


def _compare(rows: Row, actual: str, expected: str, plan: Plan) -> None:
    """Seconds per slice of both, and how many times as fast ours is."""
    each = rows[actual]["seconds"] / plan.slices  # type: ignore[index]
    package = rows[expected]["seconds"] / plan.package_slices  # type: ignore[index]
    rows[actual] |= {"seconds_per_slice": each, "times_as_fast": package / each}  # type: ignore[operator]
    rows[expected] |= {"seconds_per_slice": package, "slices": plan.package_slices}  # type: ignore[operator]
