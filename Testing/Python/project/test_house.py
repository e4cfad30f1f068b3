"""The house: what is packaged, who may know whom, and one version everywhere."""

from __future__ import annotations

import ast
import re
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import Tell2RegLib
from Testing.Python.conftest import NetworkForbidden

ROOT = Path(__file__).resolve().parents[3]
LIBRARY = ROOT / "Tell2RegLib"
LIBRARY_FILES = sorted(LIBRARY.rglob("*.py"))
OUTSIDE_THE_SLICER_SIDE = [path for path in LIBRARY_FILES if LIBRARY / "module" not in path.parents]


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


# --- the extension package ---


def files_of(folder: str) -> set[str]:
    """Every file of a CMake folder that users need, relative to it."""
    root = ROOT / folder
    left_out = {"CMakeLists.txt"}
    found = {str(path.relative_to(root).as_posix()) for path in root.rglob("*") if path.is_file()}
    return {name for name in found - left_out if "__pycache__" not in name and not Path(name).name.startswith(".")}


def listed_in(folder: str) -> list[str]:
    text = (ROOT / folder / "CMakeLists.txt").read_text()
    lists = re.findall(r"set\(MODULE_PYTHON_(?:SCRIPTS|RESOURCES)([^)]*)\)", text)
    return " ".join(lists).split()


@pytest.mark.parametrize("folder", ["Tell2Reg", "Tell2RegLib"])
def test_cmake_lists_every_file_once(folder: str) -> None:
    listed, present = listed_in(folder), files_of(folder)
    missing, gone = sorted(present - set(listed)), sorted(set(listed) - present)
    assert not missing, f"Add to {folder}/CMakeLists.txt (.py to SCRIPTS, others to RESOURCES):\n" + "\n".join(missing)
    assert not gone, f"Remove from {folder}/CMakeLists.txt, the files are gone:\n" + "\n".join(gone)
    assert len(listed) == len(set(listed)), f"{folder}/CMakeLists.txt lists a file twice."


def test_the_wheel_holds_every_file_of_the_library_that_is_no_code() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["Tell2RegLib"]
    data = [LIBRARY / name for name in files_of("Tell2RegLib") if not name.endswith(".py")]
    packed = {path for pattern in settings for path in LIBRARY.glob(pattern)}
    assert set(data) <= packed, f"Add to package-data in pyproject.toml: {sorted(set(data) - packed)}"


def test_every_folder_of_the_library_is_a_package() -> None:
    folders = {path.parent for path in LIBRARY_FILES}
    assert not names([folder for folder in folders if not (folder / "__init__.py").exists()])


# --- one version ---


def test_version_changelog_and_citation_agree() -> None:
    top = re.search(r"^## \[?(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    cited = re.search(r"^version: \"?([\d.]+)", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert top is not None
    assert cited is not None
    assert top[1] == cited[1] == Tell2RegLib.__version__


# --- who may know whom (the layers themselves are in pyproject.toml, checked by lint-imports) ---


def test_the_layers_in_the_documentation_are_those_that_are_checked() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    checked = [set(re.findall(r"\w+", layer)) for layer in reversed(contract["layers"])]
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = page.split("## Who may know whom")[1].split("The layers stand")[0]
    lines = [line for line in section.splitlines() if line.startswith("    ")]
    assert [set(re.findall(r"\w+", line)) - {"planned"} for line in lines] == checked


def imports_of(path: Path) -> Iterator[tuple[str, bool]]:
    """Top-level name of every import, and whether it stands at file scope (so that it runs at import)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {id(node) for outer in ast.walk(tree) if isinstance(outer, ast.FunctionDef) for node in ast.walk(outer)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            modules = [node.module or ""]
        else:
            continue
        for module in modules:
            yield module.split(".")[0], id(node) not in inside


@pytest.mark.parametrize("path", OUTSIDE_THE_SLICER_SIDE, ids=names(OUTSIDE_THE_SLICER_SIDE))
def test_only_the_slicer_side_imports_slicer_qt_and_vtk(path: Path) -> None:
    """vtk is allowed inside a function: `apply` reads surface models with it."""
    for name, at_file_scope in imports_of(path):
        assert name not in {"slicer", "qt", "ctk", "mrml", "PythonQt"}
        assert not (at_file_scope and name in {"vtk", "vtkmodules"})


@pytest.mark.parametrize("path", LIBRARY_FILES, ids=names(LIBRARY_FILES))
def test_only_volume_turns_images_into_arrays(path: Path) -> None:
    doors = re.findall(r"Get(?:Array(?:View)?FromImage|ImageFromArray)", path.read_text(encoding="utf-8"))
    assert not doors or path == LIBRARY / "volume.py", f"{path.name} calls {doors}: use volume.array_of, to_simpleitk."


@pytest.mark.parametrize("path", LIBRARY_FILES, ids=names(LIBRARY_FILES))
def test_every_file_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), f"{path.name} starts without a docstring."


LOOK_AT_WHAT_AN_IMPORT_LOADS = """
import socket, sys
def refuse(*args, **kwargs):
    raise SystemExit("import Tell2RegLib opened a socket")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
import Tell2RegLib
print(*sorted({name.split(".")[0] for name in sys.modules}))
"""


def test_importing_the_library_loads_nothing_heavy_and_asks_no_network() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOOK_AT_WHAT_AN_IMPORT_LOADS], cwd=ROOT, capture_output=True, text=True, check=True
    )
    heavy = {"torch", "transformers", "groundingdino", "segment_anything", "matplotlib", "jinja2", "vtk", "slicer"}
    assert not heavy & set(done.stdout.split())


def test_arrays_become_regions_and_fields_without_simpleitk() -> None:
    """Only image files and resampling need it: it is slow to load, and not every machine with a GPU has it."""
    modules = ("fitting.fit", "inversion", "metrics", "matching.words", "models.sam", "phantom", "sources.grounded_sam")
    imports = "; ".join(f"import Tell2RegLib.{name}" for name in modules)
    program = f"import sys; sys.modules['SimpleITK'] = None; {imports}"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)


PACKAGE_OF = {"PIL": "pillow"}
"""Import names that are not the package's name."""
IN_SLICER_OR_AN_EXTRA = {
    *("slicer", "qt", "vtk", "vtkmodules", "packaging", "PyTorchUtils", "SampleData"),
    *("transformers", "groundingdino", "segment_anything", "safetensors", "torchvision"),
}


def test_what_is_required_is_what_is_imported() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = {re.split(r"[<>=]", line)[0].lower() for line in project["dependencies"]}
    imported = {name for path in LIBRARY_FILES for name, _ in imports_of(path)} - IN_SLICER_OR_AN_EXTRA
    others = imported - set(sys.stdlib_module_names) - {"Tell2RegLib", "Tell2Reg"}
    assert {PACKAGE_OF.get(name, name).lower() for name in others} == required


# --- the tests themselves ---


def test_a_test_cannot_reach_another_machine() -> None:
    with pytest.raises(NetworkForbidden), socket.socket() as line:
        line.connect(("192.0.2.1", 80))
    with pytest.raises(NetworkForbidden):
        socket.getaddrinfo("example.org", 80)


def test_what_is_required_is_also_pinned() -> None:
    """constraints.txt knows every requirement, so that an old clone still installs what it was tested with."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = project["dependencies"] + [line for extra in project["optional-dependencies"].values() for line in extra]
    pinned = {
        line.split("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line
    }
    missing = [line for line in required if re.split(r"[<>=!~\[; ]", line)[0].lower() not in pinned]
    assert not missing, f"Add the tested versions to constraints.txt: {missing}"
