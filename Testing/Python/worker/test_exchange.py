"""What one process writes, the other reads back exactly; and it reads nothing that it does not know."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from Tell2RegLib.errors import InputError, OutputError
from Tell2RegLib.evaluation.metrics import FieldQuality
from Tell2RegLib.evaluation.settings import TrustSettings
from Tell2RegLib.fitting.recommendation import Recommendation
from Tell2RegLib.fitting.settings import FitSettings
from Tell2RegLib.pipeline.find_options import FindOptions
from Tell2RegLib.results.result import PairMetrics
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.point_files import PointList
from Tell2RegLib.space.region import Region, RegionPair
from Tell2RegLib.space.transform import Transform
from Tell2RegLib.space.volume import Volume
from Tell2RegLib.worker import protocol, requests
from Tell2RegLib.worker.exchange import read, write
from Testing.Python.conftest import HOSTILE_GRIDS
from Testing.Python.maps import a_wavy_transform


def same(a: Any, b: Any) -> bool:
    """Equal to the last bit, types included."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if is_dataclass(a):
        return all(same(getattr(a, field.name), getattr(b, field.name)) for field in fields(a))
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, Mapping):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, float) and math.isnan(a):
        return math.isnan(b)
    return a == b


def there_and_back(value: Any, folder: Path) -> Any:
    write(value, folder, "value")
    return read(type(value), folder, "value")


@pytest.fixture(scope="module")
def a_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exchange")


# --- laws ---

grids = st.sampled_from(list(HOSTILE_GRIDS.values()))
dtypes = st.sampled_from(["int16", "uint8", "float32", "float64", "int32", ">i2", "bool"])
numbers = st.floats(allow_nan=True, allow_infinity=True)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | st.text() | st.builds(Path, st.just("a/b")),
    lambda inner: st.lists(inner) | st.builds(tuple, st.lists(inner)) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@st.composite
def volumes(draw: st.DrawFn) -> Volume:
    grid = draw(grids)
    return Volume(draw(arrays_of.arrays(draw(dtypes), grid.shape_kji)), grid, draw(st.text()))


@st.composite
def regions(draw: st.DrawFn) -> Region:
    grid = draw(grids)
    mask = draw(arrays_of.arrays(bool, grid.shape_kji).filter(np.any))
    prototypes = arrays_of.arrays("float32", 5, elements=st.floats(-9, 9, width=32))
    return Region.from_mask(
        draw(st.text()),
        mask,
        grid,
        prompt=draw(st.text()),
        score=draw(st.none() | st.floats(0, 1)),
        color=draw(st.none() | st.just((0.1, 0.2, 1 / 3))),
        prototype=draw(st.none() | prototypes),
    )


@given(plain)
def test_plain_values_come_back_as_they_were(a_folder: Path, value: Any) -> None:
    assert same(there_and_back((value,), a_folder), (value,))


@given(volumes())
def test_volumes_come_back_as_they_were(a_folder: Path, volume: Volume) -> None:
    assert same(there_and_back(volume, a_folder), volume)


@given(regions(), regions(), st.none() | st.floats(-1, 1), st.booleans(), st.text())
def test_pairs_of_regions_come_back_as_they_were(
    a_folder: Path, fixed: Region, moving: Region, similarity: float | None, accepted: bool, reason: str
) -> None:
    pair = RegionPair(fixed, moving, similarity, accepted, reason)
    assert same(there_and_back(pair, a_folder), pair)


# --- examples ---


@pytest.mark.parametrize("kind", ["oblique", "left-handed"])
def test_a_deformable_transform_comes_back_as_it_was(tmp_path: Path, kind: str) -> None:
    transform = a_wavy_transform(kind, kind)
    back = there_and_back(transform, tmp_path)
    assert isinstance(back, Transform)
    assert same(back, transform)


def test_a_reply_with_everything_in_it_comes_back_as_it_was(tmp_path: Path, a_hostile_grid: Grid) -> None:
    transform = a_wavy_transform("oblique", "oblique")
    reply = requests.FitReply(
        transform=transform,
        rigid_lps=np.eye(4),
        affine_lps=transform.affine_lps,
        metrics=(PairMetrics("a", "b", None, True, "", 0.5, None, 1.0, None, 2.0, None, 3.0, 4.0),),
        quality=FieldQuality(0.0, 0.1, float("nan"), 0.2, 9.0),
        inverse_error_mm=(0.001, 0.2),
        jacobian=Volume(np.ones(a_hostile_grid.shape_kji, np.float32), a_hostile_grid, "det J"),
        timing_s={"fit": 1.5},
        provenance={"versions": {"numpy": "2"}, "seed": None, "prompts": ["a"], "inputs": []},
        recommendation=Recommendation("rigid", "It is enough."),
    )
    assert same(there_and_back(reply, tmp_path), reply)


