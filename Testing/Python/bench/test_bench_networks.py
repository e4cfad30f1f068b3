"""The bench of the networks: what it plans, and what it makes of rows."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("groundingdino", reason="pip install Tell2Reg[networks]")
pytest.importorskip("segment_anything", reason="pip install Tell2Reg[networks]")

from Testing.Bench.networks import PACKAGE_ON_GPU, PAIR, plan, table
from Testing.Bench.networks_measure import CASES, measure

ROW = {
    "case": "sam-vit-b-512", "who": "ours", "device": "cpu", "format": "fp32", "slices": 2, "prompts": 0,
    "seconds": 4.0, "memory_mb": 300.0, "teraflop_each": 0.23, "share_of_peak": 0.5,
}  # fmt: skip


def test_detection_is_timed_with_one_and_six_prompts_and_embedding_once() -> None:
    assert plan(["dino-swin-t", "sam-vit-b"], "cpu", None, None) == [
        ("dino-swin-t", "ours", "cpu", 1, 1),
        ("dino-swin-t", "later", "cpu", 1, 1),
        ("dino-swin-t", "package", "cpu", 1, 1),
        ("dino-swin-t", "ours", "cpu", 1, 6),
        ("dino-swin-t", "package", "cpu", 1, 6),
        ("sam-vit-b", "ours", "cpu", 1, 1),
        ("sam-vit-b", "package", "cpu", 1, 1),
    ]


def test_a_gpu_gets_the_slices_of_a_pair() -> None:
    assert [run[3] for run in plan(["sam-vit-h"], "cuda:0", None, None)] == [PAIR, PACKAGE_ON_GPU]
    assert [run[3] for run in plan(["sam-vit-h"], "cuda", 5, None)] == [5, 5]


def test_the_table_says_how_many_times_as_fast_and_of_how_many_slices() -> None:
    package = ROW | {"who": "package", "slices": 1, "seconds": 18.0}
    lines = table([package, ROW]).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    actual, expected = (line.split(" | ") for line in lines[2:])
    assert actual[1:8] == ["", "**Tell2Reg**", "fp32", "2", "384", "2", "9"]
    assert (expected[2], expected[5], expected[6], expected[7]) == ("its package, 1024", "3456", "1", "")


def test_a_run_that_failed_is_a_line_of_its_own() -> None:
    row = {"case": "sam-vit-h", "who": "package", "device": "cpu", "prompts": 0, "failed": "stopped after 3600 s"}
    assert "stopped after 3600 s" in table([row])


@pytest.mark.parametrize("name", ["dino-demo", "sam-demo"])
@pytest.mark.parametrize("who", ["ours", "package"])
@pytest.mark.filterwarnings("ignore")
def test_every_way_of_running_is_measured(name: str, who: str) -> None:
    row = measure(name, who, "cpu", 1, 2)
    assert row["seconds"] > 0
    assert 0 < row["teraflop_each"] < 0.01
    assert 0 < row["share_of_peak"] < 2
    assert row["prompts"] == (2 if CASES[name].detects else 0)


@pytest.mark.filterwarnings("ignore")
def test_a_later_word_takes_fewer_sums() -> None:
    rows = {who: measure("dino-demo", who, "cpu", 1, 1) for who in ("ours", "later")}
    assert rows["later"]["teraflop_each"] < rows["ours"]["teraflop_each"]
