"""Words, fit and report through the worker: the same as without it, stopped and killed in every stage."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from Tell2RegLib.fitting.settings import FitSettings
from Tell2RegLib.pipeline.find_options import FindOptions
from Tell2RegLib.results.result_folder import read_result_transform
from Tell2RegLib.slicer_module.run.worker_client import WorkerClient
from Tell2RegLib.space.jacobian import jacobian_determinant
from Tell2RegLib.space.point_files import PointList
from Tell2RegLib.worker.requests import FindReply, FindRequest, FitReply, FitRequest, ReportRequest
from Tell2RegLib.workflows.register import finish
from Testing.Python.by_words import PROMPTS, QUICK, Bench, a_bench
from Testing.Python.worker.conftest import MakeClient
from Testing.Python.worker.heard import LONG_S, Heard, poll_until, run, start
from Testing.Python.worker.small_worker import HOLD

SMALL = "Testing.Python.worker.small_worker"
FIND_STAGES = ("models", "prepare", "detect", "embed", "segment", "pair")
FIT_STAGES = ("start", "fit", "measure")


@pytest.fixture(scope="module")
def the_bench() -> Bench:
    return a_bench()


@pytest.fixture(scope="module")
def to_find(the_bench: Bench) -> FindRequest:
    return FindRequest(the_bench.pair.fixed.volume, the_bench.pair.moving.volume, PROMPTS)


@pytest.fixture(scope="module")
def to_fit(the_bench: Bench, to_find: FindRequest) -> FitRequest:
    pairs = the_bench.run(the_bench.words(*PROMPTS)).pairs
    return FitRequest(to_find.fixed, to_find.moving, pairs, FitSettings(kind="affine"), prompts=PROMPTS)


@pytest.fixture
def a_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stage named in it is not left."""
    monkeypatch.setenv(HOLD, str(tmp_path / "hold"))
    return tmp_path / "hold"


@pytest.fixture
def a_client(a_hold: Path, make_client: MakeClient) -> WorkerClient:
    return make_client(SMALL, patience_s=LONG_S)


# --- what comes out ---


def test_words_find_in_the_worker_what_they_find_here(
    a_client: WorkerClient, the_bench: Bench, to_find: FindRequest
) -> None:
    local_result = the_bench.run(the_bench.words(*PROMPTS))
    heard = run(a_client, to_find)
    reply = heard.reply
    assert isinstance(reply, FindReply)
    assert [stage for stage in heard.stages if stage in FIND_STAGES] == list(FIND_STAGES)
    assert [(p.name, p.similarity, p.accepted, p.reason) for p in reply.pairs] == [
        (p.name, p.similarity, p.accepted, p.reason) for p in local_result.pairs
    ]
    for actual, expected in zip(local_result.pairs, reply.pairs, strict=True):
        assert np.array_equal(actual.fixed.mask_kji(), expected.fixed.mask_kji())
        assert actual.fixed.grid == expected.fixed.grid == to_find.fixed.grid
        assert np.array_equal(actual.moving.prototype, expected.moving.prototype)
    assert [region.name for region in reply.unpaired_fixed] == [region.name for region in local_result.unpaired_fixed]
    assert len(reply.messages) == 2 * len(PROMPTS)
    assert reply.messages[0].startswith("Fixed: 'prostate': ")
    assert reply.messages[-1].startswith("Moving: 'femoral head': ")
    assert [row.prompt for row in reply.prompts] == list(PROMPTS)
    assert reply.models == {"simulated-demo": "0" * 64}
    assert reply.parameters["matching"]["threshold"] == 0.8
    assert reply.reason == ""


def test_words_that_find_nothing_say_why(a_client: WorkerClient, to_find: FindRequest) -> None:
    reply = run(a_client, replace(to_find, prompts=("aorta",))).reply
    assert reply.pairs == ()
    assert reply.reason.startswith("Nothing was found in the fixed volume: 'aorta'")


def test_a_wrong_request_is_told_by_the_worker(a_client: WorkerClient, to_find: FindRequest) -> None:
    kind, message, _ = run(a_client, replace(to_find, prompts=())).error
    assert kind == "InputError"
    assert "no prompt" in message
    forged = FindOptions()
    # a host of another version, say: the worker checks for itself
    object.__setattr__(forged, "similarity_threshold", 7.0)
    kind, message, _ = run(a_client, replace(to_find, options=forged)).error
    assert kind == "InputError"
    assert "'similarity_threshold' is 7, but must be" in message


