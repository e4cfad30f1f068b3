"""Transform files: every ending gives the same map back, to us and to SimpleITK alone; a full disk is noticed."""

from __future__ import annotations

import gzip
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from Tell2RegLib.errors import InputError, OutputError
from Tell2RegLib.space.displacement_field import DisplacementField
from Tell2RegLib.space.grid import Grid, apply_affine
from Tell2RegLib.space.transform import Transform, affine_transform
from Tell2RegLib.space.transform_files import (
    FIELD_ENDINGS,
    ITK_ENDINGS,
    fit_affine,
    read_field,
    read_transform,
    write_field,
    write_transform,
)
from Testing.Python.conftest import HOSTILE_GRIDS
from Testing.Python.maps import (
    AFFINE,
    LANDMARKS,
    SIX_PAIRS,
    a_wavy_transform,
    an_affine_transform,
    fixed_grid,
    moving_grid,
    wavy_field,
)

ROOT = Path(__file__).resolve().parents[3]
EVERY_ENDING = FIELD_ENDINGS + ITK_ENDINGS


@pytest.fixture(params=SIX_PAIRS, ids=[f"{fixed} to {moving}" for fixed, moving in SIX_PAIRS])
def a_transform(request: pytest.FixtureRequest) -> Transform:
    return a_wavy_transform(*request.param)


def points_in(grid: Grid, number: int = 60) -> np.ndarray:
    return grid.index_to_lps(np.random.default_rng(7).uniform(0, np.asarray(grid.size_xyz) - 1, (number, 3)))


def read_by_simpleitk(path: Path) -> sitk.Transform:
    """As anyone would who has the file and SimpleITK, and nothing of ours."""
    if path.name.endswith(FIELD_ENDINGS):
        return sitk.DisplacementFieldTransform(sitk.ReadImage(str(path), sitk.sitkVectorFloat64))
    return sitk.ReadTransform(str(path))


# --- there and back ---


@pytest.mark.parametrize("ending", EVERY_ENDING)
def test_what_is_written_is_read_back(a_transform: Transform, ending: str, tmp_path: Path) -> None:
    write_transform(a_transform, tmp_path / f"t{ending}")
    grids = a_transform.fixed_to_moving.grid, a_transform.moving_to_fixed.grid
    back = read_transform(tmp_path / f"t{ending}", *grids)
    assert back.fixed_to_moving.grid.same_space(grids[0])
    assert back.moving_to_fixed.grid == grids[1]
    exact = 0 if ending in FIELD_ENDINGS else 2e-5
    np.testing.assert_allclose(
        back.fixed_to_moving.vectors_kji, a_transform.fixed_to_moving.vectors_kji, rtol=0, atol=exact
    )
    mapped = a_transform.apply_to_points(LANDMARKS)
    np.testing.assert_allclose(back.apply_to_points(LANDMARKS), mapped, atol=2e-5)
    np.testing.assert_allclose(back.inverse.apply_to_points(mapped), LANDMARKS, atol=0.03)
    np.testing.assert_allclose(
        back.inverse.apply_to_points(mapped), a_transform.inverse.apply_to_points(mapped), atol=3e-3
    )


@pytest.mark.parametrize("ending", ITK_ENDINGS)
def test_transforms_of_itk_keep_the_affine_part(a_transform: Transform, ending: str, tmp_path: Path) -> None:
    write_transform(a_transform, tmp_path / f"t{ending}")
    back = read_transform(tmp_path / f"t{ending}", a_transform.fixed_to_moving.grid, a_transform.moving_to_fixed.grid)
    np.testing.assert_allclose(back.affine_lps, AFFINE, atol=1e-9)
    far = LANDMARKS + 300
    np.testing.assert_allclose(back.apply_to_points(far), a_transform.apply_to_points(far), atol=1e-4)


@pytest.mark.parametrize("ending", ITK_ENDINGS)
def test_a_linear_map_stays_one(ending: str, tmp_path: Path) -> None:
    transform = an_affine_transform("oblique", "left-handed")
    write_transform(transform, tmp_path / f"t{ending}")
    assert sitk.ReadTransform(str(tmp_path / f"t{ending}")).IsLinear()
    back = read_transform(tmp_path / f"t{ending}", fixed_grid("oblique"), moving_grid("left-handed"))
    assert back.kind == "affine"
    np.testing.assert_allclose(back.affine_lps, AFFINE, atol=1e-9)


