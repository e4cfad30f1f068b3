"""Trilinear sampling: its frame, its edges, and the gradient that repeats itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from Tell2RegLib.space.interpolation import RepeatableSample, cube_matrix, sample


def an_image(channels: int = 2) -> torch.Tensor:
    return torch.randn((channels, 4, 5, 6), generator=torch.manual_seed(0))


def points_in_cube(count: int, reach: float = 1.0) -> torch.Tensor:
    return (torch.rand((count, 3), generator=torch.manual_seed(1)) * 2 - 1) * reach


@pytest.mark.parametrize("count", [1, 7, 5001])
def test_values_are_those_of_scipy_however_many_points(count: int) -> None:
    cube = points_in_cube(count)
    index = (cube.numpy() - cube_matrix((6, 5, 4))[:3, 3]) / np.diag(cube_matrix((6, 5, 4)))[:3]
    expected = [map_coordinates(part, index.T[::-1], order=1) for part in an_image().numpy()]
    np.testing.assert_allclose(sample(an_image(), cube).numpy(), expected, atol=1e-5)


def test_beyond_the_image_border_repeats_and_zeros_fade() -> None:
    outside = torch.tensor([[1.5, 0.0, 0.0]])
    edge = torch.tensor([[1.0, 0.0, 0.0]])
    torch.testing.assert_close(sample(an_image(), outside), sample(an_image(), edge))
    assert sample(an_image(), outside * 2, "zeros").abs().max() == 0


@pytest.mark.parametrize("reach", [0.9, 1.4])
def test_the_repeatable_gradient_is_torchs_own(reach: float) -> None:
    cube = points_in_cube(300, reach)
    weights = torch.randn((2, 300), generator=torch.manual_seed(3))
    gradients = []
    for function in (sample, RepeatableSample.apply):
        image, points = an_image().requires_grad_(), cube.clone().requires_grad_()
        (function(image, points) * weights).sum().backward()
        gradients.append((image.grad, points.grad))
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-5, rtol=1e-5)
