"""The house: what is packaged, who may import whom, and one version everywhere."""

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
OUTSIDE_THE_SLICER_SIDE = [path for path in LIBRARY_FILES if LIBRARY / "slicer_module" not in path.parents]


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


# --- the rooms ---


ROOMS = [path for path in LIBRARY.iterdir() if path.is_dir() and (path / "__init__.py").exists()]

MOST_LINES, MOST_LINES_OF_A_FUNCTION = 400, 60


def test_the_root_holds_rooms_and_hardly_a_file() -> None:
    at_the_root = {path.name for path in LIBRARY.iterdir() if path.is_file()}
    assert at_the_root == {"__init__.py", "errors.py", "py.typed", "CMakeLists.txt"}


def test_files_and_functions_stay_small() -> None:
    large = []
    for path in (*LIBRARY_FILES, *(ROOT / "Tell2Reg").rglob("*.py"), *(ROOT / "Testing").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if text.count("\n") > MOST_LINES:
            large.append(f"{path.relative_to(ROOT)}: {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= MOST_LINES_OF_A_FUNCTION:
                large.append(f"{path.relative_to(ROOT)}, {node.name}: {(node.end_lineno or 0) - node.lineno + 1} lines")
    assert not large, "\n".join(large)


def test_every_room_has_its_tests_in_a_folder_of_its_name() -> None:
    tested = {path.parent.name for path in (ROOT / "Testing" / "Python").glob("*/test_*.py")}
    assert {room.name for room in ROOMS} <= tested


def test_the_wheel_holds_every_file_of_the_library_that_is_no_code() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["Tell2RegLib"]
    data = {
        path
        for path in LIBRARY.rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"} and path.name != "CMakeLists.txt"
    }
    packed = {path for pattern in settings for path in LIBRARY.glob(pattern)}
    assert data <= packed, f"Add to package-data in pyproject.toml: {sorted(data - packed)}"


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


# --- who may import whom (the layers themselves are in pyproject.toml, checked by lint-imports) ---


def test_the_layers_in_the_documentation_are_those_that_are_checked() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    checked = [set(re.findall(r"\w+", layer)) for layer in reversed(contract["layers"])]
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = page.split("## Who may import whom")[1].split("The layers stand")[0]
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


def test_only_the_slicer_side_imports_slicer_qt_and_vtk() -> None:
    """vtk is allowed inside a function: `surface_files` reads surface models with it."""
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in OUTSIDE_THE_SLICER_SIDE
        for name, at_file_scope in imports_of(path)
        if name in {"slicer", "qt", "ctk", "mrml", "PythonQt"} or (at_file_scope and name in {"vtk", "vtkmodules"})
    ]
    assert not wrong, "\n".join(wrong)


def test_only_volume_turns_images_into_arrays() -> None:
    doors = re.compile(r"Get(?:Array(?:View)?FromImage|ImageFromArray)")
    calling = [path for path in LIBRARY_FILES if doors.search(path.read_text(encoding="utf-8"))]
    assert calling == [LIBRARY / "space" / "volume.py"], "Use volume.array_of and to_simpleitk."


SPEAKS_OF_RAS = {
    "space/ras.py",
    *("space/point_files.py", "space/surface_files.py"),  # file formats that name their coordinate system
    "workflows/apply_checks.py",  # a file that names the wrong one
    "slicer_module/scene/coordinates.py",
}


def numbers_of(node: ast.AST) -> list[float]:
    """The numbers of a literal list, tuple or call of numbers; empty when something else is among them."""
    try:
        values = ast.literal_eval(node) if isinstance(node, (ast.List, ast.Tuple)) else ()
    except ValueError:
        return []
    return list(values) if all(isinstance(value, (int, float)) for value in values) else []


def turns_two_axes(node: ast.AST) -> bool:
    """Whether a literal holds the signs of RAS and LPS, as a vector, a diagonal or a matrix, or x and y are negated."""
    numbers = numbers_of(node)
    if numbers[:3] == [-1, -1, 1] or numbers == [-1, 0, 0, 0, -1, 0, 0, 0, 1]:
        return True
    negated = ast.unparse(node) if isinstance(node, (ast.UnaryOp, ast.BinOp, ast.AugAssign)) else ""
    return bool(re.search(r"(-\w+\[[^\]]*:2\]|\[[^\]]*:2\] \*=? -1|-1(\.0)? \* \w+\[[^\]]*:2\])", negated))


@pytest.mark.parametrize(
    "code",
    ["s = [-1.0, -1.0, 1.0]", "m = np.diag((-1, -1, 1, 1))", "p[..., :2] *= -1", "p = -q[:, :2]", "r = q[:2] * -1"],
)
def test_a_turned_axis_is_noticed(code: str) -> None:
    assert any(turns_two_axes(node) for node in ast.walk(ast.parse(code)))


def test_only_one_module_knows_how_ras_and_lps_differ() -> None:
    product = [*LIBRARY_FILES, *(ROOT / "Tell2Reg").rglob("*.py")]
    turning = [path for path in product if any(map(turns_two_axes, ast.walk(ast.parse(path.read_text("utf-8")))))]
    assert turning == [LIBRARY / "space" / "ras.py"], (
        "Use the functions of space/ras.py or slicer_module/scene/coordinates.py."
    )


def test_only_formats_and_the_scenes_coordinates_speak_of_ras() -> None:
    word = re.compile(r"(?<![A-Za-z])ras(?![a-z])", re.IGNORECASE)
    speaking = {
        path.relative_to(LIBRARY).as_posix() for path in LIBRARY_FILES if word.search(path.read_text(encoding="utf-8"))
    }
    assert speaking == SPEAKS_OF_RAS, "Elsewhere everything is LPS: space/ras.py, slicer_module/scene/coordinates.py."


def test_every_file_says_what_it_is_for() -> None:
    silent = [path for path in LIBRARY_FILES if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]
    assert not names(silent), "Start these files with a docstring."


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
    modules = (
        "fitting.fit",
        "space.inversion",
        "evaluation.metrics",
        "matching.by_prototype",
        "models.sam.segmenter",
        "phantom",
        "region_sources.grounded_sam",
    )
    imports = "; ".join(f"import Tell2RegLib.{name}" for name in modules)
    program = f"import sys; sys.modules['SimpleITK'] = None; {imports}"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)


PACKAGE_OF = {"PIL": "pillow"}
"""Import names that are not the package's name."""
IN_SLICER_OR_AN_EXTRA = {
    *("slicer", "qt", "ctk", "vtk", "vtkmodules", "packaging", "PyTorchUtils", "SampleData"),
    *("transformers", "groundingdino", "segment_anything", "safetensors", "torchvision"),
    "matplotlib",  # the extra "plots"; without it `validate` writes no pictures
    "triton",  # torch brings it on Linux; elsewhere what uses it is left out
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