@pytest.mark.parametrize("ending", EVERY_ENDING)
def test_simpleitk_maps_points_with_the_file_as_it_is(a_transform: Transform, ending: str, tmp_path: Path) -> None:
    write_transform(a_transform, tmp_path / f"t{ending}")
    itk = read_by_simpleitk(tmp_path / f"t{ending}")
    points = points_in(a_transform.fixed_to_moving.grid)
    expected = np.array([itk.TransformPoint(point) for point in points.tolist()])
    # A NIfTI header keeps the grid in single precision.
    np.testing.assert_allclose(a_transform.apply_to_points(points), expected, atol=1e-4)


def test_transforms_of_other_programs_are_read_on_our_grids(tmp_path: Path) -> None:
    """A rigid map about a centre, a similarity within a composite, a B-spline: as SimpleITK writes them."""
    rigid = sitk.Euler3DTransform(tuple(LANDMARKS[0]), 0.2, -0.1, 0.3, (4.0, -3.0, 2.0))
    grown = sitk.Similarity3DTransform(1.1, (0, 0, 1), 0.2, (1.0, 2.0, 3.0), tuple(LANDMARKS[1]))
    reference = sitk.Image([8, 8, 8], sitk.sitkUInt8)
    reference.SetOrigin((LANDMARKS.mean(axis=0) - 40).tolist())
    reference.SetSpacing([12.0] * 3)
    spline = sitk.BSplineTransformInitializer(reference, [3, 3, 3])
    wiggle = np.random.default_rng(4).normal(0, 1.5, len(spline.GetParameters()))
    spline.SetParameters(wiggle.tolist())
    for itk in (rigid, sitk.CompositeTransform([grown, rigid]), spline, sitk.CompositeTransform([rigid, spline])):
        sitk.WriteTransform(itk, str(tmp_path / "other.tfm"))
        transform = read_transform(tmp_path / "other.tfm", fixed_grid("oblique"), moving_grid("flipped"))
        expected = np.array([itk.TransformPoint(point) for point in LANDMARKS.tolist()])
        np.testing.assert_allclose(transform.apply_to_points(LANDMARKS), expected, atol=0.15)


def test_a_field_of_another_type_and_grid_keeps_its_grid(tmp_path: Path) -> None:
    field = wavy_field(HOSTILE_GRIDS["sagittal"])
    image = sitk.GetImageFromArray(field.vectors_kji.astype(np.float64), isVector=True)
    image.SetSpacing(field.grid.spacing_mm)
    image.SetOrigin(field.grid.origin_lps_mm)
    image.SetDirection(field.grid.direction)
    sitk.WriteImage(image, str(tmp_path / "double.nii.gz"))
    back = read_transform(tmp_path / "double.nii.gz", fixed_grid("oblique"), moving_grid("oblique"))
    assert back.fixed_to_moving.grid.same_space(field.grid)
    np.testing.assert_array_equal(back.fixed_to_moving.vectors_kji, field.vectors_kji)


@pytest.mark.parametrize("ending", [e for e in EVERY_ENDING if e not in (".h5", ".hdf5")])
def test_written_twice_the_bytes_are_the_same(ending: str, tmp_path: Path) -> None:
    """HDF5 cannot: it writes down the time."""
    contents = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        write_transform(a_wavy_transform("oblique", "flipped"), folder / f"t{ending}")
        contents.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert contents[0] == contents[1]


# --- what the files say about themselves ---


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_a_nifti_field_is_a_vector_image_of_lps_components(ending: str, tmp_path: Path) -> None:
    """Read byte by byte: the intent is 1007 and the values are ours, which is how ITK and ANTs take them."""
    field = a_wavy_transform("sagittal", "oblique").fixed_to_moving
    write_field(field, tmp_path / f"t{ending}")
    data = (tmp_path / f"t{ending}").read_bytes()
    data = gzip.decompress(data) if ending == ".nii.gz" else data
    dimensions, intent = struct.unpack_from("<8h", data, 40), struct.unpack_from("<h", data, 68)[0]
    assert dimensions[:6] == (5, *field.grid.size_xyz, 1, 3)
    assert intent == 1007
    values = np.frombuffer(data, "<f4", offset=352).reshape(3, *field.grid.shape_kji)
    np.testing.assert_array_equal(np.moveaxis(values, 0, -1), field.vectors_kji)
    rows = np.array(struct.unpack_from("<12f", data, 280)).reshape(3, 4)
    ras_from_lps = np.diag([-1, -1, 1])
    np.testing.assert_allclose(rows, ras_from_lps @ field.grid.index_to_lps_matrix[:3], atol=1e-4)


