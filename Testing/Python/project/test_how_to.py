"""The table of tasks in the developer guide: its files exist, and they hold what the table says."""

from __future__ import annotations

import re

import pytest

from Testing.Python.small import ROOT

GUIDE = (ROOT / "docs" / "developer-guide.md").read_text(encoding="utf-8")
SECTION = GUIDE.split("## How to")[1].split("\n## ")[0]
LINES = [line for line in SECTION.splitlines() if line.startswith("| ")]
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in LINES[1:]]
SETTINGS = [row for row in ROWS if "setting" in row[0] or "default" in row[0]]
PATHS = re.compile(r"`([\w./-]+/[\w./-]*)`")


def test_there_are_at_least_fifteen_tasks() -> None:
    assert len(ROWS) >= 15


@pytest.mark.parametrize("row", ROWS, ids=[row[0][:40] for row in ROWS])
def test_every_file_of_a_task_exists(row: list[str]) -> None:
    task, first, rest = row
    paths = PATHS.findall(f"{first} {rest}")
    assert paths, task
    for path in paths:
        shorthand = ROOT / "Tell2RegLib" / "slicer_module" / path
        assert (ROOT / path).exists() or shorthand.exists(), f"{task}: {path}"


@pytest.mark.parametrize("row", SETTINGS, ids=[row[0][:30] for row in SETTINGS])
def test_a_setting_takes_at_most_two_files_of_code(row: list[str]) -> None:
    assert len([path for path in PATHS.findall(" ".join(row)) if path.endswith(".py")]) <= 2


def test_documents_in_brackets_exist() -> None:
    for names in re.findall(r"\[([\w.-]+\.md(?:, [\w.-]+\.md)*)\](?!\()", SECTION):
        for name in names.split(", "):
            assert (ROOT / "docs" / name).exists(), name
