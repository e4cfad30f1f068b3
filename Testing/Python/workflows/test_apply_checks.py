"""Files that do not fit a transform are reported; label maps and regions are recognised."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from Tell2RegLib.errors import InputError
from Tell2RegLib.region_sources.label_map import read_regions
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.point_files import write_points
from Tell2RegLib.space.transform import Transform, affine_transform
from Tell2RegLib.space.volume import Volume, read_volume, write_volume
from Tell2RegLib.workflows.apply import apply_file
from Tell2RegLib.workflows.apply_checks import is_label_map

MOVING = Grid((30, 24, 20), (2.0, 2.0, 2.0), (100.0, 80.0, -20.0))
FIXED = Grid((32, 26, 22), (2.0, 2.0, 2.0), (95.0, 76.0, -22.0))


@pytest.fixture
def shift() -> Transform:
    matrix = np.eye(4)
    matrix[:3, 3] = (3.0, 2.0, 1.0)
    return affine_transform("rigid", matrix, FIXED, MOVING)


@pytest.fixture
def warnings() -> list[str]:
    return []


def labels() -> np.ndarray:
    values = np.zeros(MOVING.shape_kji, np.int16)
    values[5:12, 6:14, 8:20], values[5:12, 14:18, 8:20] = 3, 205
    return values


def speckle() -> np.ndarray:
    """8-bit ultrasound: few values, none of them a label."""
    return np.random.default_rng(3).integers(0, 256, MOVING.shape_kji).astype(np.uint8)


# --- label maps and regions ---


def test_a_label_map_is_told_from_an_image_of_few_values() -> None:
    assert is_label_map(labels())
    assert is_label_map((labels() > 0).astype(np.uint8))
    assert not is_label_map(speckle())
    assert not is_label_map(labels() - 1)
    assert not is_label_map(labels().astype(np.float32))
    assert not is_label_map(np.zeros(MOVING.shape_kji, np.uint8))


@pytest.mark.parametrize("nearest", [None, True])
def test_label_maps_keep_their_values(shift: Transform, nearest: bool | None, tmp_path: Path) -> None:
    write_volume(Volume(labels(), MOVING), tmp_path / "labels.nii.gz")
    message = apply_file(shift, tmp_path / "labels.nii.gz", tmp_path / "moved.nii.gz", nearest=nearest)
    assert set(np.unique(read_volume(tmp_path / "moved.nii.gz").array_kji)) == {0, 3, 205}
    assert "nearest voxel" in message


def test_interpolation_of_a_label_map_can_be_asked_for(shift: Transform, tmp_path: Path) -> None:
    write_volume(Volume(labels(), MOVING), tmp_path / "labels.nii.gz")
    message = apply_file(shift, tmp_path / "labels.nii.gz", tmp_path / "moved.nii.gz", nearest=False)
    assert "(linear)" in message
    assert len(np.unique(read_volume(tmp_path / "moved.nii.gz").array_kji)) > 3


def test_a_label_map_becomes_named_regions(shift: Transform, tmp_path: Path) -> None:
    write_volume(Volume(labels(), MOVING), tmp_path / "labels.nii.gz")
    out = tmp_path / "moved.seg.nrrd"
    names = {3: "prostate", 205: "bladder"}
    apply_file(shift, tmp_path / "labels.nii.gz", out, names=names, only=["Bladder"])
    assert [region.name for region in read_regions(out)] == ["bladder"]
    with pytest.raises(InputError, match="end 'moved.nrrd' with .seg.nrrd"):
        apply_file(shift, tmp_path / "labels.nii.gz", tmp_path / "moved.nrrd", names=names)


def test_a_folder_of_masks_becomes_a_segmentation(shift: Transform, tmp_path: Path) -> None:
    folder = tmp_path / "masks"
    folder.mkdir()
    for value, name in ((3, "prostate"), (205, "bladder")):
        write_volume(Volume((labels() == value).astype(np.uint8), MOVING), folder / f"{name}.nii.gz")
    message = apply_file(shift, folder, tmp_path / "moved.seg.nrrd")
    assert message.startswith("2 segment(s)")
    assert {region.name for region in read_regions(tmp_path / "moved.seg.nrrd", FIXED)} == {"prostate", "bladder"}


# --- files that belong elsewhere ---


def test_points_far_outside_the_volume_are_reported(shift: Transform, warnings: list[str], tmp_path: Path) -> None:
    inside = MOVING.index_to_lps(np.array([[4.0, 5.0, 6.0], [20.0, 15.0, 12.0]]))
    write_points(tmp_path / "a.csv", ("a", "b"), inside + [[0, 0, 0], [0, 0, 100]])
    apply_file(shift, tmp_path / "a.csv", tmp_path / "b.csv", warn=warnings.append)
    assert warnings == [
        "1 of 2 points lie up to 85 mm outside the moving volume, where the transform is extrapolated. "
        "Check that the file belongs to this volume."
    ]


def test_a_table_in_the_other_frame_is_recognised(shift: Transform, warnings: list[str], tmp_path: Path) -> None:
    inside = MOVING.index_to_lps(np.array([[4.0, 5.0, 6.0], [20.0, 15.0, 12.0]]))
    write_points(tmp_path / "a.csv", ("a", "b"), inside * (-1.0, -1.0, 1.0))
    apply_file(shift, tmp_path / "a.csv", tmp_path / "b.csv", warn=warnings.append)
    assert "The file may mix up LPS and RAS." in warnings[0]


def test_nothing_is_said_about_files_that_fit(shift: Transform, warnings: list[str], tmp_path: Path) -> None:
    write_points(tmp_path / "a.csv", ("a",), MOVING.index_to_lps(np.array([[-3.0, 5.0, 6.0]])))
    write_volume(Volume(speckle(), MOVING), tmp_path / "a.nrrd")
    apply_file(shift, tmp_path / "a.csv", tmp_path / "b.csv", warn=warnings.append)
    apply_file(shift, tmp_path / "a.nrrd", tmp_path / "b.nrrd", warn=warnings.append)
    assert warnings == []


@pytest.mark.parametrize(("inverse", "side"), [(False, "moving"), (True, "fixed")])
def test_a_scan_that_lies_elsewhere_is_reported(
    shift: Transform, warnings: list[str], inverse: bool, side: str, tmp_path: Path
) -> None:
    elsewhere = Grid((30, 24, 20), (2.0, 2.0, 2.0), (-100.0, -80.0, 300.0))
    write_volume(Volume(speckle(), elsewhere), tmp_path / "head.nrrd")
    apply_file(shift, tmp_path / "head.nrrd", tmp_path / "b.nrrd", inverse=inverse, warn=warnings.append)
    assert [f"'head.nrrd' hardly overlaps with the {side} volume" in warning for warning in warnings] == [True]
