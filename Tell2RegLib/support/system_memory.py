"""The total and the available memory of the system."""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from pathlib import Path

_ALLOCATION_FAILED = re.compile(r"out of memory|(can.t|cannot|failed to) allocate memory|bad_alloc", re.IGNORECASE)
CONTAINER = Path("/sys/fs/cgroup")
"""Limits of a container (cgroup v2)."""


def free_memory() -> int | None:
    """Bytes that this process can still take: free memory and swap, within the limits of container and process.

    None where the system does not report them.
    """
    _, available = system_memory()
    if available is None:
        return None
    limits = [available + _kilobytes("/proc/meminfo", "SwapFree:")]
    with suppress(OSError, ValueError):
        total, used = (int((CONTAINER / f"memory.{name}").read_text()) for name in ("max", "current"))
        stat = dict(line.split() for line in (CONTAINER / "memory.stat").read_text().splitlines())
        limits.append(total - used + int(stat.get("inactive_file", 0)))  # cached files are given back
    with suppress(ImportError, OSError, ValueError):
        import resource

        of_process, _ = resource.getrlimit(resource.RLIMIT_AS)
        if of_process != resource.RLIM_INFINITY:
            limits.append(of_process - _kilobytes("/proc/self/status", "VmSize:"))
    return max(min(limits), 0)


def _kilobytes(path: str, key: str) -> int:
    """A value in kB of a file of the system, in bytes; 0 where it is missing."""
    with suppress(OSError, ValueError, IndexError):
        for line in Path(path).read_text(encoding="utf-8").splitlines():
            if line.startswith(key):
                return int(line.split()[1]) * 1024
    return 0


def system_memory() -> tuple[int | None, int | None]:
    """Total and available memory in bytes; None where the system does not report them."""
    if sys.platform == "win32":
        return _windows_memory()
    total = available = None
    with suppress(OSError, ValueError, AttributeError):
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    available = _kilobytes("/proc/meminfo", "MemAvailable:") or None
    return total, available


def _windows_memory() -> tuple[int | None, int | None]:
    import ctypes

    class Status(ctypes.Structure):
        """MEMORYSTATUSEX."""

        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            *((name, ctypes.c_ulonglong) for name in ("total", "free", "total_page", "free_page", "total_virtual")),
            *((name, ctypes.c_ulonglong) for name in ("free_virtual", "free_extended")),
        )

    status = Status(length=ctypes.sizeof(Status))
    if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):  # type: ignore[attr-defined]
        return None, None
    return int(status.total), int(status.free)


def is_allocation_failure(error: BaseException) -> bool:
    """Whether a library could not allocate memory: PyTorch and ITK raise a RuntimeError with a text of their own.

    >>> is_allocation_failure(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"))
    True
    """
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and bool(_ALLOCATION_FAILED.search(str(error)))
    )
