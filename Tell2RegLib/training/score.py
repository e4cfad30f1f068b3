"""What the shipped weights score on subjects that nothing was learnt from, through the very code that users run."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.models.demo_weights import demo_detector, demo_segmenter, read_metadata
from Tell2RegLib.models.protocol import Box
from Tell2RegLib.support.resources import resource_path
from Tell2RegLib.training.boxes import boxes_of
from Tell2RegLib.training.data import Scan, make_scan
from Tell2RegLib.training.detector_score import Tally, as_boxes_by_prompt
from Tell2RegLib.training.score_regions import regions_table, score_regions
from Tell2RegLib.training.segmenter import GROUPS
from Tell2RegLib.training.words import PRESENT_SHARE, PROMPTS, SYNONYMS, UNSEEN_WORDS

ALL_PROMPTS = (*PROMPTS, *SYNONYMS, *UNSEEN_WORDS)

START, END = "<!-- scores: written by python -m Tell2RegLib.training score -->", "<!-- end of scores -->"


def score(seeds: Iterable[int], every: int = 4) -> dict[str, Any]:
    """Recall, false boxes and Dice over the subjects of these seeds.

    Args:
        seeds: of subjects.
        every: every so many slices are looked at.
    """
    detector, segmenter = demo_detector(device="cpu"), demo_segmenter(device="cpu")
    region = float(read_metadata(resource_path("DemoWeights/detector.safetensors"))["region_score"])
    counts, lacking = Tally(), Tally()
    dice: dict[str, list[float]] = {name: [] for name in GROUPS}
    seconds: dict[str, float] = defaultdict(float)
    slices = 0
    for seed in (seeds := list(seeds)):
        scan = _every_nth_slice(make_scan(seed), every)
        slices += len(scan.slices)
        began = time.perf_counter()
        boxes = detector.detect(scan.slices, ALL_PROMPTS)
        seconds["detector"] += time.perf_counter() - began
        boxes_by_prompt = as_boxes_by_prompt(boxes, ALL_PROMPTS, scan.slices.shape)
        counts.add(boxes_by_prompt, scan.labels, scan.area, detector.box_threshold)
        absent_prompts = {prompt: boxes_by_prompt[prompt] for prompt in PROMPTS if prompt in scan.without}
        lacking.add(absent_prompts, scan.labels, scan.area, detector.box_threshold)
        began = time.perf_counter()
        for name, values in _dice(segmenter, scan).items():
            dice[name] += values
        seconds["segmenter"] += time.perf_counter() - began
    return {
        "seeds": [min(seeds), max(seeds)],
        "slices": slices,
        "region above": region,
        "boxes above": detector.box_threshold,
        "detector": _detector_numbers(counts, lacking),
        "segmenter": _segmenter_numbers(dice),
        "regions": score_regions(seeds[: len(seeds) // 2]),
        "seconds per slice and prompt": round(seconds["detector"] / slices / len(ALL_PROMPTS), 4),
        "seconds per slice, embedding and true boxes": round(seconds["segmenter"] / slices, 4),
    }


def _every_nth_slice(scan: Scan, every: int) -> Scan:
    every_nth = slice(None, None, every)
    return Scan(scan.slices[every_nth], scan.labels[every_nth], scan.area[every_nth], scan.without)


def _detector_numbers(counts: Tally, lacking: Tally) -> dict[str, Any]:
    return {
        "recall at IoU 0.5": round(counts.recall(), 4),
        "recall by prompt": {prompt: round(counts.recall([prompt]), 4) for prompt in PROMPTS},
        "boxes by prompt": {prompt: counts.wanted[prompt] for prompt in PROMPTS},
        "recall by synonym": {prompt: round(counts.recall([prompt]), 4) for prompt in SYNONYMS},
        "false per absent prompt and slice": round(counts.false_positives(), 4),
        "false by absent prompt": {prompt: round(counts.false_positives([prompt]), 4) for prompt in PROMPTS},
        "false per slice, organ removed": round(lacking.false_positives(), 4),
        "false by unseen word": {word: round(counts.false_positives([word]), 4) for word in UNSEEN_WORDS},
        "false per unseen word and slice": round(counts.false_positives(UNSEEN_WORDS), 4),
        "extra boxes per right box": round(counts.extra_boxes(), 4),
    }


def _segmenter_numbers(dice: Mapping[str, list[float]]) -> dict[str, Any]:
    pooled = [value for values in dice.values() for value in values]
    return {
        "Dice from true boxes": round(float(np.mean(pooled)), 4),
        "Dice by organ": {name: round(float(np.mean(values)), 4) for name, values in dice.items() if values},
    }


def _dice(segmenter: Any, scan: Scan) -> dict[str, list[float]]:
    """Dice of each cut of each organ, from its true box."""
    import torch

    boxes: list[Box] = []
    rows, columns = scan.slices.shape[1:]
    for index, (labels, area) in enumerate(zip(scan.labels, scan.area, strict=True)):
        present = [name for name, group in GROUPS.items() if area[list(group)].sum() >= PRESENT_SHARE]
        corners = boxes_of(torch.from_numpy(labels), [GROUPS[name] for name in present]).numpy()
        corners = corners * np.array([columns, rows, columns, rows])
        boxes += [
            Box(index, name, tuple(corners_px.tolist()), 1.0) for name, corners_px in zip(present, corners, strict=True)
        ]
    masks = segmenter.segment(segmenter.embed(scan.slices), boxes)
    dice_by_organ: dict[str, list[float]] = defaultdict(list)
    for mask in masks:
        true = np.isin(scan.labels[mask.box.slice_index], GROUPS[mask.box.prompt])
        dice_by_organ[mask.box.prompt].append(_overlap(mask.mask, true))
    return dice_by_organ


def _overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return float(2 * (a & b).sum() / max(1, a.sum() + b.sum()))


def write_scores(numbers: Mapping[str, Any], folder: Path) -> None:
    """scores.json, and the table of the model card."""
    (folder / "scores.json").write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    card = folder / "MODEL_CARD.md"
    text_before, text_after = card.read_text(encoding="utf-8").split(START)
    card.write_text(f"{text_before}{START}\n{table(numbers)}\n{END}{text_after.split(END)[1]}", encoding="utf-8")


def table(numbers: Mapping[str, Any]) -> str:
    """The scores as Markdown."""
    detector_numbers, masks = numbers["detector"], numbers["segmenter"]
    first, last = numbers["seeds"]
    lines = [
        f"Subjects {first} to {last}, {numbers['slices']} slices. Boxes with a score above {numbers['boxes above']:g} "
        f"are counted; a region must hold one above {numbers['region above']:g}.",
        "",
        "| prompt | recall at IoU 0.5 | false boxes per slice without it | Dice of the mask from the true box |",
        "|---|---|---|---|",
    ]
    for prompt in PROMPTS:
        cells = [detector_numbers["recall by prompt"][prompt], detector_numbers["false by absent prompt"][prompt]]
        dice = masks["Dice by organ"].get(prompt)
        lines.append(f"| {prompt} | {cells[0]:.3f} | {cells[1]:.3f} | {'' if dice is None else f'{dice:.3f}'} |")
    total = (
        detector_numbers["recall at IoU 0.5"],
        detector_numbers["false per absent prompt and slice"],
        masks["Dice from true boxes"],
    )
    lines += [f"| **all** | **{total[0]:.3f}** | **{total[1]:.3f}** | **{total[2]:.3f}** |", ""]
    listed = ", ".join(f"{word} {value:.3f}" for word, value in detector_numbers["false by unseen word"].items())
    lines += [
        f"- Organ removed from the subject: {detector_numbers['false per slice, organ removed']:.3f} boxes per slice.",
        f"- Words never taught, boxes per slice: {listed}.",
        f"- Boxes beside the right ones: {detector_numbers['extra boxes per right box']:.3f} per right one.",
        "- Recall in other words: "
        + ", ".join(f"{w} {v:.3f}" for w, v in detector_numbers["recall by synonym"].items())
        + ".",
    ]
    return "\n".join([*lines, "", regions_table(numbers["regions"])])
