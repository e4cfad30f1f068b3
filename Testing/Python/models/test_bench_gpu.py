"""The GPU bench: its dry run goes through every section on the CPU and finds nothing amiss."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("groundingdino", reason="pip install Tell2Reg[networks]")
pytest.importorskip("segment_anything", reason="pip install Tell2Reg[networks]")

from Testing.Bench import gpu
from Testing.Bench.gpu_measure import Checks
from Testing.Bench.gpu_plan import dry_plan


@pytest.fixture(scope="module")
def a_dry_run(tmp_path_factory) -> dict:
    file: Path = tmp_path_factory.mktemp("gpu") / "gpu.json"
    assert gpu.main(["--dry-run", "--json", str(file)]) == 0
    return json.loads(file.read_text())


def test_every_section_runs(a_dry_run: dict) -> None:
    assert list(a_dry_run["sections"]) == list(gpu.sections(dry_plan()))
    assert not [name for name, row in a_dry_run["sections"].items() if {"failed", "skipped"} & set(row)]


def test_the_cpu_agrees_with_itself(a_dry_run: dict) -> None:
    values = {row["check"]: row for row in a_dry_run["checks"]}
    assert values["small-gland svf: the same bytes twice"]["ok"]
    assert values["demo fp32: embeddings, rms in sigma"]["value"] == 0
    assert a_dry_run["sections"]["words"]["device"]["pairs"], "the demo networks found nothing to pair"


def test_every_stage_has_a_time_and_a_rival(a_dry_run: dict) -> None:
    sections = a_dry_run["sections"]
    for stage in (sections["dino-demo"]["detect"], sections["sam-demo"]["embed"], sections["sam-demo"]["segment"]):
        assert stage["seconds"] > 0
        assert stage["times_as_fast"] > 0
    assert sections["dino-demo"]["profile"]["host"]


def test_a_section_that_fails_is_told_and_the_next_one_runs(tmp_path, monkeypatch, capsys) -> None:
    def broken(plan, checks) -> dict:
        raise ImportError("No module named 'groundingdino'")

    def doubtful(plan, checks) -> dict:
        checks.at_most("a number", float("nan"), 1.0)
        return {"number": 1.0}

    monkeypatch.setattr(gpu, "sections", lambda plan: {"broken": broken, "doubtful": doubtful})
    assert gpu.main(["--dry-run", "--json", str(tmp_path / "gpu.json")]) == 1
    result = json.loads((tmp_path / "gpu.json").read_text())
    assert result["sections"]["broken"]["failed"] == "ImportError: No module named 'groundingdino'"
    assert result["sections"]["doubtful"]["number"] == 1.0
    assert "failed sections: broken" in capsys.readouterr().out


def test_a_number_that_is_none_fails_its_check() -> None:
    checks = Checks()
    checks.at_most("difference", float("nan"), 1.0)
    checks.at_most("difference", 0.5, 1.0)
    assert [row["ok"] for row in checks.rows] == [False, True]
