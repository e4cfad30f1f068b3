"""The real worker with the real networks on the demo pair: words to a report, in one process that is kept."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from Tell2RegLib.fitting.settings import FitSettings
from Tell2RegLib.pipeline.find_options import FindOptions
from Tell2RegLib.slicer_module.run.worker_client import WorkerClient
from Tell2RegLib.worker.requests import FindRequest, FitRequest, ReportRequest
from Tell2RegLib.workflows.demo import make_demo_pair
from Testing.Python.worker.conftest import MakeClient
from Testing.Python.worker.heard import LONG_S, poll_until, run, start

pytest.importorskip("groundingdino", reason="needs the extra 'networks'")


COARSE = FindOptions(spacing_mm=2.0, slice_step=2, device="cpu")


@pytest.mark.slow
def test_words_to_a_report_with_networks_that_are_loaded_once(make_client: MakeClient, tmp_path: Path) -> None:
    pair, client = make_demo_pair(), make_client(patience_s=LONG_S)
    request = FindRequest(pair.fixed, pair.moving, ("prostate", "bladder"), COARSE)
    stopped_while_it_detects(client, request)
    detected = run(client, request).reply
    assert {p.name for p in detected.pairs if p.accepted} >= {"prostate", "bladder"}, detected.messages
    assert all(len(digest) == 64 for digest in detected.models.values())
    assert {"detect", "encode"} <= {*detected.computed}
    assert "models" not in detected.computed  # the run that was stopped had loaded them
    again = run(client, replace(request, prompts=("bladder",))).reply
    assert not {"models", "detect", "encode", "segment"} & {*again.computed}

    to_fit = FitRequest(
        pair.fixed,
        pair.moving,
        detected.pairs,
        settings=FitSettings(device="cpu"),
        prompts=request.prompts,
        models=detected.models,
        parameters=detected.parameters,
    )
    fitted = run(client, to_fit).reply
    assert fitted.quality.folding_percent == 0
    assert min(m.dice_after for m in fitted.metrics if m.accepted) > 0.7
    reported = run(client, ReportRequest(to_fit, pair.plan, tmp_path / "out")).reply
    assert reported.computed == ()
    assert "prostate" in reported.report.read_text(encoding="utf-8")

    if os.name == "posix":
        killed_while_it_detects(client, replace(request, prompts=("rectum",)))
    assert run(client, to_fit).reply.quality == fitted.quality


def stopped_while_it_detects(client: WorkerClient, request: FindRequest) -> None:
    heard = start(client, request)
    poll_until(client, lambda: any(stage == "detect" for stage, *_ in heard.progress))
    client.cancel()
    assert client.wait(LONG_S)
    assert client.state == "idle"
    assert heard.ended == [("cancelled",)]


def killed_while_it_detects(client: WorkerClient, request: FindRequest) -> None:
    heard = start(client, request)
    poll_until(client, lambda: any(stage == "detect" for stage, *_ in heard.progress))
    assert client.pid is not None
    os.kill(client.pid, signal.SIGKILL)
    assert client.wait(LONG_S)
    assert heard.error[0] == "WorkerDied"
