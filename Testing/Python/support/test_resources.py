"""The data files: found in the source tree and in an installed one, and packed for both."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from Tell2RegLib.errors import InputError, ResourceError
from Tell2RegLib.support.resources import resource_folder, resource_path

ROOT = Path(__file__).resolve().parents[3]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]


def test_the_source_tree_has_them_beside_the_library() -> None:
    assert resource_path("Models.json") == ROOT / "Resources" / "Models.json"
    assert resource_path("DemoWeights/x") == ROOT / "Resources" / "DemoWeights" / "x"


def test_an_installed_library_has_them_inside(tmp_path: Path) -> None:
    package = tmp_path / "site-packages" / "Tell2RegLib"
    (package / "Resources").mkdir(parents=True)
    (package.parent / "Resources").mkdir()  # of somebody else
    (package / "Resources" / "Models.json").touch()
    assert resource_folder(package) == package / "Resources"


def test_a_folder_of_somebody_else_is_not_taken(tmp_path: Path) -> None:
    package = tmp_path / "Tell2RegLib"
    package.mkdir()
    (tmp_path / "Resources").mkdir()
    with pytest.raises(ResourceError, match="Install it again"):
        resource_folder(package)


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../pyproject.toml", "DemoWeights/../../x", "a\\b", "C:/x"])
def test_a_name_that_leads_out_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="not the name of a file"):
        resource_path(name)


def test_the_wheel_holds_the_data_files() -> None:
    assert SETTINGS["package-dir"] == {"Tell2RegLib.Resources": "Resources"}
    patterns = SETTINGS["package-data"]["Tell2RegLib.Resources"]
    packed = {path for pattern in patterns for path in (ROOT / "Resources").glob(pattern)}
    data = {path for path in (ROOT / "Resources").rglob("*") if path.is_file() and "Screenshots" not in path.parts}
    assert data <= packed, f"Add to package-data in pyproject.toml: {sorted(data - packed)}"


def test_slicer_installs_the_data_files() -> None:
    text = (ROOT / "Tell2RegLib" / "CMakeLists.txt").read_text(encoding="utf-8")
    assert re.search(r"install\(DIRECTORY \"\${CMAKE_CURRENT_SOURCE_DIR}/../Resources\"", text)
