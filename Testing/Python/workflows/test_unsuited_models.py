"""The demo networks on volumes that they do not know: said first everywhere, never by default, with what to do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("groundingdino", reason="needs the extra 'networks'")

from Tell2RegLib.cli.main import app
from Tell2RegLib.errors import InputError
from Tell2RegLib.phantom import centred_grid, make_subject, render
from Tell2RegLib.pipeline.prompt_query import query_by_models
from Tell2RegLib.region_sources.grounded_sam import GroundedSam
from Tell2RegLib.region_sources.suitability import check_default, unsuited_warning
from Tell2RegLib.results.report import render_report
from Testing.Python.by_words import Bench, a_bench
from Testing.Python.conftest import rotation
from Testing.Python.small import Files, options, write_small_pair

KNOWN = "The demo networks know only the synthetic pelvis of the demo"
INSTEAD = "Choose other models (`tell2reg models install fast`"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Ellipsoids on a ramp: no pelvis of the phantom."""
    return write_small_pair(tmp_path_factory.mktemp("pair"))


@pytest.fixture(scope="module")
def source() -> GroundedSam:
    made = query_by_models(["prostate"], "demo", device="cpu").source
    assert isinstance(made, GroundedSam)
    return made


@pytest.fixture(scope="module")
def bench() -> Bench:
    return a_bench()


def run(*words: str | Path) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


def in_one_line(text: str) -> str:
    return " ".join(text.split())


def volumes(files: Files) -> list[str | Path]:
    return [*options({name: files.inputs[name] for name in ("--fixed", "--moving")}), "--prompt", "prostate"]


# --- what the demo networks know ---


def test_pelves_of_other_seeds_and_coarser_grids_are_known(source: GroundedSam, bench: Bench) -> None:
    pair = [bench.pair.fixed.volume, bench.pair.moving.volume]
    assert unsuited_warning(source, pair) == ""
    check_default(source, pair)


def test_an_oblique_pelvis_is_known_but_not_another_contrast_or_noise(source: GroundedSam) -> None:
    oblique = centred_grid((100, 84, 36), (2.8, 2.8, 4.0), rotation((1, 2, 0), 8))
    pelvis = render(make_subject(23), oblique).volume
    values = pelvis.array_kji
    noise = pelvis.with_array(np.random.default_rng(1).normal(size=values.shape))
    assert source.is_suited(pelvis)
    assert not source.is_suited(pelvis.with_array(values.max() - values))
    assert not source.is_suited(noise)
    assert "and the moving volume is unlike it" in unsuited_warning(source, [pelvis, noise])
    assert "and both volumes are unlike it" in unsuited_warning(source, [noise, noise])
    assert "and the volume is unlike it" in unsuited_warning(source, [noise])
    with pytest.raises(InputError, match="No models were chosen"):
        check_default(source, [noise, pelvis])


# --- what a run says ---


def test_without_a_choice_of_models_the_run_ends_in_what_to_do(files: Files, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ended = run("register", *volumes(files), "--out", out)
    assert ended.exit_code == 1
    assert ended.stderr.startswith(f"No models were chosen. {KNOWN}, and both volumes are unlike it. {INSTEAD}")
    assert not out.exists()
    regions = run("regions", files.inputs["--fixed"], "--prompt", "prostate", "--out", tmp_path / "a.seg.nrrd")
    assert regions.exit_code == 1
    assert regions.stderr.startswith(f"No models were chosen. {KNOWN}, and the volume is unlike it. {INSTEAD}")


def test_demo_networks_that_were_chosen_run_after_a_warning(files: Files, tmp_path: Path) -> None:
    """It comes before the run, in the reason at its end, in the record and at the top of the report."""
    out = tmp_path / "out"
    ended = run("register", *volumes(files), "--models", "demo", "--out", out, "--json")
    assert in_one_line(ended.stderr).startswith(f"{KNOWN}, and both volumes are unlike it: whatever they detect")
    record = json.loads(ended.stdout)
    assert [KNOWN in warning for warning in record["warnings"]] == [True]
    assert record == {**json.loads((out / "result.json").read_text(encoding="utf-8")), "out": str(out)}
    report = (out / "report.html").read_text(encoding="utf-8")
    assert report.index(KNOWN) < report.index('class="figures"')
    if record["status"] != "ok":
        assert ended.exit_code == 1
        assert "Try other words" not in record["reason"]
        assert record["reason"].endswith("instead of prompts.")


def test_one_volume_is_judged_too(files: Files, tmp_path: Path) -> None:
    words = ("regions", files.inputs["--fixed"], "--prompt", "prostate", "--models", "demo")
    ended = run(*words, "--out", tmp_path / "a.seg.nrrd", "--json")
    assert [KNOWN in warning for warning in json.loads(ended.stdout)["warnings"]] == [True]


# --- a result by networks that do not know the volumes ---


class Unknown:
    """A domain to which nothing belongs."""

    subject = "the synthetic pelvis of the demo"

    def distance(self, features: object) -> float:
        return 2.0


def test_nothing_about_such_a_result_is_good_news(bench: Bench) -> None:
    query = bench.words("prostate", "bladder")
    unknown = bench.run(replace(query, source=replace(query.source, domain=Unknown())))  # type: ignore[type-var]
    assert [KNOWN in warning for warning in unknown.warnings] == [True]
    assert unknown.summary.mean_dice_after > 0.5
    assert 'class="good"' not in render_report(unknown)
