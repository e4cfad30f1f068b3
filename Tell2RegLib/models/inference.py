"""Where and how networks run: the device, the number format, batches that fit into memory and can be cancelled."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch

from Tell2RegLib.errors import InputError, ResourceError
from Tell2RegLib.support.device import choose_device
from Tell2RegLib.support.progress import Check, StepProgress
from Tell2RegLib.support.system_memory import system_memory

Result = TypeVar("Result")
Precision = Literal["auto", "fp32", "bf16", "fp16"]

FORMATS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
MEMORY_SHARE = 0.6
"""Fraction of the free memory for one batch, since the estimates per slice are rough."""

LARGEST_BATCH = 32
"""Larger batches are not faster on GPUs (measurements of segment-anything-fast), and halving them costs more."""

CPU_BATCH_PIXELS = 120 * 120 * 8
"""Network input of one batch on a CPU: larger ones are not faster there, and cancelling has to wait for them."""


@dataclass(frozen=True)
class Compute:
    """A device, and the number format of the large matrix products on it."""

    device: torch.device
    dtype: torch.dtype

    @property
    def is_half(self) -> bool:
        """Whether products are in 16 bits; what loses quality by that stays in 32 all the same."""
        return self.dtype != torch.float32

    @property
    def format(self) -> str:
        """The number format by its short name."""
        return next(name for name, dtype in FORMATS.items() if dtype == self.dtype)

    def halved(self) -> contextlib.AbstractContextManager[object]:
        """Within it, matrix products are in `dtype`."""
        if not self.is_half:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, self.dtype)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Within it networks run: no gradients; on CUDA, next to 16-bit products, TF32 for those in 32 bits."""
        tf32 = self.is_half and self.device.type == "cuda"
        previous = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
        if self.device.type == "cuda":
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
        try:
            with torch.inference_mode():
                yield
        finally:
            if self.device.type == "cuda":
                torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = previous


# --- device and number format ---


def choose(device: str = "auto", precision: Precision = "auto") -> Compute:
    """The device, and the number format that it is good at.

    Args:
        device: "auto" (an NVIDIA GPU where there is one, else the CPU) or a name of torch's, such as "cuda:1".
        precision: "auto" is bf16 or fp16 where the device multiplies them faster than fp32, fp32 elsewhere.

    Raises:
        ResourceError: the device is not there.
        InputError: no such device or format.
    """
    if precision != "auto" and precision not in FORMATS:
        raise InputError(f"There is no precision '{precision}': choose one of auto, {', '.join(FORMATS)}.")
    torch_device = torch.device(choose_device(device))
    return Compute(torch_device, best_format(torch_device) if precision == "auto" else FORMATS[precision])


def best_format(device: torch.device) -> torch.dtype:
    """The fastest number format of a device with sufficient accuracy."""
    if device.type == "cuda":
        major, _ = torch.cuda.get_device_capability(device)
        return torch.bfloat16 if major >= 8 else torch.float16 if major >= 7 else torch.float32
    if device.type == "cpu" and any(_cpu_has(unit) for unit in ("amx_tile", "avx512_bf16")):
        return torch.bfloat16
    return torch.float32


def _cpu_has(unit: str) -> bool:
    """Whether this processor has a unit, as far as torch can tell."""
    test = getattr(torch.cpu, f"_is_{unit}_supported", None)
    return bool(test is not None and test())


# --- batches ---


def batch_size(compute: Compute, *, bytes_each: float, pixels_each: int, requested: int | None = None) -> int:
    """The number of slices per batch.

    Args:
        compute: the device.
        bytes_each: rough need of one slice while it runs.
        pixels_each: of the network's input.
        requested: the caller's own choice, which counts.

    Raises:
        InputError: the caller's choice is below 1.
    """
    if requested is not None:
        if requested < 1:
            raise InputError(f"A batch of {requested} slices cannot be run: choose 1 or more.")
        return requested
    limit = LARGEST_BATCH if compute.device.type != "cpu" else max(1, CPU_BATCH_PIXELS // pixels_each)
    free = free_bytes(compute.device)
    return limit if free is None else max(1, min(limit, int(free * MEMORY_SHARE / bytes_each)))


def free_bytes(device: torch.device) -> int | None:
    """Free memory of a device in bytes; None where the system does not report it."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0] + unused)
    return system_memory()[1] if device.type == "cpu" else None


def in_batches(
    count: int, size: int, work: Callable[[int, int], Result], *, task: str, step: StepProgress | None = None
) -> Iterator[Result]:
    """What `work` gives for one range (start, stop) after another, until `count` is reached.

    A range that does not fit into memory is halved and tried again, and the following ones stay that small.

    Args:
        count, size: how many slices (or boxes), and how many at first in a range.
        work: does a range.
        task: the subject of the error, such as "Detection with Swin-T".
        step: called before the first and after every range; stops it all by raising.

    Raises:
        ResourceError: a single slice does not fit.
    """
    start = 0
    if step is not None:
        step(0, count)
    while start < count:
        stop = min(start + size, count)
        failure = None
        try:
            result = work(start, stop)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            failure = str(error).splitlines()[0] if str(error) else "out of memory"
        if failure is not None:  # out of the handler, so that what its traceback held is free by now
            size = _half(stop - start, task, failure)
            continue
        yield result
        start = stop
        if step is not None:
            step(start, count)


def check_of(step: StepProgress | None, done: int, total: int) -> Check:
    """A step as what is called between layers: it hears the same numbers again, and may stop the work by raising."""
    return (lambda: None) if step is None else (lambda: step(done, total))


def _half(size: int, task: str, failure: str) -> int:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if size == 1:
        raise ResourceError(
            f"{task} needs more memory than is free, even for one slice at a time ({failure[:100]}). "
            "Close other programs, or choose a smaller model, a smaller input or device cpu."
        )
    return size // 2


def free_unused() -> None:
    """Return unused memory to the system and to other programs on the GPU."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error reports that the memory of any device ran out."""
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    text = str(error).lower()
    return "out of memory" in text or "can't allocate memory" in text or "cannot allocate memory" in text
