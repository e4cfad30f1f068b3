"""Results of a small pair, in memory and as a folder."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from Tell2RegLib.fitting import FitSettings
from Tell2RegLib.results.result import RegistrationResult
from Tell2RegLib.results.result_folder import save_result
from Tell2RegLib.space.point_files import read_points
from Tell2RegLib.workflows.register import register
from Testing.Python.results.result_schema import strict_json
from Testing.Python.results.small_results import QUICK, inputs_of
from Testing.Python.small import Files, write_small_pair


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return write_small_pair(tmp_path_factory.mktemp("pair"))


@pytest.fixture(scope="session")
def a_result(files: Files) -> RegistrationResult:
    """With a plan, and one region on each side that finds no partner."""
    given = dict(inputs_of(files))
    rename = {"left femoral head": "bone"}
    given["moving_regions"] = tuple(
        type(region)(rename.get(region.name, region.name), region.box_kji, region.start_kji, region.grid)
        for region in given["moving_regions"]
    )
    return register(
        **given,
        settings=QUICK,
        plan=read_points(files.points["--moving-points"]),
        plan_truth=read_points(files.points["--fixed-points"]),
        inputs={option.strip("-").replace("-", " "): path for option, path in files.inputs.items()},
    )


@pytest.fixture(scope="session")
def a_linear_result(files: Files) -> RegistrationResult:
    return register(**inputs_of(files), settings=FitSettings(kind="rigid"))


@pytest.fixture(scope="session")
def folder(a_result: RegistrationResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_result(a_result, tmp_path_factory.mktemp("out") / "result")


@pytest.fixture(scope="session")
def record(folder: Path) -> dict[str, Any]:
    return strict_json((folder / "result.json").read_text(encoding="utf-8"))


@pytest.fixture
def an_old_result(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "study" / "out"))
