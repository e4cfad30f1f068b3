"""A setting is added in one place: a copy of the project with one field more offers it everywhere.

`made_up_setting.py` holds what is looked for, and runs inside the copy.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from Testing.Python.small import ROOT

FIELDS = {
    "Tell2RegLib/fitting/settings.py": 'glow_mm: float = setting(2.5, "How far it glows.", unit="mm", above=0, high=9)',
    "Tell2RegLib/pipeline/find_options.py": 'shine: int = setting(3, "How much it shines.", low=1, whole=True)',
    "Tell2RegLib/evaluation/settings.py": 'doubt_mm: float = setting(6.0, "How far it is doubted.", unit="mm", low=0)',
}
"""One line of code each, and the only file that it goes into."""
BEFORE = "    def __post_init__(self) -> None:\n"


def add_line(file: Path, line: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(BEFORE) == 1
    file.write_text(text.replace(BEFORE, f"    {line}\n\n{BEFORE}"), encoding="utf-8")


@pytest.mark.slow
@pytest.mark.mrml
def test_a_setting_added_in_one_file_is_in_terminal_worker_parameter_node_panel_record_and_documents(
    tmp_path: Path,
) -> None:
    for name in ("Tell2RegLib", "Tell2Reg", "Testing"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Resources", "docs", "pyproject.toml"):
        os.symlink(ROOT / name, tmp_path / name)
    for file, line in FIELDS.items():
        add_line(tmp_path / file, line)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "Testing/Python/project/made_up_setting.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1", "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 passed" in done.stdout, done.stdout
