"""What the networks stand on: devices, batches, memory, and sums done in another order than the packages do them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from Tell2RegLib.errors import Cancelled, InputError, ResourceError

torch = pytest.importorskip("torch")
pytest.importorskip("groundingdino", reason="pip install Tell2Reg[networks]")
pytest.importorskip("segment_anything", reason="pip install Tell2Reg[networks]")

from Tell2RegLib.models import inference, slice_preparation  # noqa: E402
from Tell2RegLib.models.grounding_dino.captions import phrase_of, plan_captions, prompt_of  # noqa: E402
from Tell2RegLib.models.grounding_dino.deformable_attention import deformable_sample  # noqa: E402
from Tell2RegLib.models.grounding_dino.swin import swin_features  # noqa: E402
from Tell2RegLib.models.grounding_dino.text_fusion import fuse  # noqa: E402
from Tell2RegLib.models.sam.decoder import to_slice  # noqa: E402
from Tell2RegLib.models.sam.relative_position_attention import relative_attention  # noqa: E402
from Testing.Python.small_networks import (  # noqa: E402
    DETECTOR,
    small_detector,
    small_segmenter,
    small_tokenizer,
    some_slices,
)

CPU = inference.choose("cpu", "fp32")


# --- devices ---


def test_auto_is_a_device_that_is_there() -> None:
    detected = inference.choose()
    assert detected.device.type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert detected.format in inference.FORMATS


@pytest.mark.parametrize("device", ["toaster", "cpu:x"])
def test_a_device_that_is_none_is_refused(device: str) -> None:
    with pytest.raises(InputError, match=f"no device '{device}'"):
        inference.choose(device)


def test_a_gpu_that_is_not_there_is_refused() -> None:
    with pytest.raises(ResourceError, match="There is no device 'cuda:63'"):
        inference.choose("cuda:63")


def test_a_precision_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="no precision 'int8'"):
        inference.choose("cpu", "int8")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("units", "dtype"), [((), "float32"), (("amx_tile",), "bfloat16"), (("avx512_bf16",), "bfloat16")]
)
def test_cpus_that_multiply_bf16_use_it(monkeypatch, units, dtype: str) -> None:
    for unit in ("amx_tile", "avx512_bf16"):
        monkeypatch.setattr(torch.cpu, f"_is_{unit}_supported", lambda unit=unit: unit in units, raising=False)
    assert inference.choose("cpu").dtype == getattr(torch, dtype)


def test_a_torch_that_cannot_tell_stays_in_fp32(monkeypatch) -> None:
    for unit in ("amx_tile", "avx512_bf16"):
        monkeypatch.delattr(torch.cpu, f"_is_{unit}_supported", raising=False)
    assert inference.choose("cpu").format == "fp32"


# --- batches ---


def test_batches_follow_the_free_memory(monkeypatch) -> None:
    monkeypatch.setattr(inference, "free_bytes", lambda _: 1000)
    assert inference.batch_size(CPU, bytes_each=200, pixels_each=1) == 3
    assert inference.batch_size(CPU, bytes_each=5000, pixels_each=1) == 1
    assert inference.batch_size(CPU, bytes_each=200, pixels_each=1, requested=7) == 7


def test_batches_on_a_cpu_are_small_enough_to_cancel() -> None:
    assert inference.batch_size(CPU, bytes_each=1, pixels_each=1024 * 1024) == 1
    assert 1 < inference.batch_size(CPU, bytes_each=1, pixels_each=120 * 120) <= 16


def test_a_batch_of_none_is_refused() -> None:
    with pytest.raises(InputError, match="batch of 0"):
        inference.batch_size(CPU, bytes_each=1, pixels_each=1, requested=0)


def test_free_memory_is_told_or_not() -> None:
    free = inference.free_bytes(torch.device("cpu"))
    assert free is None or free > 1e6


def test_every_slice_is_done_once_and_told() -> None:
    reports: list[tuple[int, int]] = []
    done = list(inference.in_batches(7, 3, lambda a, b: (a, b), task="It", step=lambda *at: reports.append(at)))
    assert done == [(0, 3), (3, 6), (6, 7)]
    assert reports == [(0, 7), (3, 7), (6, 7), (7, 7)]


OUT_OF_MEMORY = [
    torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 3 GiB"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    RuntimeError("MPS backend out of memory"),
    MemoryError(),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=["cuda", "cpu", "mps", "python"])
def test_a_batch_that_does_not_fit_is_halved_and_stays_so(error: Exception) -> None:
    tried: list[tuple[int, int]] = []

    def work(start: int, stop: int) -> tuple[int, int]:
        tried.append((start, stop))
        if stop - start > 3:
            raise error
        return start, stop

    assert list(inference.in_batches(7, 7, work, task="It")) == [(0, 3), (3, 6), (6, 7)]
    assert tried == [(0, 7), (0, 3), (3, 6), (6, 7)]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=["cuda", "cpu", "mps", "python"])
def test_a_slice_that_does_not_fit_alone_is_told(error: Exception) -> None:
    def work(start: int, stop: int) -> None:
        raise error

    with pytest.raises(ResourceError, match="Embedding by SAM needs more memory than is free, even for one slice"):
        list(inference.in_batches(4, 4, work, task="Embedding by SAM"))


def test_other_errors_are_not_taken_for_memory() -> None:
    def work(start: int, stop: int) -> None:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        list(inference.in_batches(4, 4, work, task="It"))


def test_a_step_that_raises_ends_the_work() -> None:
    done: list[int] = []

    def step(count: int, _: int) -> None:
        if count >= 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        list(inference.in_batches(6, 2, lambda start, stop: done.append(start), task="It", step=step))
    assert done == [0]


# --- sums in another order ---


@pytest.mark.parametrize("hw", [(5, 5), (7, 4)])
def test_folded_positions_are_the_packages(hw: tuple[int, int]) -> None:
    from segment_anything.modeling.image_encoder import add_decomposed_rel_pos, get_rel_pos

    torch.manual_seed(0)
    height, width = hw
    q, k, v = torch.randn(3, 2, 3, height * width, 10)
    rows, columns = torch.randn(2 * height - 1, 10), torch.randn(2 * width - 1, 10)
    scores = ((q * 10**-0.5) @ k.transpose(-1, -2)).flatten(0, 1)
    scores = add_decomposed_rel_pos(scores, q.flatten(0, 1), rows, columns, hw, hw)
    expected = scores.softmax(-1).unflatten(0, (2, 3)) @ v
    detected = relative_attention(q, k, v, get_rel_pos(height, height, rows), get_rel_pos(width, width, columns))
    torch.testing.assert_close(detected, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.filterwarnings("ignore:Importing from timm:FutureWarning")
def test_deformable_sums_are_the_packages_also_outside_of_the_image() -> None:
    from groundingdino.models.GroundingDINO.ms_deform_attn import multi_scale_deformable_attn_pytorch

    torch.manual_seed(0)
    shapes = ((6, 5), (3, 2), (1, 1))
    value = torch.randn(2, 37, 4, 8)
    locations = torch.rand(2, 9, 4, 3, 4, 2) * 2 - 0.5
    locations[0, 0] = 1e6
    weights = torch.rand(2, 9, 4, 3, 4)
    expected = multi_scale_deformable_attn_pytorch(value, torch.tensor(shapes), locations, weights)
    sizes = torch.tensor([[(width, height)] for height, width in shapes])
    detected = deformable_sample(value, shapes, locations * sizes - 0.5, weights)
    torch.testing.assert_close(detected, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("hw", "size"), [((97, 83), 6), ((96, 120), 5), ((40, 40), 12)])
def test_the_backbone_sees_what_the_packages_sees(hw: tuple[int, int], size: int) -> None:
    from groundingdino.util.misc import NestedTensor

    swin = small_detector(replace(DETECTOR, window_size=size, absolute_position=size == 6)).backbone[0]
    torch.manual_seed(0)
    images = torch.randn(2, 3, *hw)
    with torch.no_grad():
        expected = swin(NestedTensor(images, torch.zeros(2, *hw, dtype=torch.bool)))
        detected = swin_features(swin, images, lambda: None)
    assert len(detected) == len(expected)
    for actual, reference in zip(detected, expected.values(), strict=True):
        torch.testing.assert_close(actual, reference.tensors, atol=2e-5, rtol=1e-5)


def test_words_and_image_hear_what_the_package_lets_them_hear() -> None:
    block = small_detector().transformer.encoder.fusion_layers[0]
    torch.manual_seed(0)
    image, words = torch.randn(2, 40, 256) * 3, torch.randn(2, 5, 256)
    with torch.no_grad():
        expected = block(image, words)
        detected = fuse(block, image, words)
    for actual, reference in zip(detected, expected, strict=True):
        torch.testing.assert_close(actual, reference, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("slice_hw", [(50, 37), (128, 128), (31, 200)])
def test_masks_reach_the_slice_as_the_package_brings_them(slice_hw: tuple[int, int]) -> None:
    network = small_segmenter()
    logits = torch.randn(3, 1, 64, 64)
    input_hw = slice_preparation.long_side_size(slice_hw, 128)
    expected = network.postprocess_masks(logits, input_hw, slice_hw)[:, 0]
    torch.testing.assert_close(to_slice(logits[:, 0], 128, input_hw, slice_hw), expected, atol=1e-5, rtol=1e-5)


# --- pictures ---


@pytest.mark.parametrize("hw", [(50, 37), (37, 50), (64, 64), (300, 20), (7, 300), (1, 1)])
def test_slices_are_resized_bit_for_bit_as_the_packages_do(hw: tuple[int, int]) -> None:
    import groundingdino.datasets.transforms as T
    from PIL import Image
    from segment_anything.utils.transforms import ResizeLongestSide

    slices = some_slices(2, hw)
    colours = np.repeat(slices[..., None], 3, axis=-1)
    actual = slice_preparation.resized(slices, slice_preparation.long_side_size(hw, 128))
    assert np.array_equal(actual[1], ResizeLongestSide(128).apply_image(colours[1])[..., 2])
    expected, _ = T.RandomResize([96], max_size=200)(Image.fromarray(colours[1]))
    assert np.array_equal(
        slice_preparation.resized(slices, slice_preparation.short_side_size(hw, 96, 200))[1],
        np.asarray(expected)[..., 0],
    )


def test_threads_resize_slices_as_one_does_and_keep_their_order(monkeypatch) -> None:
    slices = some_slices(7, (50, 37))
    for threads in (1, 3):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        alone = np.stack([slice_preparation.resized(item[None], (96, 71))[0] for item in slices])
        np.testing.assert_array_equal(slice_preparation.resized(slices, (96, 71)), alone)


@pytest.mark.parametrize("wrong", [np.zeros((2, 3, 4)), np.zeros((3, 4), np.uint8), np.zeros((1, 0, 4), np.uint8)])
def test_what_is_no_slices_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(InputError, match="8-bit grey"):
        slice_preparation.check_slices(wrong)


# --- captions ---


def test_each_prompt_is_a_caption_unless_they_are_joined() -> None:
    tokenizer = small_tokenizer()
    prompts = ["Prostate", " left hip. ", "Prostate"]
    alone = plan_captions(prompts, tokenizer, longest=20, joined=False)
    assert [caption.text for caption in alone] == ["prostate.", "left hip."]
    (joined,) = plan_captions(prompts, tokenizer, longest=20, joined=True)
    assert (joined.text, joined.prompts) == ("prostate. left hip.", ("Prostate", " left hip. "))
    assert joined.spans == ((1, 3), (3, 6))


def test_a_joined_caption_that_is_full_is_followed_by_another() -> None:
    captions = plan_captions(["prostate", "left hip", "bladder"], small_tokenizer(), longest=7, joined=True)
    assert [caption.text for caption in captions] == ["prostate. left hip.", "bladder."]


@pytest.mark.parametrize("prompt", ["", "  ", ".", " ? ", "!!", "-", "…"])
def test_a_prompt_that_says_nothing_is_refused(prompt: str) -> None:
    with pytest.raises(InputError, match="says nothing"):
        plan_captions([prompt], small_tokenizer(), longest=20, joined=False)


@pytest.mark.parametrize("prompt", ["前列腺", "простата", "前列腺, простата!"])
@pytest.mark.parametrize("joined", [False, True])
def test_a_prompt_without_a_word_that_the_vocabulary_knows_is_refused(prompt: str, joined: bool) -> None:
    with pytest.raises(InputError, match=f"'{prompt}' cannot be read: the model's vocabulary has none of these words"):
        plan_captions(["prostate", prompt], small_tokenizer(), longest=20, joined=joined)


def test_one_known_word_among_unknown_ones_is_enough() -> None:
    (caption,) = plan_captions(["простата: prostate"], small_tokenizer(), longest=20, joined=False)
    assert small_tokenizer().unk_token_id in caption.token_ids


def test_a_prompt_that_is_too_long_is_refused() -> None:
    with pytest.raises(InputError, match="has 30 tokens, of which the model reads 20"):
        plan_captions(["hip " * 27], small_tokenizer(), longest=20, joined=False)


def test_answers_by_token_go_back_to_prompt_and_phrase() -> None:
    (caption,) = plan_captions(["prostate", "left bladder"], small_tokenizer(), longest=20, joined=True)
    #                [CLS] prostate .    left blad ##der .    [SEP]
    probabilities = [0.9, 0.3, 0.1, 0.2, 0.6, 0.5, 0.1, 0.0]
    assert prompt_of(probabilities, caption) == "left bladder"
    assert phrase_of([0.1, *probabilities[1:]], caption, 0.4, small_tokenizer()) == "bladder"