@pytest.mark.parametrize("ending", [".nrrd", ".nhdr"])
def test_a_nrrd_field_says_that_it_is_a_resampling_displacement_field(ending: str, tmp_path: Path) -> None:
    write_field(a_wavy_transform("sagittal", "oblique").fixed_to_moving, tmp_path / f"t{ending}")
    header = (tmp_path / f"t{ending}").read_bytes().split(b"\n\n")[0].decode().splitlines()
    assert "space: left-posterior-superior" in header
    assert "kinds: vector domain domain domain" in header
    assert "displacement field type:=resampling" in header
    assert "intent_code:=1006" in header


# --- the affine part of a field ---


@pytest.mark.parametrize("kind", HOSTILE_GRIDS)
def test_the_affine_part_of_an_affine_field_is_its_map(kind: str) -> None:
    for grid in (HOSTILE_GRIDS[kind], fixed_grid(kind)):
        detected = fit_affine(affine_transform("affine", AFFINE, grid, grid).fixed_to_moving)
        np.testing.assert_allclose(detected, AFFINE, atol=2e-4)


def test_no_affine_map_is_nearer_to_a_field_than_the_one_found() -> None:
    field = wavy_field(HOSTILE_GRIDS["oblique"], amplitude_mm=4)
    points = field.grid.voxel_centres_lps_mm()
    detected = fit_affine(field)

    def distance(matrix: np.ndarray) -> float:
        return float(((apply_affine(matrix, points) - points - field.vectors_kji) ** 2).sum())

    for row, column in np.ndindex(3, 4):
        for change in (-1e-3, 1e-3):
            second_copy = detected.copy()
            second_copy[row, column] += change
            assert distance(second_copy) > distance(detected)


def test_across_a_single_slice_the_affine_part_is_the_identity(tmp_path: Path) -> None:
    grid = Grid((5, 4, 1), (1, 2, 3), (10, 20, 30), HOSTILE_GRIDS["oblique"].direction)
    vectors = np.broadcast_to(np.float32([5, -4, 3]), (1, 4, 5, 3)).copy()
    write_field(DisplacementField(vectors, grid), tmp_path / "slice.nrrd")
    back = read_transform(tmp_path / "slice.nrrd", grid, HOSTILE_GRIDS["oblique"])
    np.testing.assert_allclose(back.affine_lps[:3, :3], np.eye(3), atol=1e-6)
    np.testing.assert_allclose(back.inverse.apply_to_points([12.0, 22.0, 32.0]), [7, 26, 29], atol=1e-4)


# --- errors on reading ---


def image_file(path: Path, array: np.ndarray, is_vector: bool = False) -> Path:
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector=is_vector), str(path))
    return path


