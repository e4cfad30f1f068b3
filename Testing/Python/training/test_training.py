"""How the demo weights are made: honest data, truths and losses worked by hand, the same steps on every run."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("groundingdino", reason="pip install Tell2Reg[networks]")
pytest.importorskip("segment_anything", reason="pip install Tell2Reg[networks]")

from Tell2RegLib.models.protocol import Box  # noqa: E402
from Tell2RegLib.models.sam.network import DEMO as SEGMENTER  # noqa: E402
from Tell2RegLib.training import words  # noqa: E402
from Tell2RegLib.training.augment import Amount, augmented  # noqa: E402
from Tell2RegLib.training.boxes import boxes_of, iou_and_giou, to_centre_size, to_corners  # noqa: E402
from Tell2RegLib.training.data import HELD_OUT, SCAN_SEED_OFFSET, TRAINING, VALIDATION, SliceSet  # noqa: E402
from Tell2RegLib.training.detector import new_detector, targets_of, train_detector  # noqa: E402
from Tell2RegLib.training.detector_forward import answer, encode_captions  # noqa: E402
from Tell2RegLib.training.detector_loss import Target, detector_loss  # noqa: E402
from Tell2RegLib.training.detector_score import Tally, as_boxes_by_prompt  # noqa: E402
from Tell2RegLib.training.loop import Schedule  # noqa: E402
from Tell2RegLib.training.sampling_matrix import deformable_attention  # noqa: E402
from Tell2RegLib.training.segmenter import new_segmenter, train_segmenter, with_input_of  # noqa: E402
from Tell2RegLib.workflows.demo import SEED  # noqa: E402


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The packages warn about PyTorch's future."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture
def few_slices() -> SliceSet:
    """Four slices with a bright femoral head each, on the patient's left, and a smaller prostate in the middle."""
    labels = np.zeros((4, 239, 287), dtype=np.uint8)
    labels[:, 100:140, 200:240] = 5
    labels[:, 110:135, 130:160] = 2
    picture = np.where(labels > 0, 200, 60).astype(np.uint8)
    area = np.stack([(labels == value).mean(axis=(1, 2)) for value in range(11)], axis=1).astype(np.float32)
    lacks = np.repeat(area.max(axis=0, keepdims=True) == 0, len(area), axis=0)
    return SliceSet(picture[:, ::2, ::2][:, :96, :115].copy(), picture[:, :213, :256].copy(), labels, area, lacks)


# --- data ---


def test_seeds_of_demo_tests_training_and_judging_never_meet() -> None:
    ranges = [range(1000), TRAINING, VALIDATION, HELD_OUT]
    assert SEED in ranges[0]
    everything = [seed for some in ranges for seed in some]
    assert len(everything) == len(set(everything))
    drawn_by_pairs = range(2 * 999 + 2)  # make_pair draws contrast and noise from 2 seed and 2 seed + 1
    assert not set(drawn_by_pairs) & {SCAN_SEED_OFFSET + seed for some in ranges[1:] for seed in some}


def test_words_taught_as_nonsense_are_neither_prompts_nor_kept_for_judging() -> None:
    assert not set(words.NOT_HERE) & {*words.PROMPTS, *words.SYNONYMS, *words.UNSEEN_WORDS}
    rng = np.random.default_rng(0)
    assert not {words.draw_nonsense(rng) for _ in range(5000)} & {*words.UNSEEN_WORDS, *words.PROMPTS}


def test_captions_never_ask_for_slivers() -> None:
    area = np.zeros(11, dtype=np.float32)
    area[[3, 5, 6]] = 0.03, 0.01, words.PRESENT_SHARE / 2
    rng = np.random.default_rng(0)
    requested = {prompt for _ in range(300) for caption in words.draw_captions(rng, area, 2, 0.5) for prompt in caption}
    assert not requested & {"right femoral head", "femoral head"}
    assert {"bladder", "left femoral head", "prostate"} <= requested


