"""Fixtures for every test: no network, and geometry that hides nothing.

`a_hostile_grid` is never a cube: three sizes, three spacings, an origin, and directions that are oblique, flipped,
permuted or left-handed. What holds on a symmetric grid alone is not shown to hold.
"""

from __future__ import annotations

import importlib
import locale
import socket
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from Tell2RegLib.region_sources.registry import GROUP
from Tell2RegLib.space.grid import Grid
from Testing.Python.model_server import Server, serving

EXAMPLE = Path(__file__).parent / "plugin_example"
"""The plug-in of docs/plugins.md."""

# The same examples on every run, however slow the machine: a failure here is a failure everywhere.
settings.register_profile("tell2reg", derandomize=True, deadline=None)
settings.load_profile("tell2reg")


class NetworkForbidden(AssertionError):
    """A test, or the code under it, wanted to reach another machine."""


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Iterator[None]:
    """Every connection to anything but this machine fails the test that asked for it."""
    real = {name: getattr(socket.socket, name) for name in ("connect", "connect_ex")}
    real_lookup = socket.getaddrinfo

    def local(address: object) -> bool:
        return not isinstance(address, tuple) or str(address[0]) in {"127.0.0.1", "::1", "localhost"}

    def guard(name: str):
        def connect(self: socket.socket, address: object):
            if not local(address):
                raise NetworkForbidden(f"A test tried to connect to {address!r}.")
            return real[name](self, address)

        return connect

    def lookup(host: object, *args: object, **kwargs: object):
        if host not in (None, "127.0.0.1", "::1", "localhost"):
            raise NetworkForbidden(f"A test tried to look up {host!r}.")
        return real_lookup(host, *args, **kwargs)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        for name in real:
            patch.setattr(socket.socket, name, guard(name))
        patch.setattr(socket, "getaddrinfo", lookup)
        yield


@pytest.fixture(autouse=True)
def the_locale_stays() -> Iterator[None]:
    """A library that leaves another locale behind breaks text somewhere else, far from here."""
    detected = locale.setlocale(locale.LC_ALL)
    yield
    left = locale.setlocale(locale.LC_ALL)
    locale.setlocale(locale.LC_ALL, detected)
    assert left == detected


def rotation(axis_xyz: tuple[float, float, float], degrees: float) -> np.ndarray:
    """3 x 3 matrix that turns about an axis (Rodrigues)."""
    x, y, z = np.asarray(axis_xyz) / np.linalg.norm(axis_xyz)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.deg2rad(degrees)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def _grid(direction: np.ndarray) -> Grid:
    return Grid((4, 3, 2), (1.0, 2.0, 3.0), (10.0, 20.0, -30.0), tuple(direction.ravel()))


HOSTILE_GRIDS = {
    "axis-aligned": _grid(np.eye(3)),
    "oblique": _grid(rotation((1, 2, 3), 25)),
    "flipped": _grid(np.diag([-1.0, -1.0, 1.0])),
    "left-handed": _grid(np.diag([1.0, 1.0, -1.0])),
    "sagittal": _grid(np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])),
    "oblique and left-handed": _grid(rotation((3, -1, 2), 40) @ np.diag([1.0, -1.0, 1.0])),
}


@pytest.fixture(params=HOSTILE_GRIDS.values(), ids=HOSTILE_GRIDS.keys())
def a_hostile_grid(request: pytest.FixtureRequest) -> Grid:
    """4 x 3 x 2 voxels of 1 x 2 x 3 mm, away from the origin, in every kind of direction."""
    return request.param


@pytest.fixture
def values_of():
    """An array on a grid whose every voxel is told from all others: value = 100 i + 10 j + k."""

    def make(grid: Grid, dtype: type = np.float32) -> np.ndarray:
        k, j, i = np.meshgrid(*(np.arange(n) for n in grid.shape_kji), indexing="ij")
        return (100 * i + 10 * j + k).astype(dtype)

    return make


# --- plug-ins ---


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts a package on the path as pip does: its modules, and metadata with its entry points."""
    monkeypatch.syspath_prepend(str(tmp_path))
    loaded = set(sys.modules)

    def install(package: str, points: dict[str, str], **modules: str) -> None:
        metadata = tmp_path / f"{package.replace('-', '_')}-0.1.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.1\n")
        lines = [f"[{GROUP}]", *(f"{name} = {value}" for name, value in points.items())]
        (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")
        for name, text in modules.items():
            (tmp_path / f"{name}.py").write_text(text)
        importlib.invalidate_caches()

    yield install
    for name in set(sys.modules) - loaded:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def the_example(install: Callable[..., None]) -> None:
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    install(
        project["name"],
        project["entry-points"]["tell2reg.sources"],
        bright_spots=(EXAMPLE / "bright_spots.py").read_text(),
    )


@pytest.fixture
def a_server() -> Iterator[Server]:
    """A server of models on this machine."""
    with serving() as server:
        yield server


@pytest.fixture
def a_scene():
    """An empty MRML scene, for tests that have Slicer's MRML library."""
    import slicer

    return slicer.vtkMRMLScene()
