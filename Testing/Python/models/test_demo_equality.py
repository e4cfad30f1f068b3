"""The shipped weights in our inference and in the packages' own: the same boxes and masks, also in 16 bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("groundingdino", reason="pip install Tell2Reg[networks]")
pytest.importorskip("segment_anything", reason="pip install Tell2Reg[networks]")

from Tell2RegLib.models.demo_weights import demo_detector, demo_segmenter
from Tell2RegLib.models.protocol import Box, SliceStack
from Tell2RegLib.phantom import make_subject, render
from Tell2RegLib.space.volume import axial_slices
from Testing.Python.small_networks import overlap, package_boxes, package_masks

FILES = Path(__file__).resolve().parents[3] / "Resources" / "DemoWeights"
PROMPTS = ("prostate", "rectum", "left femoral head")
UNSURE = 0.1
"""A low threshold, so that there is something to compare whatever the weights."""

pytestmark = pytest.mark.skipif(
    not (FILES / "segmenter.safetensors").is_file(), reason="no demo weights: `make weights` makes them"
)


@pytest.fixture(scope="module")
def some_anatomy() -> SliceStack:
    """Three slices of a phantom, a quarter, a half and three quarters up."""
    slices = axial_slices(render(make_subject(41)).volume).array_kji
    return slices[np.linspace(0, len(slices) - 1, 5).astype(int)[1:-1]]


@pytest.fixture(scope="module")
def its_boxes(some_anatomy: SliceStack) -> list[Box]:
    return list(demo_detector("cpu", precision="fp32", box_threshold=UNSURE).detect(some_anatomy, PROMPTS))


def test_boxes_and_scores_are_the_packages(some_anatomy: SliceStack, its_boxes: list[Box]) -> None:
    detector = demo_detector("cpu", precision="fp32", box_threshold=UNSURE)
    assert len(its_boxes) >= 3
    for prompt in PROMPTS:
        for index, grey in enumerate(some_anatomy):
            actual = [box for box in its_boxes if (box.slice_index, box.prompt) == (index, prompt)]
            corners, scores = package_boxes(detector.network, detector.config, grey, f"{prompt}.")
            remaining = scores > detector.box_threshold
            assert len(actual) == remaining.sum()
            np.testing.assert_allclose([box.score for box in actual], scores[remaining], atol=1e-4)
            expected = corners[remaining] / max(grey.shape)
            detected = np.array([box.xyxy_px for box in actual]).reshape(-1, 4) / max(grey.shape)
            np.testing.assert_allclose(detected, expected, atol=1e-4)


def test_masks_are_the_packages_and_nearly_so_in_sixteen_bits(some_anatomy: SliceStack, its_boxes: list[Box]) -> None:
    its_boxes = its_boxes[:12]
    exact, half = demo_segmenter("cpu", precision="fp32"), demo_segmenter("cpu", precision="bf16")
    masks, _, _ = package_masks(exact.network, some_anatomy, its_boxes)
    actual = np.stack([mask.mask for mask in exact.segment(exact.embed(some_anatomy), its_boxes)])
    assert (actual != masks).mean() <= 1e-4
    rough = np.stack([mask.mask for mask in half.segment(half.embed(some_anatomy), its_boxes)])
    assert np.mean([overlap(*pair) for pair in zip(rough, masks, strict=True)]) >= 0.99


def test_boxes_in_sixteen_bits_are_nearly_the_same(some_anatomy: SliceStack, its_boxes: list[Box]) -> None:
    detector = demo_detector("cpu", precision="bf16", box_threshold=UNSURE)
    sure = [box for box in its_boxes if box.score > detector.box_threshold + 0.1]
    detected = detector.detect(some_anatomy, PROMPTS)
    for box in sure:
        same = [nearby for nearby in detected if (nearby.slice_index, nearby.prompt) == (box.slice_index, box.prompt)]
        assert min(np.abs(np.subtract(nearby.xyxy_px, box.xyxy_px)).max() for nearby in same) < 2


def test_cancelling_waits_for_a_dozen_small_slices_at_most() -> None:
    slices = np.random.default_rng(0).integers(0, 256, (24, 200, 200), dtype=np.uint8)
    detector, segmenter = demo_detector("cpu"), demo_segmenter("cpu")
    embeddings = segmenter.embed(slices)
    boxes = [Box(n, "x", (50, 50, 90, 90), 1.0) for n in range(24)]
    for work in (
        lambda step: detector.detect(slices, PROMPTS, step=step),
        lambda step: segmenter.embed(slices, step=step),
        lambda step: segmenter.segment(embeddings, boxes, step=step),
    ):
        shares: list[float] = []
        work(lambda done, total, message=shares: message.append(done / total))
        assert (shares[0], shares[-1]) == (0, 1)
        assert max(np.diff(shares)) * len(slices) <= 12
