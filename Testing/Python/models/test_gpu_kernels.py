"""The kernels for GPUs, run line by line on the CPU: what PyTorch's operations give."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("triton", reason="comes with torch on Linux")

from Tell2RegLib.models import gpu_kernels  # noqa: E402
from Tell2RegLib.models.grounding_dino import deformable_attention  # noqa: E402

EXACT, ROUNDED = 2e-5, 2e-2
SHAPES = ((5, 3), (2, 4), (1, 2))
"""Rows and columns of the levels: none square, so that mixed axes show."""


@pytest.fixture(scope="module")
def kernels() -> Iterator[ModuleType]:
    """The kernels under Triton's interpreter, for which Triton has to be imported anew."""
    name = "Tell2RegLib.models.triton_kernels"
    compiled = {module: sys.modules.pop(module) for module in [*sys.modules] if module == name or _is_triton(module)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")
        yield importlib.import_module(name)
    for module in [module for module in sys.modules if module == name or _is_triton(module)]:
        vars(sys.modules.pop(module)).clear()  # as Python does at its end; else Triton's library reports leaks then
    sys.modules.update(compiled)


def _is_triton(module: str) -> bool:
    return module.split(".")[0] == "triton" and not module.startswith("triton._C")


@pytest.fixture
def on_the_cpu(kernels, monkeypatch) -> None:
    """Every device taken for one that the kernels run on."""
    monkeypatch.setattr(gpu_kernels, "usable", lambda device: True)


def drawn(*shape: int, seed: int = 0, scale: float = 1.0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(0, scale, shape).astype(np.float32))


# --- residual sum and layer norm ---


def a_norm(width: int) -> torch.nn.LayerNorm:
    norm = torch.nn.LayerNorm(width, eps=1e-4)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    return norm.requires_grad_(False)


@pytest.mark.parametrize(("width", "rows"), [(256, 5), (96, 1), (1280, 2)])
def test_the_norm_of_a_sum_is_torchs(on_the_cpu, width: int, rows: int) -> None:
    norm, x, change = a_norm(width), drawn(2, rows, width) * 3 + 5, drawn(2, rows, width, seed=1)
    torch.testing.assert_close(gpu_kernels.norm_of_sum(norm, x, change), norm(x + change), atol=EXACT, rtol=EXACT)
    torch.testing.assert_close(gpu_kernels.norm_of_sum(norm, x), norm(x), atol=EXACT, rtol=EXACT)


def test_the_sum_is_kept_in_32_bits_and_its_norm_given_in_16(on_the_cpu) -> None:
    norm, x, change = a_norm(96), drawn(3, 4, 96), drawn(3, 4, 96, seed=1).to(torch.bfloat16)
    total, normed = gpu_kernels.add_and_norm(norm, x, change, torch.bfloat16)
    assert torch.equal(total, x + change)
    assert normed.dtype == torch.bfloat16
    torch.testing.assert_close(normed.float(), norm(x + change), atol=ROUNDED, rtol=ROUNDED)


def test_what_is_added_nothing_to_stays_itself(on_the_cpu) -> None:
    norm, x = a_norm(96), drawn(3, 96)
    total, normed = gpu_kernels.add_and_norm(norm, x, None)
    assert total is x
    torch.testing.assert_close(normed, norm(x), atol=EXACT, rtol=EXACT)


def test_features_that_do_not_lie_in_rows_are_left_to_torch(on_the_cpu) -> None:
    norm, x = a_norm(96), drawn(96, 3).T
    assert torch.equal(gpu_kernels.norm_of_sum(norm, x), norm(x))


# --- deformable attention ---


def by_embedding_bag(values, shapes, offsets, scores, reference) -> torch.Tensor:
    weights = scores.flatten(3).softmax(-1).reshape(scores.shape)
    positions = deformable_attention._positions(offsets, reference, shapes)
    return deformable_attention.deformable_sample(values, shapes, positions, weights)


@pytest.mark.parametrize("reference", [drawn(1, 35, 2, seed=3), drawn(2, 35, 4, seed=3)], ids=["points", "boxes"])
def test_sampled_sums_are_those_of_the_embedding_bag(on_the_cpu, reference: torch.Tensor) -> None:
    values, offsets, scores = drawn(2, 23, 2, 8), drawn(2, 35, 2, 2, 1, 2, scale=2.0), drawn(2, 35, 2, 2, 1, seed=2)
    sum_arguments = (values, SHAPES[:2], offsets, scores, reference.sigmoid())
    torch.testing.assert_close(
        gpu_kernels.sampled_sum(*sum_arguments), by_embedding_bag(*sum_arguments), atol=EXACT, rtol=EXACT
    )


def test_values_in_16_bits_are_summed_in_32(on_the_cpu) -> None:
    values, offsets, scores = drawn(1, 25, 1, 16).half(), drawn(1, 9, 1, 3, 3, 2, seed=1), drawn(1, 9, 1, 3, 3, seed=2)
    sum_arguments = (SHAPES, offsets, scores, drawn(1, 9, 2, seed=3).sigmoid())
    sums = gpu_kernels.sampled_sum(values, *sum_arguments)
    assert sums.dtype == torch.float16
    torch.testing.assert_close(
        sums, by_embedding_bag(values.float(), *sum_arguments).half(), atol=ROUNDED, rtol=ROUNDED
    )


def test_far_away_and_nowhere_there_is_nothing(on_the_cpu) -> None:
    values, scores = torch.ones(1, 4, 1, 8), torch.zeros(1, 3, 1, 1, 1)
    offsets = torch.tensor([1e9, -1e9, float("nan")]).reshape(1, 3, 1, 1, 1, 1).expand(-1, -1, -1, -1, -1, 2)
    sums = gpu_kernels.sampled_sum(values, ((2, 2),), offsets, scores, torch.full((1, 3, 2), 0.5))
    assert torch.equal(sums, torch.zeros(1, 3, 8))


# --- where they run ---


@pytest.fixture
def a_gpu(monkeypatch) -> Iterator[torch.device]:
    """A device of which nothing is known yet, and whose kernels are right."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    for trial in ("_norm_is_right", "_sampling_is_right"):
        monkeypatch.setattr(gpu_kernels, trial, lambda device: True)
    gpu_kernels.usable.cache_clear()
    yield torch.device("cuda")
    gpu_kernels.usable.cache_clear()


def test_kernels_run_on_a_gpu_where_their_trial_is_right(a_gpu) -> None:
    assert gpu_kernels.usable(a_gpu)
    assert not gpu_kernels.usable(torch.device("cpu"))


def test_kernels_do_not_run_on_an_old_gpu(a_gpu, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    assert not gpu_kernels.usable(a_gpu)


def test_kernels_do_not_run_without_triton(a_gpu, monkeypatch) -> None:
    monkeypatch.setattr(gpu_kernels, "find_spec", lambda name: None)
    assert not gpu_kernels.usable(a_gpu)


def test_a_trial_that_is_wrong_leaves_all_to_torch(a_gpu, monkeypatch) -> None:
    monkeypatch.setattr(gpu_kernels, "_sampling_is_right", lambda device: False)
    assert not gpu_kernels.usable(a_gpu)


def test_a_trial_that_breaks_leaves_all_to_torch_and_says_why(a_gpu, monkeypatch, caplog) -> None:
    def no_compiler(device: torch.device) -> bool:
        raise RuntimeError("Failed to find C compiler.")

    monkeypatch.setattr(gpu_kernels, "_norm_is_right", no_compiler)
    with caplog.at_level("INFO"):
        assert not gpu_kernels.usable(a_gpu)
    assert "Failed to find C compiler." in caplog.text


def test_the_trial_of_the_norm_is_passed(on_the_cpu) -> None:
    assert gpu_kernels._norm_is_right(torch.device("cpu"))
