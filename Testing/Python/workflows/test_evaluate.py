"""Measuring a transform against points and labels: who belongs to whom, and the numbers themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from Tell2RegLib.errors import InputError
from Tell2RegLib.region_sources.label_map import write_segmentation
from Tell2RegLib.space.displacement_field import DisplacementField
from Tell2RegLib.space.grid import Grid, apply_affine
from Tell2RegLib.space.point_files import write_points
from Tell2RegLib.space.region import Region
from Tell2RegLib.space.transform import Transform, affine_transform
from Tell2RegLib.space.volume import Volume, write_volume
from Tell2RegLib.workflows.evaluate import evaluate
from Testing.Python.maps import (
    AFFINE,
    LANDMARKS,
    SIX_PAIRS,
    a_wavy_transform,
    an_affine_transform,
    fixed_grid,
    moving_grid,
)

NAMES = ("L base", "R apex", "core", "bladder neck")
ON_MOVING = apply_affine(AFFINE, LANDMARKS)
OFF_BY = np.array([[3.0, 4.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0], [-2.0, 0.0, 0.0]])
"""5, 1, 0 and 2 mm."""


@pytest.fixture(params=SIX_PAIRS, ids=[f"{fixed} to {moving}" for fixed, moving in SIX_PAIRS])
def a_pair_of_grids(request: pytest.FixtureRequest) -> tuple[str, str]:
    return request.param


@pytest.fixture
def a_transform() -> Transform:
    return an_affine_transform("oblique", "left-handed")


def points_file(path: Path, names: tuple[str, ...], points: np.ndarray) -> Path:
    write_points(path, names, points)
    return path


# --- points ---


def test_the_error_of_a_point_is_its_distance_in_fixed_space(a_pair_of_grids: tuple[str, str], tmp_path: Path) -> None:
    report = evaluate(
        an_affine_transform(*a_pair_of_grids),
        fixed_points=points_file(tmp_path / "f.csv", NAMES, LANDMARKS + OFF_BY),
        moving_points=points_file(tmp_path / "m.mrk.json", NAMES, ON_MOVING),
    )
    rows = report["points"]
    assert [row["name"] for row in rows] == list(NAMES)
    np.testing.assert_allclose([row["error_mm_after"] for row in rows], [5, 1, 0, 2], atol=1e-3)
    before = np.linalg.norm(ON_MOVING - LANDMARKS - OFF_BY, axis=1)
    np.testing.assert_allclose([row["error_mm_before"] for row in rows], before, atol=1e-6)
    np.testing.assert_allclose([row["fixed_lps_mm"] for row in rows], LANDMARKS, atol=1e-3)


def test_points_with_the_same_names_are_paired_by_name(a_transform: Transform, tmp_path: Path) -> None:
    order = [2, 0, 3, 1]
    report = evaluate(
        a_transform,
        fixed_points=points_file(tmp_path / "f.csv", tuple(NAMES[n] for n in order), LANDMARKS[order]),
        moving_points=points_file(tmp_path / "m.csv", NAMES, ON_MOVING),
    )
    np.testing.assert_allclose([row["error_mm_after"] for row in report["points"]], 0, atol=1e-3)


def test_names_that_differ_in_case_and_separators_are_the_same(a_transform: Transform, tmp_path: Path) -> None:
    order = [3, 1, 0, 2]
    report = evaluate(
        a_transform,
        fixed_points=points_file(tmp_path / "f.csv", ("BLADDER_NECK", "r apex", "l-base", "Core"), LANDMARKS[order]),
        moving_points=points_file(tmp_path / "m.csv", NAMES, ON_MOVING),
    )
    np.testing.assert_allclose([row["error_mm_after"] for row in report["points"]], 0, atol=1e-3)
    assert report["remarks"] == []


@pytest.mark.parametrize("names", [("L base", "R apex", "core", "other"), ("Core", "1", "2", "3")])
def test_points_of_which_some_names_are_in_both_lists_do_not_belong_together(
    names: tuple[str, ...], a_transform: Transform, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=f"in one list only: .*'{names[-1]}'.*'bladder neck'"):
        evaluate(
            a_transform,
            fixed_points=points_file(tmp_path / "f.csv", names, LANDMARKS),
            moving_points=points_file(tmp_path / "m.csv", NAMES, ON_MOVING),
        )


@pytest.mark.parametrize("names", [("1", "2", "3", "4"), ("a", "a", "b", "c"), ("", "", "", "")])
def test_points_with_other_names_are_paired_by_their_order_and_that_is_told(
    names: tuple[str, ...], a_transform: Transform, tmp_path: Path
) -> None:
    report = evaluate(
        a_transform,
        fixed_points=points_file(tmp_path / "f.csv", names, LANDMARKS),
        moving_points=points_file(tmp_path / "m.csv", NAMES, ON_MOVING),
    )
    assert [row["name"] for row in report["points"]] == list(NAMES)
    np.testing.assert_allclose([row["error_mm_after"] for row in report["points"]], 0, atol=1e-3)
    assert "paired by their order" in report["remarks"][0]


def test_names_that_repeat_do_not_pair_all_points_with_the_last_of_them(a_transform: Transform, tmp_path: Path) -> None:
    names = ("core", "core", "base", "apex")
    report = evaluate(
        a_transform,
        fixed_points=points_file(tmp_path / "f.csv", names, LANDMARKS),
        moving_points=points_file(tmp_path / "m.csv", names, ON_MOVING),
    )
    np.testing.assert_allclose([row["error_mm_after"] for row in report["points"]], 0, atol=1e-3)


@pytest.mark.parametrize("names", [("1", "2", "3"), NAMES[:3]])
def test_lists_of_different_lengths_do_not_belong_together(
    names: tuple[str, ...], a_transform: Transform, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="do not belong together: 3 fixed and 4 moving points"):
        evaluate(
            a_transform,
            fixed_points=points_file(tmp_path / "f.csv", names, LANDMARKS[:3]),
            moving_points=points_file(tmp_path / "m.csv", NAMES, ON_MOVING),
        )


def test_a_name_twice_on_the_moving_side_is_no_pairing_by_name(a_transform: Transform, tmp_path: Path) -> None:
    """Three names on each side, but four moving points."""
    with pytest.raises(InputError, match="do not belong together"):
        evaluate(
            a_transform,
            fixed_points=points_file(tmp_path / "f.csv", ("a", "b", "c"), LANDMARKS[:3]),
            moving_points=points_file(tmp_path / "m.csv", ("a", "b", "c", "a"), ON_MOVING),
        )


# --- one of two files ---


@pytest.mark.parametrize("given", ["fixed", "moving"])
@pytest.mark.parametrize(("kind", "what"), [("points", "point lists"), ("labels", "label maps")])
def test_one_of_two_files_is_not_enough(
    given: str, kind: str, what: str, a_transform: Transform, tmp_path: Path
) -> None:
    missing = {"fixed": "moving", "moving": "fixed"}[given]
    with pytest.raises(InputError, match=f"Give {what} of both volumes: the {missing} one is missing"):
        evaluate(a_transform, **{f"{given}_{kind}": tmp_path / "x.csv"})  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["points", "labels"])
def test_files_that_are_not_there_are_told(kind: str, a_transform: Transform, tmp_path: Path) -> None:
    files = {f"{side}_{kind}": tmp_path / f"{side}.csv" for side in ("fixed", "moving")}
    with pytest.raises(InputError, match="There is no file"):
        evaluate(a_transform, **files)  # type: ignore[arg-type]


# --- labels ---


def ball(name: str, grid: Grid, centre: np.ndarray, affine: np.ndarray | None = None, radius_mm: float = 8) -> Region:
    """A ball in fixed space, or (with `affine`) what becomes of it on the moving side."""
    voxels = grid.voxel_centres_lps_mm()
    voxels = voxels if affine is None else apply_affine(np.linalg.inv(affine), voxels)
    return Region.from_mask(name, np.linalg.norm(voxels - centre, axis=-1) < radius_mm, grid)


def test_labels_that_belong_together_lie_on_each_other_after_and_not_before(
    a_pair_of_grids: tuple[str, str], tmp_path: Path
) -> None:
    fixed, moving = fixed_grid(a_pair_of_grids[0]), moving_grid(a_pair_of_grids[1])
    pairs = {"prostate": LANDMARKS[0] * 0.5 + LANDMARKS[1] * 0.5, "lesion": LANDMARKS[3]}
    radii = {"prostate": 10, "lesion": 6}
    write_segmentation(
        [ball(name, fixed, centre, radius_mm=radii[name]) for name, centre in pairs.items()], tmp_path / "f.seg.nrrd"
    )
    write_segmentation(
        [ball(name, moving, centre, AFFINE, radii[name]) for name, centre in reversed(pairs.items())],
        tmp_path / "m.seg.nrrd",
    )
    report = evaluate(
        an_affine_transform(*a_pair_of_grids),
        fixed_labels=tmp_path / "f.seg.nrrd",
        moving_labels=tmp_path / "m.seg.nrrd",
    )
    assert {row["name"] for row in report["labels"]} == set(pairs)
    for row in report["labels"]:
        assert row["dice_after"] > 0.85
        assert row["dice_after"] > row["dice_before"] + 0.2
        assert row["centroid_mm_after"] < 0.7
        assert row["hd95_mm_after"] < 2.6


def test_labels_on_another_lattice_than_the_transforms_are_compared_where_they_lie(tmp_path: Path) -> None:
    """The fixed labels have voxels of their own, finer than the field's."""
    transform = an_affine_transform("oblique", "flipped")
    finer = Grid((40, 40, 40), (1, 1, 1), tuple(LANDMARKS[0] - 19.5))
    write_segmentation([ball("a", finer, LANDMARKS[0])], tmp_path / "f.seg.nrrd")
    write_segmentation([ball("a", moving_grid("flipped"), LANDMARKS[0], AFFINE)], tmp_path / "m.seg.nrrd")
    report = evaluate(transform, fixed_labels=tmp_path / "f.seg.nrrd", moving_labels=tmp_path / "m.seg.nrrd")
    assert report["labels"][0]["dice_after"] > 0.85
    assert report["labels"][0]["centroid_mm_after"] < 0.7


