"""Fixtures that several files of this room share."""

from __future__ import annotations

from pathlib import Path

import pytest

from Testing.Python.model_server import (
    Server,
)
from Testing.Python.models.installation import Installation


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def installation(tmp_path: Path, a_server: Server) -> Installation:
    return Installation(tmp_path / "models", a_server)
