"""Free memory within the limits of a container and of the process; failures to allocate, whoever reports them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from Tell2RegLib.support import system_memory
from Tell2RegLib.support.system_memory import free_memory, is_allocation_failure

GB = 10**9


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a machine with 50 GB free memory, without limits."""
    monkeypatch.setattr(system_memory, "CONTAINER", tmp_path)
    monkeypatch.setattr(system_memory, "system_memory", lambda: (64 * GB, 50 * GB))
    monkeypatch.setattr(system_memory, "_kilobytes", lambda path, key: 2 * GB if key == "SwapFree:" else 1 * GB)
    return tmp_path


def test_free_memory_is_what_is_available_and_the_swap(container: Path) -> None:
    assert free_memory() == 52 * GB


def test_a_container_may_have_less(container: Path) -> None:
    """Files that are merely cached count as used by the container, but are given back."""
    (container / "memory.max").write_text(f"{8 * GB}\n")
    (container / "memory.current").write_text(f"{5 * GB}\n")
    (container / "memory.stat").write_text(f"anon {1 * GB}\ninactive_file {3 * GB}\n")
    assert free_memory() == 6 * GB
    (container / "memory.max").write_text("max\n")
    assert free_memory() == 52 * GB


@pytest.mark.skipif(sys.platform == "win32", reason="Needs limits of a process (not Windows).")
def test_a_process_may_have_less(container: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    monkeypatch.setattr(resource, "getrlimit", lambda _: (4 * GB, 4 * GB))
    assert free_memory() == 3 * GB


def test_unknown_memory_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_memory, "system_memory", lambda: (None, None))
    assert free_memory() is None


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
            True,
        ),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("itk::ERROR: Image(0x5): Failed to allocate memory for image."), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("shapes do not fit"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_failures_to_allocate_are_recognised(error: Exception, expected: bool) -> None:
    assert is_allocation_failure(error) == expected
