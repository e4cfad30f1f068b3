"""Wrong usage of the command: exit code 2, before anything is read."""

from __future__ import annotations

import pytest

from Testing.Python.cli.commands import in_process
from Testing.Python.small import command


@pytest.mark.parametrize(
    "words",
    [
        ["register"],
        ["register", "--fixed"],
        ["unknown"],
        ["demo", "--colour"],
        ["demo", "--seed", "seven"],
        ["apply", "--input", "x"],
        ["register", "--fixed", "a", "--moving", "b", "--out", "c"],
        ["register", "--fixed", "a", "--moving", "b", "--out", "c", "--fixed-regions", "d"],
        ["register", "--fixed", "a", "--moving", "b", "--out", "c", "--fixed-regions", "d", "--prompt", "e"],
        ["register", "--fixed", "a", "--moving", "b", "--out", "c", "--prompt", "e", "--trust-near", "30"],
        ["demo", "--true-regions", "--prompt", "prostate"],
        ["regions", "a", "--out", "b.seg.nrrd"],
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2(words: list[str]) -> None:
    run = in_process(*words)
    assert run.exit_code == 2
    assert "Traceback" not in run.stderr


VALUES = {
    "transform": ("--transform", ["bspline", "elastic", ""], ["demo", "register"]),
    "device": ("--device", ["tpu", "cuda:", "cuda:x", ""], ["demo", "register", "regions"]),
    "seed": ("--seed", ["-3", "1.5"], ["demo"]),
    "smoothness": ("--smoothness", ["-1", "nan", "inf"], ["register"]),
    "resolution": ("--resolution", ["-2", "0", "nan", "inf", "500"], ["register"]),
    "spacing": ("--spacing", ["-1", "0", "nan", "inf"], ["register", "regions"]),
    "slice step": ("--slice-step", ["0", "1.5"], ["register", "regions"]),
    "threshold": ("--threshold", ["1.5", "1", "-2", "nan"], ["register"]),
    "trust": ("--trust-far", ["-1", "nan", "inf"], ["register"]),
    "box threshold": ("--box-threshold", ["1.5", "-0.1", "nan"], ["register", "regions"]),
}
WHOLE = {
    "demo": ["--out", "absent"],
    "register": ["--fixed", "a", "--moving", "b", "--prompt", "prostate", "--out", "absent"],
    "regions": ["a", "--prompt", "prostate", "--out", "absent.seg.nrrd"],
}
"""Words that lack nothing; the files are not there, which is a problem of its own (1)."""


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [(name, option, value) for option, values, names in VALUES.values() for value in values for name in names],
)
def test_a_value_that_no_run_could_take_is_wrong_usage(name: str, option: str, value: str) -> None:
    run = in_process(name, *WHOLE[name], option, value)
    assert run.exit_code == 2
    assert run.stdout == ""
    assert option in run.stderr
    assert "Traceback" not in run.stderr


def test_wrong_usage_of_the_real_command() -> None:
    run = command("register", "--fixd", "x.nrrd")
    assert run.returncode == 2
    assert "--fixd" in run.stderr
    assert run.stdout == ""
