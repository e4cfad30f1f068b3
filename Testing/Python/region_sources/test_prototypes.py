"""A prototype is the mean of the features inside the mask, with the padding left out, and never NaN."""

from __future__ import annotations

import numpy as np
import pytest

from Tell2RegLib.errors import InputError
from Tell2RegLib.models.protocol import Embeddings
from Tell2RegLib.region_sources.prototypes import mask_prototype, mean_prototype


def embeddings(
    features: np.ndarray, slice_hw: tuple[int, int], covered_hw: tuple[float, float] | None = None
) -> Embeddings:
    return Embeddings(features, covered_hw or features.shape[2:], slice_hw, "by hand")  # type: ignore[arg-type]


def test_the_mean_by_hand() -> None:
    """4 x 4 pixels on 2 x 2 cells: the mask has all of cell 1, half of cell 2, a quarter of cell 4."""
    features = np.array([[[1.0, 2.0], [3.0, 4.0]], [[10.0, 0.0], [0.0, -10.0]]])[None]
    mask = np.array([[1, 1, 1, 0], [1, 1, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]], dtype=bool)
    expected = [(1 + 2 / 2 + 4 / 4) / 1.75, (10 - 10 / 4) / 1.75]
    np.testing.assert_allclose(mask_prototype(mask, embeddings(features, (4, 4)), 0), expected, rtol=1e-6)


def test_the_padding_has_no_share() -> None:
    """A slice of 4 x 8 pixels on the upper half of 4 x 4 cells; what lies below is padding and wild."""
    features = np.full((1, 1, 4, 4), 1e6)
    features[0, 0, :2] = [[1, 2, 3, 4], [5, 6, 7, 8]]
    everything = np.ones((4, 8), dtype=bool)
    detected = mask_prototype(everything, embeddings(features, (4, 8), (2.0, 4.0)), 0)
    assert detected == pytest.approx([4.5])
    right_bottom = np.zeros((4, 8), dtype=bool)
    right_bottom[2:, 6:] = True
    assert mask_prototype(right_bottom, embeddings(features, (4, 8), (2.0, 4.0)), 0) == pytest.approx([8.0])


def test_a_slice_may_end_inside_a_cell() -> None:
    """3 pixels a row on 1.5 cells: the last pixel is half of cell 1, pixel 0 and 1 are cell 0."""
    features = np.array([[[[2.0, 8.0]]]])
    whole = np.ones((2, 3), dtype=bool)
    assert mask_prototype(whole, embeddings(features, (2, 3), (1.0, 1.5)), 0) == pytest.approx([(2 + 0.5 * 8) / 1.5])


def test_the_mean_is_that_of_every_pixels_own_features() -> None:
    """Another way to the same: blow the features up to pixels."""
    rng = np.random.default_rng(3)
    features = rng.normal(size=(2, 5, 6, 4)).astype(np.float16)
    mask = rng.random((18, 20)) < 0.3
    pixels = np.repeat(np.repeat(features[1].astype(np.float64), 3, axis=1), 5, axis=2)
    np.testing.assert_allclose(
        mask_prototype(mask, embeddings(features, (18, 20)), 1), pixels[:, mask].mean(axis=1), rtol=1e-5
    )


def test_a_mask_of_one_pixel_takes_the_features_where_it_lies() -> None:
    features = np.arange(64 * 64, dtype=np.float32).reshape(1, 1, 64, 64)
    mask = np.zeros((1000, 1000), dtype=bool)
    mask[500, 300] = True
    row, column = int(500.5 * 0.064), int(300.5 * 0.064)
    assert mask_prototype(mask, embeddings(features, (1000, 1000)), 0) == pytest.approx([row * 64 + column])


def test_a_mask_that_vanishes_takes_the_features_at_its_centroid() -> None:
    """A pixel in 4 million cells' worth of nothing: its share is below any sum that can be divided by."""
    features = np.arange(4, dtype=np.float32).reshape(1, 1, 2, 2)
    mask = np.zeros((4000, 4000), dtype=bool)
    mask[3000, 100] = True
    assert mask_prototype(mask, embeddings(features, (4000, 4000)), 0) == pytest.approx([2.0])


def test_what_cannot_have_a_prototype_is_told() -> None:
    features = np.ones((1, 3, 2, 2), dtype=np.float32)
    with pytest.raises(InputError, match="An empty mask"):
        mask_prototype(np.zeros((4, 4), dtype=bool), embeddings(features, (4, 4)), 0)
    with pytest.raises(InputError, match=r"shape \(5, 4\) does not match slices of shape \(4, 4\)"):
        mask_prototype(np.ones((5, 4), dtype=bool), embeddings(features, (4, 4)), 0)
    with pytest.raises(InputError, match="'by hand' contain values that are not finite"):
        mask_prototype(np.ones((4, 4), dtype=bool), embeddings(features * np.nan, (4, 4)), 0)


def test_prototypes_are_averaged_by_area() -> None:
    np.testing.assert_allclose(mean_prototype([np.array([1.0, 0.0]), np.array([0.0, 4.0])], [3, 1]), [0.75, 1.0])