def test_the_mirror_renames_left_and_right(few_slices: SliceSet) -> None:
    still = Amount(rotation_deg=0, shift=0, scale=0, plain=1, mirror=1)
    _, labels = augmented(few_slices.small, few_slices.labels, np.random.default_rng(0), still)
    assert set(np.unique(labels.numpy())) == {0, 2, 6}
    assert np.array_equal(labels.numpy() == 6, few_slices.labels[:, :, ::-1] == 5)


def test_pictures_and_labels_move_together(few_slices: SliceSet) -> None:
    pictures = np.where(few_slices.labels > 0, 255, 0).astype(np.uint8)
    moved, labels = augmented(pictures, few_slices.labels, np.random.default_rng(3), Amount(plain=0))
    bright, in_label = moved[:, 0].numpy() > 127, labels.numpy() > 0
    assert (bright & in_label).sum() / (bright | in_label).sum() > 0.97


# --- boxes and losses ---


def test_overlaps_of_boxes_are_as_worked_by_hand() -> None:
    a, b = torch.tensor([0.0, 0.0, 2.0, 2.0]), torch.tensor([1.0, 1.0, 3.0, 3.0])
    iou, giou = iou_and_giou(a, b)
    assert (float(iou), float(giou)) == pytest.approx((1 / 7, 1 / 7 - 2 / 9))
    assert torch.equal(to_corners(to_centre_size(b)), b)


def test_a_box_holds_its_labels(few_slices: SliceSet) -> None:
    detected = boxes_of(torch.from_numpy(few_slices.labels[0]), [(5,), (1, 2)])
    left, top, right, bottom = 200 / 287, 100 / 239, 240 / 287, 140 / 239
    assert detected[0].tolist() == pytest.approx([left, top, right, bottom])
    assert detected[1, 0].item() == pytest.approx(130 / 287)


def test_the_fast_attention_is_the_packages(few_slices: SliceSet) -> None:
    from groundingdino.models.GroundingDINO.ms_deform_attn import multi_scale_deformable_attn_pytorch

    torch.manual_seed(0)
    shapes = torch.tensor([[5, 7], [3, 4]])
    value, weights = torch.randn(2, 47, 2, 8), torch.rand(2, 9, 2, 2, 3)
    locations = torch.rand(2, 9, 2, 2, 3, 2) * 1.6 - 0.3
    actual = deformable_attention(value, shapes, locations, weights)
    expected = multi_scale_deformable_attn_pytorch(value, shapes, locations, weights)
    assert torch.allclose(actual, expected, atol=1e-5)


def test_training_sees_what_the_package_answers() -> None:
    network, tokenizer = new_detector()
    pixels = torch.randn(1, 3, 96, 115)
    with torch.no_grad():
        expected = network(pixels, captions=["left femoral head . dog ."])
        actual = answer(network, pixels, encode_captions([["left femoral head", "dog"]], tokenizer)).layers[-1]
    tokens = actual.logits.shape[-1]
    assert torch.allclose(actual.logits, expected["pred_logits"][..., :tokens], atol=1e-4)
    assert torch.allclose(actual.boxes, expected["pred_boxes"], atol=1e-5)


def test_each_box_wants_the_tokens_of_every_prompt_that_asks_for_it(few_slices: SliceSet) -> None:
    caption = ["prostate", "femoral head", "left femoral head"]
    _, tokenizer = new_detector()
    spans = encode_captions([caption], tokenizer).spans[0]
    labels, area = torch.from_numpy(few_slices.labels[0]), few_slices.area[0]
    target = targets_of(caption, spans, labels, area, 10)
    assert target.tokens.tolist() == [[0, 1] + [0] * 8, [0, 0, 0, 1, 1, 0, 1, 1, 1, 0]]


