"""Label maps, Slicer segmentations and folders of masks become regions that lie where SimpleITK says."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from Tell2RegLib.errors import GeometryError, InputError, OutputError
from Tell2RegLib.region_sources.label_map import read_regions, write_segmentation
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.pair_colors import color_of
from Tell2RegLib.space.region import Region
from Testing.Python.conftest import HOSTILE_GRIDS

GRID = HOSTILE_GRIDS["oblique and left-handed"]

PROSTATE = np.zeros((2, 3, 4), dtype=bool)
PROSTATE[1, 0, 3] = PROSTATE[1, 1, 3] = PROSTATE[0, 0, 3] = True
BLADDER = np.zeros((2, 3, 4), dtype=bool)
BLADDER[0, 2, 0:2] = True
LESION = np.zeros((2, 3, 4), dtype=bool)
LESION[1, 0:2, 2:4] = True
"""Overlaps the prostate, not the bladder."""


def save(path: Path, array_kji: np.ndarray, grid: Grid = GRID, **fields: str) -> Path:
    """Written by SimpleITK alone, so that nothing of ours checks itself."""
    image = sitk.GetImageFromArray(array_kji, isVector=array_kji.ndim == 4)
    image.SetSpacing(grid.spacing_mm)
    image.SetOrigin(grid.origin_lps_mm)
    image.SetDirection(grid.direction)
    for key, value in fields.items():
        image.SetMetaData(key, value)
    sitk.WriteImage(image, str(path))
    return path


def regions_of(*masks: np.ndarray, grid: Grid = GRID, names: tuple[str, ...] = ()) -> list[Region]:
    names = names or ("prostate", "bladder", "lesion")
    return [Region.from_mask(name, mask, grid) for name, mask in zip(names, masks, strict=False)]


def same_masks(regions: tuple[Region, ...], *masks: np.ndarray) -> bool:
    return [region.mask_kji().tolist() for region in regions] == [mask.tolist() for mask in masks]


# --- label maps ---


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint32, np.float32, np.float64])
def test_every_label_of_a_label_map_is_a_region(tmp_path: Path, ending: str, dtype: type) -> None:
    regions = read_regions(save(tmp_path / f"organs{ending}", (3 * PROSTATE + 7 * BLADDER).astype(dtype)))
    assert [region.name for region in regions] == ["label 3", "label 7"]
    assert same_masks(regions, PROSTATE, BLADDER)


def test_regions_lie_where_simpleitk_measures_them(tmp_path: Path, a_hostile_grid: Grid) -> None:
    path = save(tmp_path / "organs.nrrd", (3 * PROSTATE + 7 * BLADDER).astype(np.uint8), a_hostile_grid)
    measured = sitk.LabelShapeStatisticsImageFilter()
    measured.Execute(sitk.ReadImage(str(path)))
    for region, label in zip(read_regions(path), (3, 7), strict=True):
        np.testing.assert_allclose(region.centroid_lps_mm(), measured.GetCentroid(label), atol=1e-9)


def test_label_values_above_65535_are_labels_too(tmp_path: Path) -> None:
    regions = read_regions(save(tmp_path / "l.nrrd", (70000 * PROSTATE + 2_000_000 * BLADDER).astype(np.uint32)))
    assert [region.name for region in regions] == ["label 70000", "label 2000000"]
    assert same_masks(regions, PROSTATE, BLADDER)


def test_a_single_4d_frame_is_taken_as_3d(tmp_path: Path) -> None:
    image = sitk.JoinSeries(sitk.GetImageFromArray(PROSTATE.astype(np.uint8)))
    sitk.WriteImage(image, str(tmp_path / "l.nii.gz"))
    assert same_masks(read_regions(tmp_path / "l.nii.gz"), PROSTATE)


BAD_VALUES = {
    "negative": (np.where(PROSTATE, -5, 0).astype(np.int16), "negative values .down to -5"),
    "not a number": (np.where(PROSTATE, np.nan, 0).astype(np.float32), "NaN"),
    "infinite": (np.where(PROSTATE, np.inf, 0).astype(np.float32), "infinite"),
    "probabilities": (np.where(PROSTATE, 0.25, 0).astype(np.float32), r"not whole numbers .such as 0.25"),
    "huge": (np.where(PROSTATE, 1e20, 0), "looks like an image"),
    "many": (np.arange(11 * 10 * 10, dtype=np.uint16).reshape(11, 10, 10), "looks like an image, not a label map"),
    "nothing": (np.zeros((2, 3, 4), np.uint8), "contains no region"),
    "colours": (np.zeros((2, 3, 4, 3), np.uint8), "3 values per voxel but names no segments"),
}


@pytest.mark.parametrize(("array", "message"), BAD_VALUES.values(), ids=BAD_VALUES.keys())
def test_what_is_no_label_map_is_told_so_with_its_name(tmp_path: Path, array: np.ndarray, message: str) -> None:
    path = save(tmp_path / "odd.nrrd", array, Grid(array.shape[2::-1]))
    with pytest.raises(InputError, match=message) as error:
        read_regions(path)
    assert "odd.nrrd" in str(error.value)


def test_a_2d_image_a_missing_file_and_a_text_are_told(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.Image(4, 3, sitk.sitkUInt8), str(tmp_path / "flat.png"))
    (tmp_path / "text.nrrd").write_text("hello")
    for name, message in {"flat.png": "2-D", "none.nrrd": "no file", "text.nrrd": "cannot be read"}.items():
        with pytest.raises(InputError, match=message):
            read_regions(tmp_path / name)


# --- the volume's grid ---

TWO_LAYERS_OF_THREE = {
    f"Segment{number}_{key}": value
    for number, segment in enumerate([("prostate", "3", "0"), ("bladder", "7", "0"), ("lesion", "1", "1")])
    for key, value in zip(("Name", "LabelValue", "Layer"), segment, strict=True)
}


def test_a_cropped_label_map_is_pasted_into_the_volumes_grid(tmp_path: Path, a_hostile_grid: Grid) -> None:
    cropped = a_hostile_grid.crop((2, 0, 0), (2, 2, 2))
    path = save(tmp_path / "l.nrrd", PROSTATE[0:2, 0:2, 2:4].astype(np.uint8), cropped)
    (region,) = read_regions(path, a_hostile_grid)
    assert region.grid == a_hostile_grid
    np.testing.assert_array_equal(region.mask_kji(), PROSTATE)


def test_what_lies_outside_the_volume_is_cut_off_and_logged(
    tmp_path: Path, a_hostile_grid: Grid, caplog: pytest.LogCaptureFixture
) -> None:
    wider = a_hostile_grid.crop((-1, -2, -3), (9, 9, 9))
    array = np.zeros((9, 9, 9), np.uint8)
    array[4, 2, 4:7] = 1  # (k, j, i) = (1, 0, 3..5) of the volume, which ends at i = 3
    array[0, 0, 0] = 2
    with caplog.at_level(logging.WARNING):
        (region,) = read_regions(save(tmp_path / "l.nrrd", array, wider), a_hostile_grid)
    assert np.argwhere(region.mask_kji()).tolist() == [[1, 0, 3]]
    assert "2 voxels of the region 'label 1' are outside" in caplog.text
    assert "'label 2' is outside the volume and was omitted" in caplog.text


@given(st.sampled_from(list(HOSTILE_GRIDS.values())), st.permutations([0, 1, 2]), st.tuples(*[st.booleans()] * 3))
def test_the_order_and_direction_of_stored_axes_change_nothing(
    tmp_path_factory: pytest.TempPathFactory, grid: Grid, order: list[int], flips: tuple[bool, bool, bool]
) -> None:
    """The same voxels at the same places, as SimpleITK stores them otherwise; cropped, so that the offset counts."""
    path = tmp_path_factory.mktemp("turned") / "l.nrrd"
    save(path, np.stack([3 * PROSTATE + 7 * BLADDER, LESION], axis=-1).astype(np.uint8), grid, **TWO_LAYERS_OF_THREE)
    image = sitk.ReadImage(str(path))
    as_stored = read_regions(path, grid)
    turned = sitk.Flip(sitk.PermuteAxes(image[1:], order), flips)
    for key in image.GetMetaDataKeys():
        turned.SetMetaData(key, image.GetMetaData(key))
    sitk.WriteImage(turned, str(path))
    detected = read_regions(path, grid)
    assert [region.name for region in detected] == ["prostate", "bladder", "lesion"]
    for region, read_region in zip(as_stored, detected, strict=True):
        mask = region.mask_kji()
        mask[:, :, 0] = False  # cropped off
        assert (read_region.mask_kji() == mask).all()
        assert read_region.grid == grid


def test_header_rounding_is_tolerated(tmp_path: Path) -> None:
    rounded = replace(GRID, origin_lps_mm=(10.0008, 20.0, -30.0), spacing_mm=(1.00001, 2.0, 3.0))
    (region,) = read_regions(save(tmp_path / "l.nrrd", PROSTATE.astype(np.uint8), rounded), GRID)
    assert region.grid == GRID


OTHER_GRIDS = {
    "spacing": (replace(GRID, spacing_mm=(1.5, 2.0, 3.0)), "4 x 3 x 2 voxels of 1.5 x 2 x 3 mm, the volume has 4 x 3"),
    "half a voxel": (GRID.crop((0.5, 0, 0), (4, 3, 2)), "at another position"),
    "turned": (HOSTILE_GRIDS["flipped"], "with another orientation"),
}


@pytest.mark.parametrize(("label_grid", "message"), OTHER_GRIDS.values(), ids=OTHER_GRIDS.keys())
def test_another_lattice_is_told_in_plain_words(tmp_path: Path, label_grid: Grid, message: str) -> None:
    path = save(tmp_path / "organs.nrrd", PROSTATE.astype(np.uint8), label_grid)
    with pytest.raises(GeometryError, match=message) as error:
        read_regions(path, GRID)
    assert "'organs.nrrd'" in str(error.value)
    assert "--resample-regions" in str(error.value)


# --- Slicer segmentations ---

TWO_LAYERS = {
    "Segment0_ID": "S_a",
    "Segment0_Name": "Prostate",
    "Segment0_LabelValue": "1",
    "Segment0_Layer": "0",
    "Segment0_Color": "1 0.5 0.25",
    "Segment0_Tags": "TerminologyEntry:a~b^c|Tell2Reg.Prompt:the gland: all of it|Tell2Reg.Score:0.75|",
    "Segment1_ID": "S_b",
    "Segment1_Name": "Bladder",
    "Segment1_LabelValue": "2",
    "Segment1_Layer": "0",
    "Segment1_Color": "none",
    "Segment2_ID": "S_c",
    "Segment2_LabelValue": "1",
    "Segment2_Layer": "1",
}


def test_overlapping_segments_are_read_from_their_layers(tmp_path: Path) -> None:
    array = np.stack([PROSTATE + 2 * BLADDER, LESION.astype(int)], axis=-1).astype(np.uint8)
    regions = read_regions(save(tmp_path / "s.seg.nrrd", array, **TWO_LAYERS), GRID)
    assert [region.name for region in regions] == ["Prostate", "Bladder", "S_c"]
    assert [region.color for region in regions] == [(1.0, 0.5, 0.25), None, None]
    assert [(region.prompt, region.score) for region in regions] == [
        ("the gland: all of it", 0.75),
        ("", None),
        ("", None),
    ]
    assert same_masks(regions, PROSTATE, BLADDER, LESION)


def test_segmentations_of_old_slicers_have_one_layer_per_segment_without_label_values(tmp_path: Path) -> None:
    array = np.stack([PROSTATE, LESION], axis=-1).astype(np.uint8)
    fields = {"Segment0_ID": "a", "Segment0_Name": "a", "Segment1_ID": "b", "Segment1_Name": "b"}
    assert same_masks(read_regions(save(tmp_path / "s.seg.nrrd", array, **fields)), PROSTATE, LESION)


def test_empty_segments_and_labels_without_a_segment_are_left_out_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fields = {"Segment0_ID": "a", "Segment0_LabelValue": "1", "Segment1_ID": "b", "Segment1_LabelValue": "2"}
    path = save(tmp_path / "s.seg.nrrd", (PROSTATE + 9 * BLADDER).astype(np.uint8), **fields)
    with caplog.at_level(logging.WARNING):
        regions = read_regions(path)
    assert [region.name for region in regions] == ["a"]
    assert "the region 'b' is empty" in caplog.text
    assert "no segment has the label 9" in caplog.text


def test_equal_names_get_numbers(tmp_path: Path) -> None:
    named = ("lesion", "Lesion", "lesion", "lesion 2")
    fields = {f"Segment{n}_{key}": str(n + 1) for n in range(4) for key in ("ID", "LabelValue")}
    fields |= {f"Segment{n}_Name": name for n, name in enumerate(named)}
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4) % 5
    regions = read_regions(save(tmp_path / "s.seg.nrrd", array, **fields))
    assert [region.name for region in regions] == ["lesion", "Lesion", "lesion 2", "lesion 2 2"]


@pytest.mark.parametrize(("key", "value"), [("Segment0_Layer", "4"), ("Segment0_LabelValue", "one")])
def test_malformed_segments_are_told(tmp_path: Path, key: str, value: str) -> None:
    path = save(tmp_path / "s.seg.nrrd", PROSTATE.astype(np.uint8), Segment0_ID="a", **{key: value})
    with pytest.raises(InputError, match=rf"'s.seg.nrrd'.*{value}|{value}.*"):
        read_regions(path)


# --- folders ---


def test_a_folder_of_masks_gives_one_region_per_file_called_like_it(tmp_path: Path) -> None:
    save(tmp_path / "Prostate.nii.gz", 255 * PROSTATE.astype(np.uint8))
    save(tmp_path / "bladder.1.nrrd", BLADDER.astype(np.float32))
    save(tmp_path / "lesion.seg.nrrd", LESION[1:, :2, 2:].astype(np.uint8), GRID.crop((2, 0, 1), (2, 2, 1)))
    (tmp_path / "notes.txt").write_text("not a mask")
    (tmp_path / ".hidden.nrrd").write_text("not a mask")
    regions = read_regions(tmp_path, GRID)
    assert [region.name for region in regions] == ["Prostate", "bladder.1", "lesion"]
    assert same_masks(regions, PROSTATE, BLADDER, LESION)


def test_a_mask_with_several_labels_is_told(tmp_path: Path) -> None:
    save(tmp_path / "organs.nrrd", (PROSTATE + 2 * BLADDER).astype(np.uint8))
    with pytest.raises(InputError, match=r"'organs.nrrd' contains several regions \(labels 1, 2\)"):
        read_regions(tmp_path)


def test_masks_of_a_folder_must_share_a_lattice(tmp_path: Path) -> None:
    save(tmp_path / "a.nrrd", PROSTATE.astype(np.uint8))
    save(tmp_path / "b.nrrd", BLADDER.astype(np.uint8), HOSTILE_GRIDS["flipped"])
    with pytest.raises(GeometryError, match=r"'b.nrrd' does not match the voxels"):
        read_regions(tmp_path)


def test_a_folder_without_masks_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="contains no mask files"):
        read_regions(tmp_path)


# --- writing ---


@pytest.mark.parametrize("masks", [(PROSTATE, BLADDER), (PROSTATE, BLADDER, LESION)], ids=["apart", "overlapping"])
def test_a_written_segmentation_reads_back_the_same(
    tmp_path: Path, a_hostile_grid: Grid, masks: tuple[np.ndarray, ...]
) -> None:
    regions = regions_of(*masks, grid=a_hostile_grid)
    regions[0] = replace(regions[0], prompt="the gland: all", score=0.1 + 0.2, color=(0.25, 0.5, 1.0))
    write_segmentation(regions, tmp_path / "s.seg.nrrd")
    back = read_regions(tmp_path / "s.seg.nrrd", a_hostile_grid)
    assert same_masks(back, *masks)
    for n, (region, read_region) in enumerate(zip(regions, back, strict=True)):
        assert (read_region.name, read_region.prompt, read_region.score) == (region.name, region.prompt, region.score)
        assert read_region.color == (region.color or color_of(n))


def test_simpleitk_reads_what_is_written_where_it_should_lie(tmp_path: Path, a_hostile_grid: Grid) -> None:
    write_segmentation(regions_of(PROSTATE, BLADDER, grid=a_hostile_grid), tmp_path / "s.seg.nrrd")
    image = sitk.ReadImage(str(tmp_path / "s.seg.nrrd"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), PROSTATE + 2 * BLADDER)
    for index in [(3, 0, 1), (0, 2, 0)]:
        np.testing.assert_allclose(
            image.TransformIndexToPhysicalPoint(index), a_hostile_grid.index_to_lps(index), atol=1e-9
        )


def test_only_overlapping_regions_cost_a_layer(tmp_path: Path) -> None:
    for masks, layers in [((PROSTATE, BLADDER), 1), ((PROSTATE, LESION, BLADDER), 2)]:
        write_segmentation(regions_of(*masks), tmp_path / "s.seg.nrrd")
        assert sitk.ReadImage(str(tmp_path / "s.seg.nrrd")).GetNumberOfComponentsPerPixel() == layers


@given(st.lists(arrays(bool, (2, 3, 4)).filter(np.any), min_size=1, max_size=6))
def test_any_regions_survive_writing_and_reading(tmp_path_factory: pytest.TempPathFactory, masks: list) -> None:
    path = tmp_path_factory.mktemp("any") / "s.seg.nrrd"
    write_segmentation(regions_of(*masks, names=tuple("abcdef")), path)
    assert same_masks(read_regions(path, GRID), *masks)


@pytest.mark.parametrize("name", ["Blåse", "前立腺", "a|b:c", "back\\slash\\n", '"quoted" := name', "  outer space "])
def test_any_name_and_prompt_survive_in_one_line(tmp_path: Path, name: str) -> None:
    region = Region.from_mask(name, PROSTATE, GRID, prompt=name.replace("|", ""))
    write_segmentation([region], tmp_path / "s.seg.nrrd")
    (back,) = read_regions(tmp_path / "s.seg.nrrd")
    assert (back.name, back.prompt) == (name.strip(), name.replace("|", ""))


def test_line_ends_in_names_do_not_break_the_header(tmp_path: Path) -> None:
    write_segmentation(regions_of(PROSTATE, names=("two\r\nlines",)), tmp_path / "s.seg.nrrd", tags={"Side": "a\n|b"})
    (back,) = read_regions(tmp_path / "s.seg.nrrd")
    assert back.name == "two lines"
    assert sitk.ReadImage(str(tmp_path / "s.seg.nrrd")).GetMetaData("Segment0_Tags") == "Side:a /b|"


def test_more_than_255_regions_keep_their_labels(tmp_path: Path) -> None:
    grid = Grid((10, 6, 5))
    masks = np.eye(300, dtype=bool).reshape(300, 5, 6, 10)
    write_segmentation([Region.from_mask(f"r{n}", m, grid) for n, m in enumerate(masks)], tmp_path / "s.seg.nrrd")
    assert same_masks(read_regions(tmp_path / "s.seg.nrrd"), *masks)


def test_equal_regions_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a.seg.nrrd", "b.seg.nrrd"):
        write_segmentation(regions_of(PROSTATE, LESION), tmp_path / name)
    assert (tmp_path / "a.seg.nrrd").read_bytes() == (tmp_path / "b.seg.nrrd").read_bytes()


def test_no_regions_are_written_as_an_empty_segmentation(tmp_path: Path) -> None:
    write_segmentation([], tmp_path / "s.seg.nrrd", grid=GRID)
    assert not sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "s.seg.nrrd"))).any()
    with pytest.raises(InputError, match="no regions and no grid"):
        write_segmentation([], tmp_path / "s.seg.nrrd")


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    regions = regions_of(PROSTATE)
    with pytest.raises(InputError, match=r"must end in .seg.nrrd"):
        write_segmentation(regions, tmp_path / "s.nii.gz")
    with pytest.raises(GeometryError, match=r"'prostate' cannot be written.*with another orientation"):
        write_segmentation(regions, tmp_path / "s.seg.nrrd", grid=HOSTILE_GRIDS["flipped"])
    with pytest.raises(OutputError, match="cannot be written"):
        write_segmentation(regions, tmp_path / "missing" / "s.seg.nrrd")