@pytest.mark.parametrize("ending", EVERY_ENDING)
def test_a_file_that_is_not_there_is_told(ending: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no file"):
        read_transform(tmp_path / f"none{ending}", fixed_grid("oblique"), moving_grid("oblique"))


@pytest.mark.parametrize("ending", [*EVERY_ENDING, ".mat", ""])
def test_a_file_of_rubbish_is_told(ending: str, tmp_path: Path) -> None:
    (tmp_path / f"rubbish{ending}").write_text("This is a shopping list.\nMilk: 1\n")
    with pytest.raises(InputError, match="cannot be read"):
        read_transform(tmp_path / f"rubbish{ending}", fixed_grid("oblique"), moving_grid("oblique"))


def test_an_image_of_one_value_per_voxel_is_no_field(tmp_path: Path) -> None:
    path = image_file(tmp_path / "scalar.nrrd", np.zeros((2, 3, 4), np.float32))
    with pytest.raises(InputError, match="not a displacement field: it is 3-D with 1 value"):
        read_transform(path, fixed_grid("oblique"), moving_grid("oblique"))
    with pytest.raises(InputError, match="not a displacement field"):
        read_field(path)


def test_a_flat_image_of_vectors_is_no_field(tmp_path: Path) -> None:
    path = image_file(tmp_path / "flat.nrrd", np.zeros((3, 4, 2), np.float32), is_vector=True)
    with pytest.raises(InputError, match="not a displacement field: it is 2-D with 2 value"):
        read_field(path)


def test_a_field_with_a_hole_of_nan_is_refused(tmp_path: Path) -> None:
    array = np.zeros((2, 3, 4, 3), np.float32)
    array[1, 2, 3, 0] = np.nan
    with pytest.raises(InputError, match="NaN"):
        read_field(image_file(tmp_path / "nan.nrrd", array, is_vector=True))


def test_a_field_that_sends_everything_to_one_point_is_refused(tmp_path: Path) -> None:
    grid = HOSTILE_GRIDS["oblique"]
    write_field(DisplacementField((-grid.voxel_centres_lps_mm()).astype(np.float32), grid), tmp_path / "hole.nrrd")
    with pytest.raises(InputError, match="invertible"):
        read_transform(tmp_path / "hole.nrrd", grid, grid)


def test_a_singular_affine_map_is_refused(tmp_path: Path) -> None:
    text = "#Insight Transform File V1.0\n#Transform 0\nTransform: AffineTransform_double_3_3\n"
    (tmp_path / "flat.tfm").write_text(text + "Parameters: 1 0 0 0 1 0 0 0 0 0 0 0\nFixedParameters: 0 0 0\n")
    with pytest.raises(InputError):
        read_transform(tmp_path / "flat.tfm", fixed_grid("oblique"), moving_grid("oblique"))


def test_a_map_of_flat_points_is_refused(tmp_path: Path) -> None:
    sitk.WriteTransform(sitk.Euler2DTransform(), str(tmp_path / "flat.tfm"))
    with pytest.raises(InputError, match="maps 2-D points, but 3-D is needed"):
        read_transform(tmp_path / "flat.tfm", fixed_grid("oblique"), moving_grid("oblique"))


@pytest.mark.parametrize("ending", [".nrrd", ".nii", ".nii.gz", ".mha", ".h5", ".tfm"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_told(ending: str, share: float, tmp_path: Path) -> None:
    path = tmp_path / f"t{ending}"
    write_transform(a_wavy_transform("oblique", "flipped"), path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError):
        read_transform(path, fixed_grid("oblique"), moving_grid("flipped"))


# --- errors on writing ---


@pytest.mark.parametrize("name", ["t.nrrdd", "t.json", "t", "t.nii.bz2", "nrrd"])
def test_an_ending_that_no_transform_has_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"Use one of \.nrrd"):
        write_transform(an_affine_transform("oblique", "flipped"), tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["t.H5", "t.TFM", "t.NII.GZ", "t.MHA"])
def test_capitals_with_which_itk_writes_no_file_are_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=f"use a lower-case extension, '{name[1:].lower()}'"):
        write_transform(an_affine_transform("oblique", "flipped"), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_field_is_not_written_as_a_transform_of_itk(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="Use one of"):
        write_field(a_wavy_transform("oblique", "flipped").fixed_to_moving, tmp_path / "t.h5")


@pytest.mark.parametrize("ending", EVERY_ENDING)
def test_a_folder_that_is_not_there_is_told(ending: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="the folder .* does not exist"):
        write_transform(an_affine_transform("oblique", "flipped"), tmp_path / "none" / f"t{ending}")


@pytest.mark.parametrize("ending", EVERY_ENDING)
def test_a_folder_in_place_of_the_file_is_told_and_left_alone(ending: str, tmp_path: Path) -> None:
    (tmp_path / f"t{ending}").mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        write_transform(an_affine_transform("oblique", "flipped"), tmp_path / f"t{ending}")
    assert (tmp_path / f"t{ending}").is_dir()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("ending", EVERY_ENDING)
def test_a_file_that_may_not_be_changed_is_left_as_it_is(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"t{ending}"
    path.write_text("precious")
    path.chmod(0o444)
    with pytest.raises(OutputError, match="cannot be written"):
        write_transform(an_affine_transform("oblique", "flipped"), path)
    assert path.read_text() == "precious"


WRITE_TO_A_FULL_DISK = """
import json, resource, signal, sys
from pathlib import Path
from Tell2RegLib.errors import OutputError
from Tell2RegLib.space.transform import Transform
from Tell2RegLib.space.transform_files import write_transform
from Testing.Python.maps import AFFINE, fixed_grid, wavy_field
field = wavy_field(fixed_grid("oblique"))
transform = Transform("svf", field, field, AFFINE)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
told = {}
for room in (300, 50_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, -1))
    for ending in sys.argv[2:]:
        try:
            write_transform(transform, Path(sys.argv[1]) / f"t{ending}")
            told[f"{ending} with {room} bytes"] = "written"
        except OutputError as error:
            told[f"{ending} with {room} bytes"] = str(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
print(json.dumps(told))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of file sizes to try this with")
def test_a_full_disk_is_told_and_nothing_half_written_is_left(tmp_path: Path) -> None:
    """No file may grow beyond a few bytes in another process, which is what a full disk looks like to ITK."""
    done = subprocess.run(
        [sys.executable, "-c", WRITE_TO_A_FULL_DISK, str(tmp_path), *EVERY_ENDING],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    reports = json.loads(done.stdout.splitlines()[-1])
    assert len(reports) == 2 * len(EVERY_ENDING)
    for which, message in reports.items():
        assert "cannot be written" in message, f"{which}: {message}"
    assert not list(tmp_path.iterdir())
