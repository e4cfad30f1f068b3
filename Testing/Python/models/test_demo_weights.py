"""The weights that ship: small, whole, told truly, and able to do on a fresh phantom what they were taught."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("groundingdino", reason="pip install Tell2Reg[networks]")
pytest.importorskip("segment_anything", reason="pip install Tell2Reg[networks]")

from Tell2RegLib.models.checkpoint import read_tensors
from Tell2RegLib.models.demo_weights import demo_detector, demo_segmenter, read_metadata
from Tell2RegLib.models.grounding_dino.network import DEMO as DETECTOR
from Tell2RegLib.models.grounding_dino.network import DetectorConfig
from Tell2RegLib.models.protocol import Box
from Tell2RegLib.models.sam.network import DEMO as SEGMENTER
from Tell2RegLib.models.sam.network import SegmenterConfig
from Tell2RegLib.phantom import make_subject, render
from Tell2RegLib.space.volume import axial_slices, resample
from Tell2RegLib.support.resources import resource_path
from Tell2RegLib.training.score import END, START, table

FOLDER = resource_path("DemoWeights")
FILES = ("detector.safetensors", "segmenter.safetensors")
A_SUBJECT = 37


@pytest.fixture(scope="module")
def a_scan() -> tuple[np.ndarray, np.ndarray]:
    """Six slices of a subject without a bladder, and their labels."""
    scan = render(make_subject(A_SUBJECT, without=["bladder"]))
    slices = axial_slices(scan.volume)
    labels = resample(scan.labels, slices.grid, nearest=True).array_kji
    prostate = np.flatnonzero(((labels == 1) | (labels == 2)).mean(axis=(1, 2)) > 0.005)
    chosen = prostate[np.linspace(0, len(prostate) - 1, 6).astype(int)]
    return slices.array_kji[chosen], labels[chosen]


def test_they_are_small_and_in_half_precision() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 12_000_000
    for name in FILES:
        kinds = {str(tensor.dtype) for tensor in read_tensors(FOLDER / name).values()}
        assert kinds <= {"torch.float16", "torch.int64"}


def test_the_files_say_what_they_are() -> None:
    detector, segmenter = (read_metadata(FOLDER / name) for name in FILES)
    assert DetectorConfig.from_fields(json.loads(detector["config"])) == DETECTOR
    assert SegmenterConfig.from_fields(json.loads(segmenter["config"])) == SEGMENTER
    assert 0 < float(detector["text_threshold"]) <= float(detector["box_threshold"])
    assert float(detector["box_threshold"]) <= float(detector["region_score"]) < 1
    assert "phantom" in detector["trained_on"]
    assert "phantom" in segmenter["trained_on"]


def test_the_model_card_shows_the_scores_that_were_measured() -> None:
    numbers = json.loads((FOLDER / "scores.json").read_text(encoding="utf-8"))
    card = (FOLDER / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert card.split(START)[1].split(END)[0].strip() == table(numbers).strip()
    assert numbers["seeds"][0] >= 3000
    about = read_metadata(FOLDER / FILES[0])
    assert numbers["region above"] == float(about["region_score"])
    assert numbers["boxes above"] == float(about["box_threshold"])


def test_named_organs_are_found_and_others_are_not(a_scan: tuple[np.ndarray, np.ndarray]) -> None:
    slices, labels = a_scan
    boxes = demo_detector(device="cpu").detect(slices, ["prostate", "bladder", "dog"])
    detected = {box.slice_index for box in boxes if box.prompt == "prostate" and _middle_inside(box, labels)}
    assert len(detected) >= 5
    assert sum(box.prompt != "prostate" for box in boxes) <= 1


def test_left_is_the_patients_left(a_scan: tuple[np.ndarray, np.ndarray]) -> None:
    slices, _ = a_scan
    prompts = ["left obturator internus", "right obturator internus"]
    boxes = demo_detector(device="cpu").detect(slices, prompts)
    middle = slices.shape[2] / 2
    sides = {(box.prompt, (box.xyxy_px[0] + box.xyxy_px[2]) / 2 > middle) for box in boxes}
    assert sides == {(prompts[0], True), (prompts[1], False)}


def test_a_true_box_gives_the_organ(a_scan: tuple[np.ndarray, np.ndarray]) -> None:
    slices, labels = a_scan
    true = (labels == 1) | (labels == 2)
    boxes = []
    for index, mask in enumerate(true):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        position = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
        boxes.append(Box(index, "prostate", tuple(float(edge) for edge in position), 1.0))
    segmenter = demo_segmenter(device="cpu")
    masks = segmenter.segment(segmenter.embed(slices), boxes)
    dice = [2 * (m.mask & t).sum() / (m.mask.sum() + t.sum()) for m, t in zip(masks, true, strict=True)]
    assert np.mean(dice) > 0.9


def _middle_inside(box: Box, labels: np.ndarray) -> bool:
    left, top, right, bottom = box.xyxy_px
    middle_label = labels[box.slice_index, int((top + bottom) / 2), int((left + right) / 2)]
    return int(middle_label) in (1, 2)


def test_no_path_of_the_machine_that_made_them_is_in_them() -> None:
    for path in (FOLDER / name for name in (*FILES, "scores.json", "MODEL_CARD.md")):
        assert b"/work" not in Path(path).read_bytes()
