"""Embeddings on disk: found again by content, within a limit, never in the way."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from Tell2RegLib.models.embedding_disk_cache import SUFFIX, EmbeddingStore
from Tell2RegLib.models.protocol import Embeddings
from Tell2RegLib.support.marked_folders import MARKER

pytest.importorskip("safetensors", reason="needs the extra 'networks'")


def some_slices(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (3, 5, 7), dtype=np.uint8)


def some_embeddings(seed: int, dtype: type = np.float32) -> Embeddings:
    features = np.random.default_rng(seed).normal(size=(3, 4, 6, 6)).astype(dtype)
    return Embeddings(features, (0.7, 1.0), (5, 7), "a model")


def bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != MARKER)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_what_was_put_is_found_again_by_the_next_process(tmp_path: Path, dtype: type) -> None:
    put = some_embeddings(1, dtype)
    EmbeddingStore(tmp_path / "new").put(some_slices(1), "a model", put)
    detected = EmbeddingStore(tmp_path / "new").get(some_slices(1), "a model")
    assert detected is not None
    np.testing.assert_array_equal(detected.features, put.features)
    assert detected.features.dtype == dtype
    assert (detected.covered_hw, detected.slice_hw, detected.model) == (put.covered_hw, put.slice_hw, put.model)


def test_other_slices_and_other_models_find_nothing(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path)
    store.put(some_slices(1), "a model", some_embeddings(1))
    assert store.get(some_slices(2), "a model") is None
    assert store.get(some_slices(1), "another model") is None
    assert store.get(some_slices(1).reshape(3, 7, 5), "a model") is None


def test_what_was_used_longest_ago_makes_room(tmp_path: Path) -> None:
    size = some_embeddings(1).features.nbytes
    store = EmbeddingStore(tmp_path, limit_bytes=int(2.9 * size))
    for seed in (1, 2):
        store.put(some_slices(seed), "a model", some_embeddings(seed))
    for age, name in enumerate(files_in(tmp_path)):
        os.utime(tmp_path / name, (1000 + age, 1000 + age))
    assert store.get(some_slices(1), "a model") is not None  # used now, so the other one is older
    store.put(some_slices(3), "a model", some_embeddings(3))
    assert store.get(some_slices(2), "a model") is None
    assert store.get(some_slices(1), "a model") is not None
    assert store.get(some_slices(3), "a model") is not None
    assert bytes_in(tmp_path) <= store.limit_bytes


def test_embeddings_larger_than_the_limit_are_not_kept(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path, limit_bytes=100)
    store.put(some_slices(1), "a model", some_embeddings(1))
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("room", [1.0, 1.2, 3.0, 4.1])
def test_the_files_never_exceed_the_limit_headers_included(tmp_path: Path, room: float) -> None:
    store = EmbeddingStore(tmp_path, limit_bytes=int(room * some_embeddings(1).features.nbytes))
    for seed in range(6):
        store.put(some_slices(seed), "a model", some_embeddings(seed))
        assert bytes_in(tmp_path) <= store.limit_bytes


def test_the_same_embeddings_put_again_push_out_no_others(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path, limit_bytes=int(2.9 * some_embeddings(1).features.nbytes))
    for seed in (1, 2, 2):
        store.put(some_slices(seed), "a model", some_embeddings(seed))
    assert len(files_in(tmp_path)) == 2


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


def zeroed(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-400] + bytes(400))


def one_bit_changed(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


def other_pixels_said(file: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b"[5, 7]", b"[7, 5]"))


def another_model_said(file: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b"a model", b"b model"))


def another_files_content(file: Path) -> None:
    second_store = EmbeddingStore(file.parent / "other")
    second_store.put(some_slices(2), "a model", some_embeddings(2))
    file.write_bytes(next(second_store.folder.glob(f"*{SUFFIX}")).read_bytes())


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def without_a_hash(file: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"features": some_embeddings(1).features}, file, metadata={"embeddings": "[1]"})


DAMAGES = (
    *(cut_off, zeroed, one_bit_changed, other_pixels_said, another_model_said),
    *(another_files_content, emptied, without_a_hash),
)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_as_if_it_were_not_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None]
) -> None:
    store = EmbeddingStore(tmp_path)
    store.put(some_slices(1), "a model", some_embeddings(1))
    (file,) = tmp_path.glob(f"*{SUFFIX}")
    damage(file)
    assert store.get(some_slices(1), "a model") is None
    assert not file.exists()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "computed again" in caplog.text


@pytest.mark.parametrize(
    "wrong",
    [
        np.ones((2, 4, 6, 6), np.float32),
        np.ones((3, 4), np.float32),
        np.ones((3, 4, 6, 6), np.int32),
        np.full((3, 4, 6, 6), np.nan, np.float32),
    ],
    ids=["other slices", "no pictures", "whole numbers", "not finite"],
)
def test_features_that_cannot_be_of_the_slices_are_not_given_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, wrong: np.ndarray
) -> None:
    store = EmbeddingStore(tmp_path)
    store.put(some_slices(1), "a model", replace(some_embeddings(1), features=wrong))
    assert store.get(some_slices(1), "a model") is None
    assert files_in(tmp_path) == []
    assert "computed again" in caplog.text


def test_a_folder_that_cannot_be_made_only_costs_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    store = EmbeddingStore(tmp_path / "file" / "folder")
    store.put(some_slices(1), "a model", some_embeddings(1))
    assert "cannot be kept" in caplog.text
    assert store.get(some_slices(1), "a model") is None


def test_a_folder_with_files_of_another_program_is_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("words.embeddings", f"{'0' * 40}{SUFFIX}"):
        (tmp_path / name).write_text("precious")
    store = EmbeddingStore(tmp_path, limit_bytes=some_embeddings(1).features.nbytes * 2)
    store.put(some_slices(1), "a model", some_embeddings(1))
    store.clear()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "words.embeddings": "precious",
        f"{'0' * 40}{SUFFIX}": "precious",
    }
    assert "cannot be kept" in caplog.text
    assert "holds other files" in caplog.text


def test_files_of_another_program_in_the_stores_folder_are_neither_deleted_nor_counted(tmp_path: Path) -> None:
    size = some_embeddings(1).features.nbytes
    store = EmbeddingStore(tmp_path, limit_bytes=int(1.5 * size))
    store.put(some_slices(1), "a model", some_embeddings(1))
    (tmp_path / "words.embeddings").write_bytes(bytes(size))
    store.put(some_slices(2), "a model", some_embeddings(2))
    assert store.get(some_slices(2), "a model") is not None
    store.clear()
    assert files_in(tmp_path) == ["words.embeddings"]


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such permissions.")
def test_only_the_owner_may_read_a_new_folder(tmp_path: Path) -> None:
    EmbeddingStore(tmp_path / "new").put(some_slices(1), "a model", some_embeddings(1))
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_a_linked_folder_is_used_like_the_folder_itself(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    for seed in (1, 2):
        EmbeddingStore(tmp_path / "link").put(some_slices(seed), "a model", some_embeddings(seed))
    assert len(files_in(tmp_path / "disk")) == 2


def test_clearing_leaves_other_files_alone(tmp_path: Path) -> None:
    store = EmbeddingStore(tmp_path)
    store.put(some_slices(1), "a model", some_embeddings(1))
    (tmp_path / "notes.txt").write_text("mine")
    store.clear()
    assert files_in(tmp_path) == ["notes.txt"]
