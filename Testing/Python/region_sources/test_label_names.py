"""Names for label maps: tables of other programs, NIfTI headers, a choice of regions, and regions on other grids."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from Tell2RegLib.errors import GeometryError, InputError
from Tell2RegLib.region_sources.label_map import read_regions
from Tell2RegLib.region_sources.label_names import names_in_nifti, read_label_names
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.volume import Volume, write_volume

NAMES = {1: "prostate", 2: "urinary bladder"}
TABLES = {
    "value to name.json": '{"1": "prostate", "2": "urinary bladder"}',
    "name to value.json": '{"background": 0, "prostate": 1, "urinary bladder": 2}',
    "nnU-Net.json": '{"channel_names": {"0": "CT"}, "labels": {"background": 0, "prostate": 1, "urinary bladder": 2}}',
    "TotalSegmentator.json": '{"total": {"1": "prostate", "2": "urinary bladder"}}',
    "Slicer.csv": "LabelValue,Name,Color_R,Color_G,Color_B\n1,prostate,1,2,3\n2,urinary bladder,4,5,6\n",
    "other.csv": '# organs\nname;x,id,name\na,1,prostate\nb,2,"urinary bladder"\n',
    "Slicer.ctbl": "# Color table\n0 background 0 0 0 0\n1 prostate 128 174 128 255\n2 urinary_bladder 9 9 9 255\n",
    "ITK-SNAP.txt": '# IDX R G B A\n    1   255 0 0 1 1 1 "prostate"\n    2 0 255 0 1 1 1 "urinary bladder"\n',
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_many_programs_are_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(TABLES[name], encoding="utf-8")
    assert read_label_names(path) == NAMES


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{", "is not JSON"),
        ("a.json", '{"1": "prostate", "two": "bladder"}', "is no table of label names"),
        ("a.json", '{"0": "background"}', "names no label"),
        ("a.json", '{"1": "prostate", "2": "prostate"}', "the name 'prostate' twice"),
        ("a.csv", "a,b\n1,2\n", "columns LabelValue and Name"),
        ("a.csv", "label,name\none,prostate\n", "without a whole number"),
        ("a.csv", "label,name\n1," + 200_000 * "a" + "\n", "is not a table: field larger than"),
        ("a.json", '{"' + 5000 * "1" + '": "prostate"}', "is no table of label names"),
        ("a.txt", 5000 * "1" + " prostate 1 2 3 4\n", "no label, name and colour"),
        ("a.ctbl", "1 prostate 1 2 3 4\nhello\n", "no label, name and colour: 'hello'"),
        ("a.txt", "1 prostate 1 2 3 4\n1 bladder 1 2 3 4\n", "the label '1' twice"),
    ],
)
def test_anything_else_is_refused_in_a_sentence(name: str, text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_label_names(path)


def test_binary_and_missing_tables_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not a text file"):
        read_label_names(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_label_names(tmp_path / "none.json")


# --- label maps ---

GRID = Grid((12, 10, 8), (2.0, 2.0, 3.0), (5.0, -4.0, 7.0))


def label_map(path: Path, grid: Grid = GRID) -> Path:
    labels = np.zeros(grid.shape_kji, np.uint8)
    labels[2:6, 2:5, 2:6], labels[2:6, 5:8, 2:6] = 1, 2
    write_volume(Volume(labels, grid), path)
    return path


def test_labels_get_their_names_and_others_keep_their_number(tmp_path: Path) -> None:
    path = label_map(tmp_path / "labels.nii.gz")
    assert [region.name for region in read_regions(path, GRID, names={2: "bladder"})] == ["label 1", "bladder"]


def test_names_in_the_header_of_a_nifti_file_are_used(tmp_path: Path) -> None:
    """As TotalSegmentator writes them: an XML table in a header extension."""
    path = label_map(tmp_path / "labels.nii.gz")
    xml = (
        b'<CaretExtension><Label Key="1" Red="1"><![CDATA[prostate]]></Label><Label Key="2"><![CDATA[bladder]]></Label>'
    )
    extension = xml.ljust(-(-(len(xml) + 8) // 16) * 16 - 8, b"\0")
    content = bytearray(gzip.decompress(path.read_bytes()))
    struct.pack_into("<f", content, 108, 352 + len(extension) + 8)
    header = bytes(content[:348]) + b"\1\0\0\0" + struct.pack("<ii", len(extension) + 8, 0) + extension
    path.write_bytes(gzip.compress(header + bytes(content[352:])))
    assert names_in_nifti(path) == {1: "prostate", 2: "bladder"}
    assert sitk.GetArrayFromImage(sitk.ReadImage(str(path))).max() == 2
    assert [region.name for region in read_regions(path, GRID)] == ["prostate", "bladder"]
    assert [region.name for region in read_regions(path, GRID, names={1: "gland"})] == ["gland", "label 2"]


def test_regions_are_chosen_by_name_without_case_and_separators(tmp_path: Path) -> None:
    path = label_map(tmp_path / "labels.nrrd")
    (region,) = read_regions(path, GRID, names=NAMES, only=["Urinary_Bladder"])
    assert region.name == "urinary bladder"
    with pytest.raises(InputError, match="has no region 'rectum'. It has: prostate, urinary bladder"):
        read_regions(path, GRID, names=NAMES, only=["rectum", "prostate"])


def test_regions_on_another_grid_are_resampled_when_asked_for(tmp_path: Path) -> None:
    path = label_map(tmp_path / "labels.nrrd")
    finer = Grid((24, 20, 24), (1.0, 1.0, 1.0), (4.5, -4.5, 6.0))
    with pytest.raises(GeometryError, match="--resample-regions"):
        read_regions(path, finer)
    resampled, original = read_regions(path, finer, resample=True), read_regions(path)
    for moved, before in zip(resampled, original, strict=True):
        assert moved.grid == finer
        assert moved.volume_ml == pytest.approx(before.volume_ml, rel=0.15)
        np.testing.assert_allclose(moved.points_lps_mm().mean(axis=0), before.points_lps_mm().mean(axis=0), atol=0.5)
