"""The files of a case: what the fit may use, and the truth apart from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from Tell2RegLib.cases.contents import Landmarks, read_contents
from Tell2RegLib.cases.table import Case
from Tell2RegLib.errors import InputError
from Tell2RegLib.matching.points_by_name import BY_ORDER
from Tell2RegLib.space.point_files import write_points
from Testing.Python.small import ORGANS, write_small_pair


def a_case(folder: Path, **files: Path) -> Case:
    write_small_pair(folder)
    return Case("a", ("p",), folder / "fixed.nrrd", folder / "moving.nrrd", **files)  # type: ignore[arg-type]


def test_landmarks_correspond_by_name_whatever_their_order_in_the_files(tmp_path: Path) -> None:
    write_points(tmp_path / "fixed.csv", ["tip", "base", "side"], np.arange(9.0).reshape(3, 3))
    write_points(tmp_path / "moving.csv", ["Side", "tip", "base"], 100 + np.arange(9.0).reshape(3, 3))
    case = a_case(tmp_path, fixed_points=tmp_path / "fixed.csv", moving_points=tmp_path / "moving.csv")
    truth = read_contents(case).truth
    assert truth.landmarks.names == ("Side", "tip", "base")
    assert truth.landmarks.fixed_lps_mm.tolist() == [[6, 7, 8], [0, 1, 2], [3, 4, 5]]
    assert truth.landmarks.moving_lps_mm.tolist() == [[100, 101, 102], [103, 104, 105], [106, 107, 108]]
    assert truth.remarks == ()


def test_landmarks_without_common_names_correspond_by_order_and_a_remark_says_so(tmp_path: Path) -> None:
    write_points(tmp_path / "fixed.csv", ["a", "b"], np.arange(6.0).reshape(2, 3))
    write_points(tmp_path / "moving.csv", ["x", "y"], np.arange(6.0).reshape(2, 3) + 1)
    case = a_case(tmp_path, fixed_points=tmp_path / "fixed.csv", moving_points=tmp_path / "moving.csv")
    truth = read_contents(case).truth
    assert (truth.landmarks.moving_lps_mm - truth.landmarks.fixed_lps_mm == 1).all()
    assert truth.remarks == (BY_ORDER,)


def test_true_regions_stay_apart_from_those_that_the_fit_may_use(tmp_path: Path) -> None:
    files = {
        f"{side}{kind}regions": tmp_path / f"{side}.seg.nrrd"
        for side in ("fixed", "moving")
        for kind in ("_", "_true_")
    }
    contents = read_contents(a_case(tmp_path, **files))
    assert [region.name for region in contents.fixed_regions] == list(ORGANS)
    assert [pair.name for pair in contents.truth.regions] == list(ORGANS)
    assert contents.truth.regions[0].moving is not contents.moving_regions[0]


def test_a_case_without_regions_and_truth_has_none(tmp_path: Path) -> None:
    contents = read_contents(a_case(tmp_path))
    assert contents.fixed_regions == contents.moving_regions == contents.truth.regions == ()
    assert len(contents.truth.landmarks.names) == 0


def test_landmarks_of_unequal_number_are_refused() -> None:
    with pytest.raises(InputError, match="2 landmarks need two lists of that many points"):
        Landmarks(("a", "b"), np.zeros((2, 3)), np.zeros((3, 3)))


def test_a_case_reads_the_regions_that_it_names_alone(tmp_path: Path) -> None:
    files = {f"{side}_regions": tmp_path / f"{side}.seg.nrrd" for side in ("fixed", "moving")}
    contents = read_contents(replace(a_case(tmp_path, **files), region_names=("Prostate",)))
    for regions in (contents.fixed_regions, contents.moving_regions):
        assert [region.name for region in regions] == ["prostate"]
