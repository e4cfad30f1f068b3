"""SAM our way: the package's embeddings and masks, in batches, at any input size; official files in, others refused."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest

from Tell2RegLib.errors import Cancelled, InputError, ModelError, ResourceError
from Tell2RegLib.models.protocol import Box

torch = pytest.importorskip("torch")
pytest.importorskip("segment_anything", reason="pip install Tell2Reg[networks]")

from Tell2RegLib.models.checkpoint import read_tensors  # noqa: E402
from Tell2RegLib.models.sam import encoder  # noqa: E402
from Tell2RegLib.models.sam.encoder import resized_position  # noqa: E402
from Tell2RegLib.models.sam.segmenter import SamSegmenter  # noqa: E402
from Testing.Python.small_networks import (  # noqa: E402
    SEGMENTER,
    boxes_on,
    calls_of,
    overlap,
    package_masks,
    small_segmenter,
    some_slices,
)

EXACT = {"device": "cpu", "precision": "fp32", "batch": 2}


@pytest.fixture(scope="module")
def a_network():
    return small_segmenter()


@pytest.fixture
def a_segmenter(a_network) -> SamSegmenter:
    return SamSegmenter(a_network, **EXACT)


# --- the package's masks ---


@pytest.mark.parametrize("hw", [(50, 37), (64, 64), (33, 130), (200, 180)])
def test_embeddings_and_masks_are_the_packages(a_network, a_segmenter, hw: tuple[int, int]) -> None:
    slices = some_slices(3, hw)
    boxes = boxes_on(slices, each=3)
    embeddings = a_segmenter.embed(slices)
    masks, qualities, features = package_masks(a_network, slices, boxes)
    np.testing.assert_allclose(embeddings.features[[box.slice_index for box in boxes]], features, atol=1e-4)
    detected = a_segmenter.segment(embeddings, boxes)
    assert [mask.box for mask in detected] == boxes
    assert (np.stack([mask.mask for mask in detected]) != masks).mean() <= 1e-4
    assert 0.01 < masks.mean() < 0.99
    np.testing.assert_allclose([mask.quality for mask in detected], qualities, atol=1e-4)


def test_patches_as_one_product_are_those_of_the_convolution(a_network) -> None:
    embed, images = a_network.image_encoder.patch_embed, torch.rand(2, 3, 40, 24)
    with torch.no_grad():
        torch.testing.assert_close(encoder._as_product(embed.proj, images), embed(images), atol=1e-5, rtol=1e-5)


def test_a_smaller_input_is_the_package_with_resized_positions(a_network) -> None:
    slices = some_slices(2, (50, 37))
    boxes = boxes_on(slices)
    segmenter = SamSegmenter(a_network, image_size=72, **EXACT)
    smaller = copy.deepcopy(a_network)
    smaller.image_encoder.img_size = 72
    smaller.image_encoder.pos_embed.data = resized_position(a_network.image_encoder.pos_embed.detach(), 9)
    smaller.prompt_encoder.image_embedding_size = (9, 9)
    smaller.prompt_encoder.input_image_size = (72, 72)
    embeddings = segmenter.embed(slices)
    assert embeddings.features.shape == (2, 32, 9, 9)
    masks, qualities, features = package_masks(smaller, slices, boxes)
    np.testing.assert_allclose(embeddings.features[[box.slice_index for box in boxes]], features, atol=1e-4)
    detected = segmenter.segment(embeddings, boxes)
    assert (np.stack([mask.mask for mask in detected]) != masks).mean() <= 1e-4
    np.testing.assert_allclose([mask.quality for mask in detected], qualities, atol=1e-4)


def test_sixteen_bits_give_nearly_the_same_masks(a_network, a_segmenter) -> None:
    slices = some_slices(2, (50, 37))
    boxes = boxes_on(slices, each=3)
    half = SamSegmenter(a_network, **EXACT | {"precision": "bf16"})
    embeddings = half.embed(slices)
    assert embeddings.features.dtype == np.float16
    exact = a_segmenter.segment(a_segmenter.embed(slices), boxes)
    detected = half.segment(embeddings, boxes)
    assert np.mean([overlap(a.mask, b.mask) for a, b in zip(detected, exact, strict=True)]) >= 0.9  # random weights


@pytest.mark.parametrize("batch", [1, 5])
def test_the_batch_size_changes_nothing(a_network, a_segmenter, batch: int) -> None:
    slices = some_slices(5, (30, 40))
    batched_segmenter = SamSegmenter(a_network, **EXACT | {"batch": batch})
    embeddings, batched_embeddings = a_segmenter.embed(slices), batched_segmenter.embed(slices)
    np.testing.assert_allclose(batched_embeddings.features, embeddings.features, atol=1e-5)
    pairs = zip(
        a_segmenter.segment(embeddings, boxes_on(slices)),
        batched_segmenter.segment(batched_embeddings, boxes_on(slices)),
        strict=True,
    )
    assert np.mean([a.mask != b.mask for a, b in pairs]) <= 1e-4


def test_embeddings_say_how_much_of_them_is_the_slice(a_segmenter) -> None:
    embeddings = a_segmenter.embed(some_slices(1, (50, 37)))
    assert embeddings.features.shape == (1, 32, 16, 16)
    assert embeddings.covered_hw == (16.0, 95 / 8)
    assert embeddings.slice_hw == (50, 37)


# --- nothing twice, and limits ---


def test_a_slice_is_encoded_once_for_all_boxes(monkeypatch, a_segmenter) -> None:
    looked = calls_of(a_segmenter.network.image_encoder.patch_embed, monkeypatch)
    slices = some_slices(5, (30, 40))
    embeddings = a_segmenter.embed(slices)
    a_segmenter.segment(embeddings, boxes_on(slices))
    a_segmenter.segment(embeddings, boxes_on(slices, each=1))
    assert looked == [2, 2, 1]


def test_no_slices_and_no_boxes_give_nothing(a_segmenter) -> None:
    assert len(a_segmenter.embed(some_slices(0, (30, 40)))) == 0
    assert a_segmenter.segment(a_segmenter.embed(some_slices(1, (30, 40))), ()) == ()


@pytest.mark.parametrize(("size", "native", "hw", "expected"), [
    (None, 128, (50, 37), 128), (64, 128, (50, 37), 64), (None, 1024, (50, 37), 512), (None, 1024, (600, 37), 1024),
])  # fmt: skip
def test_the_input_size_suits_the_slices(monkeypatch, a_network, size, native, hw, expected: int) -> None:
    monkeypatch.setattr(a_network.image_encoder, "img_size", native)
    assert SamSegmenter(a_network, image_size=size, **EXACT).size_for(hw) == expected


@pytest.mark.parametrize("size", [0, 4, 100])
def test_an_input_size_of_no_whole_patches_is_refused(a_network, size: int) -> None:
    with pytest.raises(InputError, match="take a multiple of 8"):
        SamSegmenter(a_network, image_size=size, **EXACT)


def test_a_box_on_no_slice_is_refused(a_segmenter) -> None:
    with pytest.raises(InputError, match="no slice 2 for a box: there are 2"):
        a_segmenter.segment(a_segmenter.embed(some_slices(2, (30, 40))), [Box(2, "x", (0, 0, 9, 9), 0.5)])


def test_embeddings_of_another_model_are_refused(a_segmenter) -> None:
    embeddings = a_segmenter.embed(some_slices(1, (30, 40)))
    second_segmenter = SamSegmenter(small_segmenter(seed=1), **EXACT)
    with pytest.raises(ModelError, match="embed the slices again"):
        second_segmenter.segment(embeddings, ())


def test_cancelling_stops_embedding_and_segmentation(monkeypatch, a_segmenter) -> None:
    looked = calls_of(a_segmenter.network.image_encoder.patch_embed, monkeypatch)
    slices = some_slices(5, (30, 40))

    def step(done: int, total: int) -> None:
        if done >= 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        a_segmenter.embed(slices, step=step)
    assert looked == [2]
    with pytest.raises(Cancelled):
        a_segmenter.segment(a_segmenter.embed(slices), boxes_on(slices), step=step)


def test_cancelling_is_possible_before_every_block(a_segmenter) -> None:
    reports: list[tuple[int, int]] = []
    requested: list[int] = []
    blocks = a_segmenter.network.image_encoder.blocks
    hooks = [block.norm1.register_forward_pre_hook(lambda *_: requested.append(len(reports))) for block in blocks]
    a_segmenter.embed(some_slices(3, (30, 40)), step=lambda *numbers: reports.append(numbers))
    for hook in hooks:
        hook.remove()
    assert len(requested) == 2 * len(blocks)  # two batches
    assert requested == sorted(set(requested))
    assert list(dict.fromkeys(reports)) == [(0, 3), (2, 3), (3, 3)]


def test_what_does_not_fit_is_halved_and_at_last_told(monkeypatch, a_network) -> None:
    entrance, decoder = a_network.image_encoder.patch_embed, a_network.mask_decoder.output_upscaling
    room = {entrance: 2, decoder: 2}
    for module in (entrance, decoder):

        def forward(x, module=module, real=module.forward):
            if len(x) > room[module]:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
            return real(x)

        monkeypatch.setattr(module, "forward", forward)
    segmenter = SamSegmenter(a_network, **EXACT | {"batch": 5})
    slices = some_slices(5, (30, 40))
    embeddings = segmenter.embed(slices)
    assert len(segmenter.segment(embeddings, boxes_on(slices))) == 10
    room[entrance] = room[decoder] = 0
    with pytest.raises(ResourceError, match="Embedding by SAM needs more memory"):
        segmenter.embed(slices)
    with pytest.raises(ResourceError, match="Segmentation by SAM needs more memory"):
        segmenter.segment(embeddings, boxes_on(slices))


# --- files ---


def load(tensors, config=SEGMENTER) -> SamSegmenter:
    return SamSegmenter.from_tensors(tensors, config, title="SAM ViT-B", source="'b.pth'", **EXACT)


def test_an_official_file_loads_and_segments_the_same(tmp_path, a_network, a_segmenter) -> None:
    torch.save(a_network.state_dict(), tmp_path / "official.pth")
    loaded = load(read_tensors(tmp_path / "official.pth"))
    slices = some_slices(1, (30, 40))
    assert np.array_equal(loaded.embed(slices).features, a_segmenter.embed(slices).features)
    assert loaded.content == a_segmenter.content


def test_the_normalisation_beside_the_weights_is_no_hindrance(a_network, a_segmenter) -> None:
    normalisation = {"pixel_mean": a_network.pixel_mean, "pixel_std": a_network.pixel_std}
    assert load({**a_network.state_dict(), **normalisation}).content == a_segmenter.content


def test_half_precision_files_of_the_same_values_are_the_same_model(a_network) -> None:
    rounded = {name: value.half() for name, value in a_network.state_dict().items()}
    assert load(rounded).content == load({name: value.float() for name, value in rounded.items()}).content


def test_wrong_files_are_refused(a_network) -> None:
    tensors = dict(a_network.state_dict())
    with pytest.raises(ModelError, match=r"^'b.pth' is not a checkpoint of SAM ViT-B: its tensor '.*' measures"):
        load(tensors, replace(SEGMENTER, window_size=4))
    with pytest.raises(ModelError, match="it holds 'image_encoder.blocks.2.*' and .* more"):
        load(tensors, replace(SEGMENTER, depth=2))
    del tensors["prompt_encoder.no_mask_embed.weight"]
    with pytest.raises(ModelError, match=r"1 of its \d+ tensors are missing, such as 'prompt_encoder.no_mask_embed"):
        load(tensors)


def test_the_name_says_all_that_embeddings_depend_on(a_network) -> None:
    def name(**changes) -> str:
        return SamSegmenter(a_network, **EXACT | changes).name

    assert len({name(), name(image_size=64), name(precision="bf16")}) == 3
    assert name(batch=7) == name()
