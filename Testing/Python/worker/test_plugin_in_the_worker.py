"""A region source of another package in the worker's own process: loaded by its name, cached, reported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from Tell2RegLib.pipeline.find_options import FindOptions
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.volume import Volume
from Tell2RegLib.worker.requests import FindRequest
from Testing.Python.worker.conftest import MakeClient
from Testing.Python.worker.heard import run


def a_request(**options: object) -> FindRequest:
    array = np.zeros((10, 10, 10))
    array[1:4, 2:5, 1:4] = 100
    fixed, moving = (Volume(values, Grid((10, 10, 10))) for values in (array, array[::-1].copy()))
    return FindRequest(fixed, moving, ("bright spot",), FindOptions(**options))  # type: ignore[arg-type]


@pytest.mark.usefixtures("the_example")
def test_a_plug_in_is_loaded_cached_and_reported_by_the_process(
    make_client: MakeClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    client = make_client()
    first, again = (run(client, a_request(source="bright_spots")) for _ in range(2))
    assert [pair.name for pair in first.reply.pairs] == ["bright spot 1"]
    assert first.reply.messages == ("Fixed: 'bright spot': 1 region.", "Moving: 'bright spot': 1 region.")
    assert {"models", "spots", "find", "pair"} <= set(first.stages)
    assert "find" in first.reply.computed
    assert "find" not in again.reply.computed
    assert first.reply.parameters["options"]["source"] == "bright_spots"


def test_a_source_that_is_not_installed_there_is_told_in_one_sentence(make_client: MakeClient) -> None:
    kind, message, _ = run(make_client(), a_request(source="bright_spots")).error
    assert kind == "InputError"
    assert message == "There is no source 'bright_spots'. These exist: grounded_sam."
