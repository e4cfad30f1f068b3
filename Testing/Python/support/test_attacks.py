"""The attacks of `make stress` notice a writer that loses files, and find nothing to say about one that does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from Testing.Python.small import ROOT

ATTACKED = """
import sys
from pathlib import Path
from random import Random
from Tell2RegLib.errors import OutputError
from Tell2RegLib.support.complete_file import write_text
from Testing.Reliability.attacks import fill_disk, kill, run_two
from Testing.Reliability.outputs import Output

TEXTS = ["old " * 100_000, "new " * 100_000]

def write_in_place(number, path):
    try:
        with path.open("w") as stream:
            for _ in range(100_000):
                stream.write(TEXTS[number][:4])
    except OSError as error:
        raise OutputError("full") from error

def write_aside(number, path):
    write_text(path, TEXTS[number])

for write in (write_in_place, write_aside):
    output = Output("notes.txt", write, lambda path: TEXTS.index(path.read_text()))
    for number, attack in enumerate((kill, lambda *given: fill_disk(*given, False), run_two)):
        problems = []
        for attempt in range(4):
            folder = Path(sys.argv[1]) / f"{write.__name__} {number} {attempt}"
            folder.mkdir()
            problems.append(attack(output, folder, Random(attempt)))
        print(write.__name__, number, sum(map(bool, problems)), *filter(None, problems))
"""


@pytest.mark.skipif(os.name != "posix", reason="forks")
def test_a_writer_that_loses_files_is_noticed_and_one_that_does_not_is_not(tmp_path: Path) -> None:
    code = [sys.executable, "-c", ATTACKED, str(tmp_path)]
    run = subprocess.run(code, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    lost = {" ".join(line.split()[:2]): int(line.split()[2]) for line in run.stdout.splitlines()}
    assert lost["write_in_place 1"] == 4, "full disks"
    assert [lost[f"write_aside {number}"] for number in range(3)] == [0, 0, 0], run.stdout
