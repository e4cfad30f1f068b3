"""The wheel: what is in it, and that it runs the demo outside of the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "Tell2RegLib", "Resources")
"""What the build reads."""


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a command outside of the checkout; its standard output."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the tree, with the setuptools of this environment: nothing is downloaded."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / "tree" / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (folder / "tree").mkdir(exist_ok=True)
            shutil.copy(ROOT / name, folder / "tree")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", folder, folder / "tree", cwd=folder)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel alone; what it requires is that of this environment."""
    folder = tmp_path_factory.mktemp("installed")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "install", "--no-deps", "--no-index", "--target", folder, wheel, cwd=folder)
    return folder


@pytest.mark.slow
def test_the_wheel_holds_the_library_and_its_data_but_neither_training_nor_tests(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        names = {name for name in file.namelist() if ".dist-info/" not in name}
    library = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "Tell2RegLib").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name != "CMakeLists.txt"
    }
    training = {name for name in library if name.startswith("Tell2RegLib/training/")}
    data = {
        f"Tell2RegLib/{path.relative_to(ROOT).as_posix()}"
        for path in (*(ROOT / "Resources").glob("*.json"), *(ROOT / "Resources" / "DemoWeights").iterdir())
    }
    assert training
    assert names == (library - training) | data
    assert {"Tell2RegLib/Resources/DemoWeights/detector.safetensors", "Tell2RegLib/Resources/Models.json"} <= names
    assert "Tell2RegLib/results/report/templates/report.html.j2" in names


@pytest.mark.slow
def test_the_installed_wheel_runs_the_demo_outside_of_the_checkout(installed: Path, tmp_path: Path) -> None:
    pytest.importorskip("groundingdino", reason="the networks' packages: pip install -e .[networks]")
    only_the_wheel = {"PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1"}
    where = run(sys.executable, "-c", "import Tell2RegLib; print(Tell2RegLib.__file__)", cwd=tmp_path, **only_the_wheel)
    assert Path(where.strip()).is_relative_to(installed)
    command = shutil.which("tell2reg", path=str(installed / "bin"))
    assert command is not None
    said = run(
        *(command, "demo", "--prompt", "bladder", "--transform", "rigid", "--out", "demo"),
        cwd=tmp_path,
        **only_the_wheel,
    )
    assert "bladder" in said
    assert (tmp_path / "demo" / "report.html").is_file()
    assert (tmp_path / "demo" / "targets_in_fixed.mrk.json").is_file()
