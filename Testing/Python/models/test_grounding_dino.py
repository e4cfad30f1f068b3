"""GroundingDINO our way: the package's boxes, fewer sums; official files in, others refused; stopped when asked to."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest

from Tell2RegLib.errors import Cancelled, InputError, ModelError, ResourceError

torch = pytest.importorskip("torch")
pytest.importorskip("groundingdino", reason="pip install Tell2Reg[networks]")

from Tell2RegLib.models.checkpoint import read_tensors  # noqa: E402
from Tell2RegLib.models.grounding_dino import text_fusion  # noqa: E402
from Tell2RegLib.models.grounding_dino.detector import GroundingDinoDetector  # noqa: E402
from Testing.Python.small_networks import (  # noqa: E402
    DETECTOR,
    PROMPTS,
    calls_of,
    package_boxes,
    package_phrase,
    small_detector,
    small_tokenizer,
    some_slices,
)

EVERY_BOX = {"device": "cpu", "precision": "fp32", "box_threshold": 0.0, "batch": 2}


@pytest.fixture(scope="module")
def a_network():
    return small_detector()


@pytest.fixture
def a_detector(a_network) -> GroundingDinoDetector:
    return GroundingDinoDetector(a_network, DETECTOR, **EVERY_BOX)


def positions(boxes) -> np.ndarray:
    return np.array([box.xyxy_px for box in boxes])


# --- the package's boxes ---


@pytest.mark.parametrize("hw", [(50, 37), (41, 41), (23, 90)])
def test_boxes_and_scores_are_the_packages(a_network, a_detector, hw: tuple[int, int]) -> None:
    slices = some_slices(3, hw)
    detected = a_detector.detect(slices, PROMPTS)
    for prompt, caption in zip(PROMPTS, ("prostate.", "left hip."), strict=True):
        for index in range(3):
            actual = [box for box in detected if (box.slice_index, box.prompt) == (index, prompt)]
            corners, scores = package_boxes(a_network, DETECTOR, slices[index], caption)
            np.testing.assert_allclose([box.score for box in actual], scores, atol=1e-4)
            np.testing.assert_allclose(positions(actual) / max(hw), corners / max(hw), atol=1e-4)
            assert actual[0].phrase == package_phrase(a_network, slices[index], DETECTOR, caption, 0.15).strip()


def test_joined_prompts_are_the_packages_joined_caption(a_network) -> None:
    detector = GroundingDinoDetector(a_network, DETECTOR, joined=True, **EVERY_BOX)
    slices = some_slices(1, (40, 30))
    actual = sorted(detector.detect(slices, PROMPTS), key=lambda box: -box.score)
    corners, scores = package_boxes(a_network, DETECTOR, slices[0], "prostate. left hip.")
    np.testing.assert_allclose([box.score for box in actual], scores, atol=1e-4)
    np.testing.assert_allclose(positions(actual) / 40, corners / 40, atol=1e-4)
    assert {box.prompt for box in actual} <= set(PROMPTS)


def test_boxes_come_by_slice_then_prompt_then_score(a_detector) -> None:
    detected = a_detector.detect(some_slices(3, (30, 40)), ("left hip", "prostate"))
    keys = [(box.slice_index, ("left hip", "prostate").index(box.prompt), -box.score) for box in detected]
    assert keys == sorted(keys)
    assert len(detected) == 3 * 2 * DETECTOR.num_queries


def test_only_boxes_above_the_threshold_are_given(a_network) -> None:
    slices = some_slices(2, (30, 40))
    every = GroundingDinoDetector(a_network, DETECTOR, **EVERY_BOX).detect(slices, PROMPTS)
    middle = float(np.median([box.score for box in every]))
    some = GroundingDinoDetector(a_network, DETECTOR, **EVERY_BOX | {"box_threshold": middle}).detect(slices, PROMPTS)
    assert {box.score for box in some} == {box.score for box in every if box.score > middle}


@pytest.mark.parametrize("batch", [1, 3, 5])
def test_the_batch_size_changes_nothing(a_network, a_detector, batch: int) -> None:
    slices = some_slices(5, (30, 40))
    expected = a_detector.detect(slices, PROMPTS)
    detected = GroundingDinoDetector(a_network, DETECTOR, **EVERY_BOX | {"batch": batch}).detect(slices, PROMPTS)
    assert [(box.slice_index, box.prompt) for box in detected] == [(box.slice_index, box.prompt) for box in expected]
    np.testing.assert_allclose(positions(detected), positions(expected), atol=1e-3)


def test_words_are_added_to_pixels_in_place_as_by_the_plain_sum(a_network) -> None:
    block = copy.deepcopy(a_network.transformer.encoder.fusion_layers[0])
    width = block.gamma_v.numel()
    image, words = torch.randn(2, 30, width), torch.randn(2, 4, width)
    with torch.no_grad():
        torch.nn.init.normal_(block.attn.out_v_proj.bias)
        scores = text_fusion._scores(block.attn, image, words)
        expected = image + block.gamma_v * text_fusion._to_image(block.attn, scores, words)
        updated = text_fusion._added_in_place(block, scores, words, image)
    assert updated is image
    torch.testing.assert_close(updated, expected, atol=1e-4, rtol=1e-4)


def test_sixteen_bits_give_boxes_too(a_network, a_detector) -> None:
    half = GroundingDinoDetector(a_network, DETECTOR, **EVERY_BOX | {"precision": "bf16"})
    slices = some_slices(1, (40, 30))
    actual, exact = half.detect(slices, PROMPTS), a_detector.detect(slices, PROMPTS)
    assert len(actual) == len(exact)
    assert np.isfinite(positions(actual)).all()
    # Random weights are no steady ground: the shipped ones are compared in test_demo_equality.py.
    assert actual[0].score == pytest.approx(exact[0].score, abs=0.15)


# --- nothing twice ---


def test_slices_are_looked_at_once_and_words_read_once(monkeypatch, a_detector) -> None:
    looked = calls_of(a_detector.network.backbone[0].patch_embed, monkeypatch)
    read = calls_of(a_detector.network.bert.encoder, monkeypatch)
    slices = some_slices(5, (30, 40))
    a_detector.detect(slices, ("prostate", "left hip", "bladder", "prostate"))
    assert (looked, len(read)) == ([2, 2, 1], 3)
    a_detector.detect(slices, ("bladder", "right hip"))
    assert (looked, len(read)) == ([2, 2, 1], 4)


def test_words_that_come_later_find_what_they_find_alone(a_network, a_detector) -> None:
    slices = some_slices(5, (30, 40))
    a_detector.detect(slices[1:3], ("prostate",))
    later = a_detector.detect(slices, ("bladder",))
    assert (a_detector.feature_cache.computed, a_detector.feature_cache.reused) == (5, 2)
    alone = GroundingDinoDetector(a_network, DETECTOR, **EVERY_BOX).detect(slices, ("bladder",))
    assert [(box.slice_index, box.prompt) for box in later] == [(box.slice_index, box.prompt) for box in alone]
    np.testing.assert_allclose([box.score for box in later], [box.score for box in alone], atol=1e-5)
    np.testing.assert_allclose(positions(later), positions(alone), atol=1e-3)


def test_the_same_slice_in_another_frame_is_looked_at_again(a_detector) -> None:
    slices = some_slices(2, (30, 40))
    a_detector.detect(slices, ("prostate",))
    a_detector.detect(slices.reshape(2, 40, 30), ("prostate",))
    assert a_detector.feature_cache.reused == 0


def test_no_prompts_or_no_slices_are_no_boxes_and_no_work(monkeypatch, a_detector) -> None:
    looked = calls_of(a_detector.network.backbone[0].patch_embed, monkeypatch)
    assert a_detector.detect(some_slices(2, (30, 40)), ()) == ()
    assert a_detector.detect(some_slices(0, (30, 40)), PROMPTS) == ()
    assert looked == []


# --- stopped, or out of memory ---


def calls_until_stopped(most: float = np.inf):
    """A step, and what it was told; it stops the work after so many calls."""
    reports: list[tuple[int, int]] = []

    def step(done: int, total: int) -> None:
        reports.append((done, total))
        if len(reports) > most:
            raise Cancelled

    return step, reports


def test_cancelling_is_possible_before_every_layer(a_detector) -> None:
    network, steps = a_detector.network, calls_until_stopped()
    layers = [block.norm1 for stage in network.backbone[0].layers for block in stage.blocks]
    layers += [layer.norm1 for layer in (*network.transformer.encoder.layers, *network.transformer.decoder.layers)]
    requested: list[int] = []
    hooks = [layer.register_forward_pre_hook(lambda *_: requested.append(len(steps[1]))) for layer in layers]
    a_detector.detect(some_slices(2, (30, 40)), ("prostate",), step=steps[0])
    for hook in hooks:
        hook.remove()
    assert len(requested) == len(layers)
    assert requested == sorted(set(requested))  # between any two layers the step was called


def test_progress_stays_where_it_is_within_a_batch(a_detector) -> None:
    step, message = calls_until_stopped()
    a_detector.detect(some_slices(3, (30, 40)), PROMPTS, step=step)
    assert list(dict.fromkeys(message)) == [(0, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("calls", [1, 4, 20, 40])
def test_a_cancelled_look_leaves_the_next_as_it_would_have_been(a_network, a_detector, calls: int) -> None:
    slices = some_slices(4, (30, 40))
    step, message = calls_until_stopped(calls)
    with pytest.raises(Cancelled):
        a_detector.detect(slices, ("prostate", "left hip"), step=step)
    assert len(message) == calls + 1
    assert a_detector.feature_cache.computed == len(a_detector.feature_cache)
    after = a_detector.detect(slices, ("prostate",))
    assert a_detector.feature_cache.computed == len(slices)
    assert after == GroundingDinoDetector(a_network, DETECTOR, **EVERY_BOX).detect(slices, ("prostate",))


def test_what_does_not_fit_is_halved_and_at_last_told(monkeypatch, a_network) -> None:
    entrance = a_network.backbone[0].patch_embed
    real, room = entrance.forward, 2

    def forward(images):
        if len(images) > room:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return real(images)

    monkeypatch.setattr(entrance, "forward", forward)
    detector = GroundingDinoDetector(a_network, DETECTOR, **EVERY_BOX | {"batch": 5})
    slices = some_slices(5, (30, 40))
    assert {box.slice_index for box in detector.detect(slices, PROMPTS)} == set(range(5))
    room = 0
    with pytest.raises(ResourceError, match="Detection by GroundingDINO needs more memory"):
        detector.detect(slices[::-1] // 2, PROMPTS)
    assert len(detector.feature_cache) == 0  # what was kept gave way first


@pytest.mark.parametrize("options", [{"box_threshold": 1.5}, {"text_threshold": -0.1}])
def test_thresholds_beyond_probabilities_are_refused(a_network, options: dict[str, float]) -> None:
    with pytest.raises(InputError, match="take a value from 0 to 1"):
        GroundingDinoDetector(a_network, DETECTOR, **EVERY_BOX | options)


# --- files ---


@pytest.fixture
def official(a_network) -> dict[str, dict[str, torch.Tensor]]:
    """The weights as the official file has them."""
    tensors = {f"module.{name}": value.clone() for name, value in a_network.state_dict().items()}
    tensors["module.bert.embeddings.position_ids"] = torch.arange(512)[None]
    tensors["module.label_enc.weight"] = torch.zeros(7, 3)
    return {"model": tensors}


def load(tensors, config=DETECTOR) -> GroundingDinoDetector:
    return GroundingDinoDetector.from_tensors(
        tensors, config, small_tokenizer(), title="GroundingDINO Swin-T", source="'a.pth'", **EVERY_BOX
    )


def test_an_official_file_loads_and_finds_the_same(tmp_path, official, a_detector) -> None:
    torch.save(official, tmp_path / "official.pth")
    loaded = load(read_tensors(tmp_path / "official.pth"))
    slices = some_slices(1, (30, 40))
    assert loaded.detect(slices, PROMPTS) == a_detector.detect(slices, PROMPTS)
    assert loaded.content == a_detector.content
    assert load(official).content == a_detector.content


def test_a_file_that_names_shared_weights_once_loads(official, a_detector) -> None:
    tensors = {name: value for name, value in official["model"].items() if ".decoder.bbox_embed." not in name}
    assert len(tensors) < len(official["model"])
    assert load(tensors).content == a_detector.content


def test_a_file_without_a_tensor_is_refused(official) -> None:
    del official["model"]["module.feat_map.weight"]
    with pytest.raises(ModelError, match=r"^'a.pth' is not a checkpoint of GroundingDINO Swin-T: 1 of its \d+ tensors"):
        load(official)


def test_a_file_of_another_size_is_refused(official) -> None:
    with pytest.raises(ModelError, match="its tensor '.*' measures .* instead of "):
        load(official, replace(DETECTOR, dim_feedforward=128))


def test_a_file_of_a_deeper_network_is_refused(official) -> None:
    with pytest.raises(ModelError, match="it holds 'transformer.*' and .* more that such a network has not"):
        load(official, replace(DETECTOR, enc_layers=1))


def test_a_file_of_something_else_is_refused() -> None:
    with pytest.raises(ModelError, match="is not a checkpoint of GroundingDINO Swin-T"):
        load({"image_encoder.pos_embed": torch.zeros(1)})


def test_the_name_says_all_that_boxes_depend_on(a_network) -> None:
    def name(**changes) -> str:
        return GroundingDinoDetector(a_network, DETECTOR, **EVERY_BOX | changes).name

    names = {name(), name(box_threshold=0.2), name(text_threshold=0.2), name(joined=True), name(precision="bf16")}
    assert len(names) == 5
    assert name(batch=7) == name()
