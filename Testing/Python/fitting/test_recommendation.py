"""The recommended transform is the simplest one that the regions do not reject."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from Tell2RegLib.fitting import FitSettings, fit
from Tell2RegLib.space.grid import Grid, apply_affine
from Tell2RegLib.space.region import Region, RegionPair

FIXED = Grid((56, 52, 48), (1.5, 1.5, 1.5), (-41.0, -38.0, -36.0))
OBLIQUE = Rotation.from_euler("zyx", [0.3, -0.2, 0.1]).as_matrix()
MOVING = Grid((60, 56, 52), (1.4, 1.4, 1.4), tuple(OBLIQUE @ (-41.0, -39.0, -36.0)), tuple(OBLIQUE.ravel()))
ORGANS = (((-20, 8, 0), (9, 7, 8)), ((16, 14, -10), (8, 9, 6)), ((2, -18, 12), (10, 6, 7)), ((0, 6, 16), (7, 8, 6)))
QUICK = {"max_steps": 12, "resolution_mm": 3.0}


def rigid_motion() -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(np.deg2rad([3.0, -4.0, 5.0])).as_matrix()
    matrix[:3, 3] = (1.3, -0.8, 0.6)
    return matrix


def stretch() -> np.ndarray:
    matrix = rigid_motion()
    matrix[:3, :3] = matrix[:3, :3] @ np.diag([1.12, 1.0, 0.9])
    return matrix


def bend(points: np.ndarray) -> np.ndarray:
    return points + np.stack([0 * points[..., 0], 4.0 * np.sin(points[..., 0] / 9), 0 * points[..., 0]], axis=-1)


def pairs_under(moving_to_fixed, organs=ORGANS) -> list[RegionPair]:  # type: ignore[no-untyped-def]
    """Ellipsoids on the fixed grid, and the same ones in moving space on an oblique grid of other voxels."""
    fixed_points = FIXED.voxel_centres_lps_mm()
    mapped_points = moving_to_fixed(MOVING.voxel_centres_lps_mm())
    pairs = []
    for number, (centre, radii) in enumerate(organs):
        masks = [
            np.linalg.norm((points - centre) / np.array(radii), axis=-1) < 1 for points in (fixed_points, mapped_points)
        ]
        regions = [
            Region.from_mask(f"organ {number}", mask, grid) for mask, grid in zip(masks, (FIXED, MOVING), strict=True)
        ]
        pairs.append(RegionPair(*regions))
    return pairs


def under(matrix: np.ndarray) -> list[RegionPair]:
    return pairs_under(lambda points: apply_affine(np.linalg.inv(matrix), points))


def test_regions_that_moved_rigidly_get_the_rigid_transform() -> None:
    result = fit(under(rigid_motion()))
    assert result.transform.kind == result.recommendation.kind == "rigid"
    assert "within voxelisation noise" in result.recommendation.reason
    points = np.array([[0.0, 0.0, 0.0], [20.0, -10.0, 5.0]])
    error = result.transform.apply_to_points(points) - apply_affine(rigid_motion(), points)
    assert np.linalg.norm(error, axis=1).max() < 0.4


def test_regions_that_were_stretched_get_the_affine_transform() -> None:
    result = fit(under(stretch()))
    assert result.transform.kind == result.recommendation.kind == "affine"
    assert "The rigid transform leaves" in result.recommendation.reason


def test_regions_that_bent_get_the_deformable_transform() -> None:
    result = fit(pairs_under(bend), FitSettings(**QUICK))
    assert result.transform.kind == "svf"
    assert result.recommendation.kind == "deformable"
    assert "more than voxelisation explains" in result.recommendation.reason


def test_one_stretched_region_does_not_prove_an_affine_transform() -> None:
    """A single region that an affine map aligns may be bent inside: the affine map is not determined by it."""
    result = fit(under(stretch())[:1], FitSettings(**QUICK))
    assert result.recommendation.kind == "deformable"


@pytest.mark.parametrize("kind", ["rigid", "affine", "ffd"])
def test_the_requested_kind_wins_over_the_recommended_one(kind: str) -> None:
    result = fit(pairs_under(bend), FitSettings(kind=kind, **QUICK))
    assert result.transform.kind == kind
    assert result.recommendation.kind == "deformable"


def test_a_requested_deformation_equals_the_rigid_transform_where_that_is_enough() -> None:
    result = fit(under(rigid_motion()), FitSettings(kind="svf"))
    assert result.transform.kind == "svf"
    assert result.rigid_is_enough
    np.testing.assert_array_equal(result.transform.affine_lps, result.rigid_lps)
