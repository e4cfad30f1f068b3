"""The extension, configured and installed by CMake with a small fake of Slicer's build system.

The fake (Testing/cmake/fake_slicer) records what Slicer's macros are asked and installs what the lists name: an
installed tree without a Slicer.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from Testing.Slicer.outcomes import scenario_files

ROOT = Path(__file__).resolve().parents[3]
MODULES = Path("lib/Slicer-5.12/qt-scripted-modules")
ADDRESS = "https://github.com/Tell2Reg/SlicerTell2Reg"
RAW = "https://raw.githubusercontent.com/Tell2Reg/SlicerTell2Reg/main/"
NO_COMPILER = ("-DCMAKE_C_COMPILER_FORCED=1", "-DCMAKE_CXX_COMPILER_FORCED=1")
"""The extension has nothing to compile: CMake needs not try a compiler."""


@dataclass(frozen=True)
class Extension:
    """What the fake recorded, the tree that was installed, and the commands that CTest runs."""

    records: list[list[str]]
    installed: Path
    commands: list[list[str]]

    def of(self, kind: str) -> list[list[str]]:
        return [fields for name, *fields in self.records if name == kind]

    def listed(self, module: str) -> list[str]:
        return [file for kind in ("script", "resource") for name, file in self.of(kind) if name == module]


def cmake() -> str:
    """CMake of this environment (the package of the extra `dev`), or of the system."""
    detected = shutil.which("cmake", path=str(Path(sys.executable).parent)) or shutil.which("cmake")
    if detected is None:
        pytest.skip("CMake is missing: install the extra 'dev'.")
    return detected


@pytest.fixture(scope="module")
def extension(tmp_path_factory: pytest.TempPathFactory) -> Extension:
    folder = tmp_path_factory.mktemp("extension")
    fake = ROOT / "Testing" / "cmake" / "fake_slicer"
    configure = [cmake(), "-S", str(ROOT), "-B", str(folder / "build"), f"-DSlicer_DIR={fake}", "-DBUILD_TESTING=ON"]
    for command in (
        [*configure, *NO_COMPILER, f"-DCMAKE_C_COMPILER={sys.executable}", f"-DCMAKE_CXX_COMPILER={sys.executable}"],
        [cmake(), "--install", str(folder / "build"), "--prefix", str(folder / "installed")],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    lines = (folder / "build" / "recorded.txt").read_text(encoding="utf-8").splitlines()
    listed = [cmake().replace("cmake", "ctest"), "--test-dir", str(folder / "build"), "--show-only=json-v1"]
    tests = json.loads(subprocess.run(listed, capture_output=True, text=True, check=True).stdout)["tests"]
    commands = [test["command"] for test in tests]
    return Extension([line.split("|") for line in lines], folder / "installed" / MODULES, commands)


@pytest.mark.parametrize("folder", ["Tell2Reg", "Tell2RegLib"])
def test_the_lists_that_cmake_reads_are_the_tree(extension: Extension, folder: str) -> None:
    present = {path.relative_to(ROOT / folder).as_posix() for path in (ROOT / folder).rglob("*") if path.is_file()}
    needed = {
        name
        for name in present
        if "__pycache__" not in name and Path(name).name != "CMakeLists.txt" and not name.startswith("training/")
    }
    assert set(extension.listed(folder)) == needed


def test_the_library_keeps_its_folder_and_only_the_module_is_a_module(extension: Extension) -> None:
    assert extension.of("module") == [
        ["Tell2RegLib", "Tell2RegLib", "TRUE", "FALSE"],
        ["Tell2Reg", "Tell2Reg", "FALSE", "TRUE"],
    ]
    assert extension.of("cpack") == [["Tell2Reg"]]


def test_tests_are_run_by_ctest(extension: Extension) -> None:
    assert extension.of("unittest") == [["Tell2Reg.py"]]
    assert {command[-1] for command in extension.commands} == set(scenario_files())
    for command in extension.commands:
        assert command[1:4] == ["-m", "Testing.Slicer.launch", "--slicer"], "Only launch.py judges a scenario."


def test_the_metadata_is_complete(extension: Extension) -> None:
    metadata = dict(extension.of("metadata"))
    assert all(metadata.values())
    assert metadata["HOMEPAGE"] == ADDRESS
    assert metadata["DEPENDS"] == "PyTorch"
    for address in [metadata["ICONURL"], *metadata["SCREENSHOTURLS"].split()]:
        assert address.startswith(RAW)
        assert (ROOT / address.removeprefix(RAW)).is_file(), f"'{address}' names no file of the repository."


def test_the_catalogue_entry_agrees_with_cmake(extension: Extension) -> None:
    entry = json.loads((ROOT / "Tell2Reg.json").read_text(encoding="utf-8"))
    metadata = dict(extension.of("metadata"))
    assert entry["category"] == metadata["CATEGORY"]
    assert entry["scm_url"] == metadata["HOMEPAGE"]
    assert entry["build_dependencies"] == metadata["DEPENDS"].split()
    known = {"build_dependencies", "build_subdirectory", "category", "scm_revision", "scm_url", "tier", "$schema"}
    assert set(entry) == known
    assert 1 <= entry["tier"] <= 5


LOOK = """
import sys
import Tell2RegLib
from Tell2RegLib.slicer_module.install.requirements import read_requirements, requirements_file
from Tell2RegLib.support.resources import resource_path
assert read_requirements(requirements_file())
assert resource_path("Models.json").is_file() and resource_path("DemoWeights/detector.safetensors").is_file()
print(Tell2RegLib.__file__, resource_path("Models.json"), requirements_file(), sep="\\n")
"""


def test_the_installed_tree_works_by_itself(extension: Extension, tmp_path: Path) -> None:
    """Slicer puts qt-scripted-modules on the path; nothing else of the source tree is there."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", LOOK],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(extension.installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for line in done.stdout.split("\n")[:-1]:
        assert Path(line).is_relative_to(extension.installed)


def test_the_installed_tree_has_no_screenshots_and_no_tests(extension: Extension) -> None:
    names = {path.name for path in extension.installed.rglob("*")}
    assert "Tell2Reg.py" in names
    assert not {"Screenshots", "Testing", "conftest.py"} & names