def test_plain_label_maps_are_paired_by_their_numbers(tmp_path: Path) -> None:
    grid = fixed_grid("sagittal")
    for side in ("f", "m"):
        labels = np.zeros(grid.shape_kji, np.uint8)
        labels[2:6, 3:9, 4:10] = 1
        labels[8:12, 3:9, 4:10] = 2
        write_volume(Volume(labels, grid), tmp_path / f"{side}.nii.gz")
    report = evaluate(
        affine_transform("rigid", np.eye(4), grid, grid),
        fixed_labels=tmp_path / "f.nii.gz",
        moving_labels=tmp_path / "m.nii.gz",
    )
    assert [row["name"] for row in report["labels"]] == ["label 1", "label 2"]
    for row in report["labels"]:
        assert row["dice_before"] == row["dice_after"] == 1
        assert row["hd95_mm_after"] == 0


def test_a_label_that_lands_nowhere_has_no_distances(tmp_path: Path) -> None:
    grid = fixed_grid("sagittal")
    far = np.eye(4)
    far[0, 3] = 5000
    for side in ("f", "m"):
        write_segmentation([ball("a", grid, LANDMARKS[0])], tmp_path / f"{side}.seg.nrrd")
    report = evaluate(
        affine_transform("rigid", far, grid, grid),
        fixed_labels=tmp_path / "f.seg.nrrd",
        moving_labels=tmp_path / "m.seg.nrrd",
    )
    row = report["labels"][0]
    assert (row["dice_before"], row["dice_after"]) == (1, 0)
    assert row["centroid_mm_after"] is None
    assert row["hd95_mm_after"] is None


# --- the field itself ---


def test_without_files_the_field_is_still_measured(a_pair_of_grids: tuple[str, str]) -> None:
    report = evaluate(a_wavy_transform(*a_pair_of_grids))
    assert set(report) == {"transform", "remarks"}
    message = report["transform"]
    assert message["kind"] == "svf"
    assert message["inverse_error_mm"]["mean"] <= message["inverse_error_mm"]["max"] < 0.1


def test_an_inverse_that_does_not_belong_to_its_field_shows() -> None:
    transform = an_affine_transform("oblique", "flipped")
    wrong = transform.moving_to_fixed.vectors_kji + np.float32([3, 0, 4])
    message = evaluate(
        Transform("svf", transform.fixed_to_moving, DisplacementField(wrong, transform.moving_to_fixed.grid), AFFINE)
    )["transform"]
    assert 4 < message["inverse_error_mm"]["mean"] < 6