def test_the_fit_in_the_worker_is_the_fit_here(
    a_client: WorkerClient, to_fit: FitRequest, to_find: FindRequest
) -> None:
    local_result = finish(to_find.fixed, to_find.moving, to_fit.pairs, settings=replace(QUICK, smoothness=2.0))
    heard = run(a_client, replace(to_fit, models={"a": "b"}, parameters={"source": "drawn"}))
    reply = heard.reply
    assert isinstance(reply, FitReply)
    assert [stage for stage in heard.stages if stage in FIT_STAGES] == list(FIT_STAGES)
    assert local_result.fitted is not None
    assert reply.transform is not None
    assert np.array_equal(reply.affine_lps, local_result.fitted.affine_lps)
    assert np.array_equal(
        reply.transform.moving_to_fixed.vectors_kji, local_result.fitted.transform.moving_to_fixed.vectors_kji
    )
    assert reply.metrics == local_result.metrics
    assert reply.quality == local_result.fitted.quality
    assert reply.inverse_error_mm == local_result.fitted.inverse_error_mm
    forward = reply.transform.fixed_to_moving
    assert np.array_equal(reply.jacobian.array_kji, jacobian_determinant(forward.vectors_kji, forward.grid))
    assert reply.jacobian.grid == to_find.fixed.grid
    assert reply.provenance["prompts"] == list(PROMPTS)
    assert reply.provenance["models"] == {"a": "b"}
    assert reply.provenance["parameters"]["source"] == "drawn"
    assert reply.reason == ""


@pytest.mark.parametrize("keep", [0, 2])
def test_without_an_accepted_pair_there_is_a_reason_instead_of_a_transform(
    a_client: WorkerClient, to_fit: FitRequest, keep: int
) -> None:
    pairs = tuple(pair.rejected("no") for pair in to_fit.pairs[:keep])
    reply = run(a_client, replace(to_fit, pairs=pairs)).reply
    assert reply.transform is None
    assert reply.jacobian is None
    assert len(reply.metrics) == keep
    assert ("None of the 2 pair(s)" if keep else "There are no pairs") in reply.reason


def test_a_report_after_a_fit_fits_nothing_again(a_client: WorkerClient, to_fit: FitRequest, tmp_path: Path) -> None:
    fitted = run(a_client, to_fit).reply
    plan = PointList(("L base",), to_fit.pairs[0].moving.centroid_lps_mm()[None])
    request = ReportRequest(to_fit, plan, tmp_path / "out")
    heard = run(a_client, request)
    assert heard.reply.computed == ()
    assert "write" in heard.stages
    assert heard.reply.report.read_text(encoding="utf-8").startswith("<!")
    written = read_result_transform(tmp_path / "out")
    vectors = fitted.transform.fixed_to_moving.vectors_kji
    assert np.allclose(written.fixed_to_moving.vectors_kji, vectors, atol=1e-4)
    kind, message, _ = run(a_client, request).error
    assert kind == "OutputError"
    assert "out" in message
    assert run(a_client, replace(request, overwrite=True)).reply.folder == tmp_path / "out"


def test_a_report_without_a_fit_before_computes_it(a_client: WorkerClient, to_fit: FitRequest, tmp_path: Path) -> None:
    assert "fit" in run(a_client, ReportRequest(to_fit, None, tmp_path / "out")).reply.computed


def test_another_run_with_the_same_words_detects_nothing_again(a_client: WorkerClient, to_find: FindRequest) -> None:
    first, second = run(a_client, to_find).reply, run(a_client, to_find).reply
    assert {"detect", "encode", "segment"} <= {*first.computed}
    assert not {"models", "detect", "encode", "segment"} & {*second.computed}
    assert [pair.similarity for pair in first.pairs] == [pair.similarity for pair in second.pairs]


# --- stopped ---


@pytest.fixture(params=[*FIND_STAGES, *FIT_STAGES, "write"])
def a_stage(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def a_request(a_stage: str, to_find: FindRequest, to_fit: FitRequest, tmp_path: Path) -> object:
    if a_stage in FIND_STAGES:
        return to_find
    return to_fit if a_stage in FIT_STAGES else ReportRequest(to_fit, None, tmp_path / "out" / "result")


def left_in(folder: Path) -> list[Path]:
    return list(folder.rglob("*")) if folder.exists() else []


@pytest.fixture
def reached(a_client: WorkerClient, a_hold: Path, a_stage: str, a_request: object) -> Heard:
    """A run that stays in the stage."""
    a_hold.write_text(a_stage, encoding="utf-8")
    heard = start(a_client, a_request)
    poll_until(a_client, lambda: a_stage in heard.stages)
    return heard


def test_a_run_is_cancelled_in_every_stage_and_the_next_one_works(
    reached: Heard,
    a_stage: str,
    a_client: WorkerClient,
    a_hold: Path,
    a_request: object,
    a_temporary_place: Path,
    tmp_path: Path,
) -> None:
    a_client.cancel()
    assert a_client.wait(LONG_S)
    assert reached.ended == [("cancelled",)]
    assert a_client.state == "idle"
    assert not left_in(tmp_path / "out")
    assert not list(a_temporary_place.glob("*/run-*"))
    a_hold.unlink()
    assert run(a_client, a_request).reply


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_worker_is_killed_in_every_stage_and_the_next_run_works(
    reached: Heard, a_client: WorkerClient, a_hold: Path, a_request: object, a_temporary_place: Path, tmp_path: Path
) -> None:
    assert a_client.pid is not None
    os.kill(a_client.pid, signal.SIGKILL)
    assert a_client.wait(60)
    assert reached.error[0] == "WorkerDied"
    assert not left_in(tmp_path / "out")
    assert not list(a_temporary_place.glob("*/run-*"))
    a_hold.unlink()
    assert run(a_client, a_request).reply