def test_the_loss_is_least_where_the_answer_is_right() -> None:
    network, tokenizer = new_detector()
    captions = encode_captions([["rectum"], ["dog"]], tokenizer)
    with torch.no_grad():
        answers = answer(network, torch.zeros(1, 3, 96, 115), captions)
    tokens = torch.zeros(1, captions.ids.shape[1])
    tokens[0, 1] = 1
    right = Target(to_corners(answers.layers[-1].boxes[0, :1]), tokens)
    wrong = Target(torch.tensor([[0.9, 0.9, 1.0, 1.0]]), tokens)
    nothing = Target(torch.zeros(0, 4), torch.zeros(0, captions.ids.shape[1]))
    losses = [float(detector_loss(answers, [target, nothing], captions.mask)) for target in (right, wrong)]
    assert losses[0] < losses[1]


# --- scores ---


def test_hits_misses_and_false_boxes_are_counted(few_slices: SliceSet) -> None:
    requested = ("left femoral head", "right femoral head", "femoral head", "dog")
    boxes = [
        Box(0, "left femoral head", (200, 100, 240, 140), 0.9),
        Box(0, "left femoral head", (0, 0, 10, 10), 0.9),
        Box(1, "left femoral head", (200, 100, 240, 140), 0.1),
        Box(2, "right femoral head", (40, 100, 80, 140), 0.9),
        Box(3, "dog", (40, 100, 80, 140), 0.9),
    ]
    counts = Tally()
    counts.add(as_boxes_by_prompt(boxes, requested, few_slices.labels.shape), few_slices.labels, few_slices.area, 0.3)
    assert counts.recall(["left femoral head"]) == 1 / 4
    assert counts.extra_boxes(["left femoral head"]) == 1 / 4
    assert counts.recall(["femoral head"]) == 0
    assert counts.false_positives(["right femoral head"]) == 1 / 4
    assert counts.false_positives(["dog"]) == 1 / 4


# --- the same steps on every run ---


@pytest.mark.parametrize("train", [train_detector, train_segmenter])
def test_two_runs_take_the_same_steps(train, few_slices: SliceSet, tmp_path: Path) -> None:
    def taught(name: str) -> dict[str, torch.Tensor]:
        train(few_slices, few_slices, Schedule(steps=2, batch=2, rate=1e-3), tmp_path / name)
        return torch.load(tmp_path / name, weights_only=True)

    before = (new_detector()[0] if train is train_detector else new_segmenter()).state_dict()
    first, second = taught("first.pt"), taught("second.pt")
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], before[name]) for name in first)


# --- a larger input ---


def small_segmenter(side: int) -> torch.nn.Module:
    return new_segmenter(replace(SEGMENTER, image_size_px=side))


def test_weights_for_smaller_pictures_keep_their_places_in_a_larger_input() -> None:
    weights = small_segmenter(64).state_dict()
    name = "image_encoder.pos_embed"
    across = torch.linspace(0, 1, weights[name].shape[2])
    weights[name] = across[None, None, :, None].expand_as(weights[name]).clone()
    larger = small_segmenter(128)
    stretched = with_input_of(weights, larger)
    larger.load_state_dict(stretched)
    assert stretched[name].shape[1:3] == (16, 16)
    assert torch.allclose(stretched[name].mean(dim=2), torch.tensor(0.5), atol=1e-5)
    assert (stretched[name].diff(dim=2)[:, :, 2:-2] > 0).all()
    assert all(torch.equal(stretched[name], weights[name]) for name in weights if "decoder" in name)


def test_a_run_on_larger_pictures_goes_on_from_one_on_smaller_ones(few_slices: SliceSet, tmp_path: Path) -> None:
    train_segmenter(few_slices, few_slices, Schedule(1, 2, 1e-3), tmp_path / "small.pt", side=64)
    train_segmenter(few_slices, few_slices, Schedule(1, 2, 0.0), tmp_path / "large.pt", tmp_path / "small.pt", side=128)
    small, large = (torch.load(tmp_path / f"{size}.pt", weights_only=True) for size in ("small", "large"))
    assert small["image_encoder.pos_embed"].shape[1] == 8
    assert large["image_encoder.pos_embed"].shape[1] == 16
    assert all(torch.equal(small[name], large[name]) for name in small if "mask_decoder" in name)