def test_a_request_within_a_request_comes_back_as_it_was(tmp_path: Path, a_hostile_grid: Grid) -> None:
    volume = Volume(np.arange(24, dtype=np.int16).reshape(a_hostile_grid.shape_kji), a_hostile_grid)
    plan = PointList(("L base", ""), np.array([[1.0, 2.0, 3.0], [-1.0, 0.1, 1e-9]]))
    fit = requests.FitRequest(volume, volume, (), parameters={"matching": {"threshold": 0.8}})
    request = requests.ReportRequest(fit, plan, Path("out"), True, trust=TrustSettings(far_mm=30.0))
    assert same(there_and_back(request, tmp_path), request)


def test_settings_cross_whole_and_are_checked_on_arrival(tmp_path: Path) -> None:
    options = FindOptions(similarity_threshold=0.9, slice_step=3, keep_embeddings=Path("kept"), cross_prompts=True)
    settings = FitSettings(kind="ffd", smoothness=1.25, device="cuda:1")
    trust = TrustSettings(near_mm=3.0, jacobian_check=(0.6, 1.5))
    assert there_and_back((options, settings, trust), tmp_path) == (options, settings, trust)


def test_numbers_of_numpy_become_plain_ones(tmp_path: Path) -> None:
    assert there_and_back((np.float32(0.5), np.int64(3), np.bool_(True)), tmp_path) == (0.5, 3, True)


def test_every_request_and_reply_can_be_handed_over() -> None:
    from Tell2RegLib.worker.exchange import _TYPES

    for request in requests.REQUESTS:
        assert _TYPES[request.__name__] is request
        assert _TYPES[request.reply.__name__] is request.reply


# --- what is refused ---


def test_a_value_of_another_type_is_told(tmp_path: Path) -> None:
    write(HOSTILE_GRIDS["oblique"], tmp_path, "value")
    with pytest.raises(InputError, match="holds a Grid, not a Volume"):
        read(Volume, tmp_path, "value")


@pytest.mark.parametrize("value", [object(), {1, 2}, np.array([object()])])
def test_what_the_other_side_could_not_know_is_not_written(tmp_path: Path, value: Any) -> None:
    with pytest.raises(TypeError, match="cannot be handed"):
        write((value,), tmp_path, "value")
    assert not (tmp_path / "value.json").exists()


@pytest.mark.parametrize(
    "document",
    [
        "",
        "{",
        '{"is": "Popen", "fields": {"args": "true"}}',
        '{"is": "Grid", "fields": {"size": 1}}',
        '{"is": "array", "file": "../value-0.npy"}',
        '{"is": "array", "file": "other-0.npy"}',
        '{"is": "array", "file": "value-0.npy"}',
        '{"no": 1}',
    ],
)
def test_a_damaged_or_strange_document_is_told_and_nothing_of_it_runs(tmp_path: Path, document: str) -> None:
    (tmp_path / "value.json").write_text(document)
    with pytest.raises(InputError, match=r"value.json' cannot be read"):
        read(Grid, tmp_path, "value")


def deep(folder: Path) -> None:
    (folder / "value.json").write_text('{"is": "tuple", "items": [' * 5000 + "]}" * 5000)


def a_zip_in_place_of_an_array(folder: Path) -> None:
    (folder / "value-0.npy").write_bytes(b"PK\x03\x04" + bytes(60))
    (folder / "value.json").write_text(json.dumps({"is": "array", "file": "value-0.npy"}))


def an_array_larger_than_the_memory(folder: Path) -> None:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,)}".ljust(117) + b"\n"
    (folder / "value-0.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    (folder / "value.json").write_text(json.dumps({"is": "array", "file": "value-0.npy"}))


def fields_of_another_type(folder: Path) -> None:
    (folder / "value.json").write_text('{"is": "Grid", "fields": [1]}')


def a_folder_in_its_place(folder: Path) -> None:
    (folder / "value.json").mkdir()


FORGED = (
    deep,
    a_zip_in_place_of_an_array,
    an_array_larger_than_the_memory,
    fields_of_another_type,
    a_folder_in_its_place,
)


@pytest.mark.parametrize("forge", FORGED)
def test_a_forged_document_of_any_kind_is_one_error(tmp_path: Path, forge: Callable[[Path], None]) -> None:
    forge(tmp_path)
    with pytest.raises(InputError, match=r"value.json' cannot be read") as error:
        read(Grid, tmp_path, "value")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "event",
    [{"stage": 3}, {"stage": "fit", "done": "x"}, {"stage": "fit", "total": None}, {"stage": "fit", "done": [1]}, {}],
)
def test_progress_that_is_none_is_no_event(event: dict[str, Any]) -> None:
    assert protocol.event(protocol.line({"event": "progress", **event})) is None
    assert protocol.event(protocol.line({"event": "progress", "stage": "fit", "done": 1, "seconds_left": None}))


def test_pickled_arrays_are_not_read(tmp_path: Path) -> None:
    np.save(tmp_path / "value-0.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "value.json").write_text(json.dumps({"is": "array", "file": "value-0.npy"}))
    with pytest.raises(InputError, match="allow_pickle"):
        read(np.ndarray, tmp_path, "value")


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        write((1,), tmp_path / "gone", "value")
