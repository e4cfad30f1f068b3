"""Clocks, checks and profiles for a device that works asynchronously."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from Testing.Bench.measure import Row

TOP = 12
"""Rows of a profile that are kept."""

RUNTIME = ("cudaLaunchKernel", "cudaMemcpyAsync", "cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaMalloc")
"""Calls of the CUDA runtime that a profile counts."""

COPY_BYTES = {"cpu": 1 << 24, "cuda": 1 << 28}
"""Of the copies that stand for what the memory can do."""


@dataclass
class Checks:
    """What must hold, with the number that was found and its limit."""

    rows: list[Row] = field(default_factory=list)

    def at_most(self, name: str, value: float, limit: float) -> None:
        """The value may not exceed the limit; NaN fails."""
        self.rows.append({"check": name, "value": float(value), "limit": limit, "ok": bool(value <= limit)})

    def true(self, name: str, value: bool) -> None:
        """The statement must be true."""
        self.rows.append({"check": name, "value": bool(value), "ok": bool(value)})

    @property
    def failed(self) -> list[Row]:
        """The checks that do not hold."""
        return [row for row in self.rows if not row["ok"]]


# --- time and memory ---


def is_cuda(device: str) -> bool:
    """Whether a device name means an NVIDIA GPU."""
    return device.startswith("cuda")


def wait_for(device: str) -> None:
    """Return when the device has done all its work."""
    if is_cuda(device):
        torch.cuda.synchronize(device)


def timed(work: Callable[[], Any], device: str, repeats: int = 1) -> Row:
    """Median seconds of some runs and the device's peak memory in MB; the caller warms up."""
    if is_cuda(device):
        torch.cuda.reset_peak_memory_stats(device)
    seconds = []
    for _ in range(repeats):
        wait_for(device)
        started = time.perf_counter()
        work()
        wait_for(device)
        seconds.append(time.perf_counter() - started)
    row: Row = {"seconds": sorted(seconds)[len(seconds) // 2]}
    if repeats > 1:
        row["seconds_of_each"] = seconds
    if is_cuda(device):
        row["peak_memory_mb"] = torch.cuda.max_memory_allocated(device) / 1e6
    return row


class Laps:
    """Seconds within chosen functions while they are wrapped.

    Waits for the device before and after each call, so the parts add up to more than an undisturbed run takes.
    """

    def __init__(self, device: str) -> None:
        self.seconds: dict[str, float] = {}
        self._device = device

    @contextmanager
    def of(self, *positions: tuple[Any, str]) -> Iterator[None]:
        """Time the functions of these names, each an attribute of a module or class."""
        before = [(owner, name, getattr(owner, name)) for owner, name in positions]
        for owner, name, function in before:
            setattr(owner, name, self._wrapped(function, name))
        try:
            yield
        finally:
            for owner, name, function in before:
                setattr(owner, name, function)

    def _wrapped(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            wait_for(self._device)
            started = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                wait_for(self._device)
                self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started

        return wrapper


# --- what the device could do ---


def copy_speeds(device: str) -> Row:
    """GB/s within the device (read and written), to it and from it, pageable and pinned."""
    size = COPY_BYTES[device.split(":")[0]]
    host = torch.empty(size, dtype=torch.uint8)
    on_device = torch.ones(size, dtype=torch.uint8, device=device)
    copied = torch.empty_like(on_device)

    def speed(copy: Callable[[], Any]) -> float:
        copy()
        return size / float(timed(copy, device, repeats=3)["seconds"]) / 1e9  # type: ignore[arg-type]

    row: Row = {"within": 2 * speed(lambda: copied.copy_(on_device))}
    row["upload_pageable"] = speed(lambda: on_device.copy_(host))
    row["download_pageable"] = speed(lambda: host.copy_(on_device))
    if is_cuda(device):
        pinned = host.pin_memory()
        row["upload_pinned"] = speed(lambda: on_device.copy_(pinned, non_blocking=True))
        row["download_pinned"] = speed(lambda: pinned.copy_(on_device, non_blocking=True))
    return row


# --- profile ---


def profile(work: Callable[[], Any], device: str) -> Row:
    """Operations and kernels by their own time, calls of the runtime, and how busy the device was."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as profiler

    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if is_cuda(device) else [])
    wait_for(device)
    started = time.perf_counter()
    with profiler(activities=activities) as recorded:
        work()
        wait_for(device)
    seconds = time.perf_counter() - started
    events = list(recorded.key_averages())
    kernels = [event for event in events if event.device_type == torch.autograd.DeviceType.CUDA]
    operations = [event for event in events if event.device_type == torch.autograd.DeviceType.CPU]
    busy = sum(_own_time(event) for event in kernels) / 1e6
    by_device = is_cuda(device)
    return {
        "seconds_with_profiler": seconds,
        "device_busy_seconds": busy,
        "kernels": _top(kernels, _own_time) if by_device else [],
        "operations": _top(operations, _own_time if by_device else lambda event: event.self_cpu_time_total),
        "host": _top(operations, lambda event: event.self_cpu_time_total),
        "runtime_calls": {event.key: event.count for event in operations if event.key in RUNTIME},
    }


def _own_time(event: Any) -> float:
    """Microseconds of the device in an event alone; its name changed with torch's versions."""
    return float(getattr(event, "self_device_time_total", getattr(event, "self_cuda_time_total", 0.0)))


def _top(events: list[Any], of: Callable[[Any], float]) -> list[Row]:
    chosen = sorted(events, key=of, reverse=True)[:TOP]
    return [{"name": event.key[:100], "count": event.count, "ms": of(event) / 1e3} for event in chosen if of(event) > 0]
