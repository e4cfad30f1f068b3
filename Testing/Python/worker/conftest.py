"""Clients that are ended after each test, and that must leave nothing behind."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from Tell2RegLib.slicer_module.run.worker_client import WorkerClient
from Testing.Python.worker.workers import ODD

MakeClient = Callable[..., WorkerClient]


@pytest.fixture
def a_temporary_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where clients keep their folders."""
    position = tmp_path / "temporary"
    position.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(position))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return position


@pytest.fixture
def make_client(a_temporary_place: Path) -> Iterator[MakeClient]:
    """A client of a worker module of these tests, of the real one, or of any command."""
    clients = []

    def make(module: str = "Tell2RegLib.worker", **more: object) -> WorkerClient:
        more.setdefault("command", [sys.executable, "-m", module])
        clients.append(WorkerClient(**more))  # type: ignore[arg-type]
        return clients[-1]

    yield make
    for client in clients:
        client.close()
    assert not list(a_temporary_place.iterdir())


@pytest.fixture
def a_client(make_client: MakeClient) -> WorkerClient:
    return make_client(ODD)
