"""Trilinear interpolation with torch; the only module that calls grid_sample.

Torch's CPU kernel processes one batch element per thread, so points are split into as many batch elements as there are
threads. Imports torch: import this module inside functions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.nn import functional

from Tell2RegLib.space.displacement_field import DisplacementField
from Tell2RegLib.space.jacobian import to_planar


def cube_matrix(size_xyz: tuple[int, int, int]) -> np.ndarray:
    """4 x 4 from voxel indices (i, j, k) to grid_sample's cube (align_corners=True)."""
    steps = np.maximum(np.asarray(size_xyz, dtype=np.float64) - 1, 1)
    matrix = np.eye(4)
    matrix[[0, 1, 2], [0, 1, 2]] = 2.0 / steps
    matrix[:3, 3] = -1.0
    return matrix


def sample(image: Tensor, cube_xyz: Tensor, padding: str = "border") -> Tensor:
    """Trilinear values of an image at points.

    Args:
        image: (C, K, J, I).
        cube_xyz: (P, 3), cube coordinates of the image.
        padding: "border" repeats the edge, "zeros" fades to zero over one voxel.

    Returns:
        (C, P).
    """
    if image.is_cuda and image.requires_grad and padding == "border":
        return RepeatableSample.apply(image, cube_xyz)
    points = cube_xyz.shape[0]
    batch_size = torch.get_num_threads() if image.device.type == "cpu" and points > 4096 else 1
    missing = -points % batch_size
    padded = functional.pad(cube_xyz, (0, 0, 0, missing)) if missing else cube_xyz
    blocks = padded.reshape(batch_size, 1, 1, -1, 3)
    values = functional.grid_sample(
        image.expand(batch_size, -1, -1, -1, -1), blocks, mode="bilinear", padding_mode=padding, align_corners=True
    )
    return values.reshape(batch_size, image.shape[0], -1).transpose(0, 1).reshape(image.shape[0], -1)[:, :points]


class RepeatableSample(torch.autograd.Function):
    """`sample` with border padding and a reproducible gradient, also on CUDA.

    Torch's CUDA kernel accumulates the image's gradient in varying order; index_add_, used here, is ordered in torch's
    deterministic mode.
    """

    @staticmethod
    def forward(ctx: Any, image: Tensor, cube_xyz: Tensor) -> Tensor:  # type: ignore[override]
        """Values (C, P); arguments as for `sample`."""
        ctx.save_for_backward(image, cube_xyz)
        values = functional.grid_sample(
            image[None], cube_xyz[None, None, None], mode="bilinear", padding_mode="border", align_corners=True
        )
        return values.reshape(image.shape[0], -1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """Gradients of the image and of the points."""
        image, cube_xyz = ctx.saved_tensors
        shaped = gradient.reshape(1, image.shape[0], 1, 1, -1).contiguous()
        # Modes: 0 is bilinear, 1 is border; the kernel computes the gradient of the points only.
        _, to_points = torch.ops.aten.grid_sampler_3d_backward(
            shaped, image[None], cube_xyz[None, None, None], 0, 1, True, [False, True]
        )
        return _image_gradient(gradient, image, cube_xyz), to_points.reshape(cube_xyz.shape)


def _image_gradient(gradient: Tensor, image: Tensor, cube_xyz: Tensor) -> Tensor:
    """What each voxel gets of the gradient (C, P): the eight corners around each point, by trilinear weight.

    One sum over all corners: torch sorts the indices to keep its order, and one long sort is cheaper than eight.
    """
    channels, *shape_kji = image.shape
    corners, shares = [], []
    for axis, size in enumerate(reversed(shape_kji)):
        position = ((cube_xyz[:, axis] + 1) / 2 * (size - 1)).clamp(min=0, max=size - 1)
        low = position.floor().clamp(max=max(size - 2, 0))
        corners.append(torch.stack([low, (low + 1).clamp(max=size - 1)]).long())
        shares.append(torch.stack([low + 1 - position, position - low]))
    (i, j, k), (x, y, z) = corners, shares
    index = (k[:, None, None] * shape_kji[1] + j[:, None]) * shape_kji[2] + i
    weight = (z[:, None, None] * y[:, None] * x).reshape(1, 8, -1)
    flat = image.new_zeros((channels, image[0].numel()))
    flat.index_add_(1, index.reshape(-1), (gradient[:, None] * weight).reshape(channels, -1))
    return flat.reshape(image.shape)


class FieldSampler:
    """Displacements of a field at LPS points (P, 3), extrapolated beyond its grid as by `Transform`.

    Args:
        field: the field.
        affine_lps: 4 x 4, its affine part: beyond the grid, the affine displacement plus the residual of the
            nearest point of the grid.
        device: where the field is kept and the points are.
    """

    def __init__(self, field: DisplacementField, affine_lps: ArrayLike, device: str = "cpu") -> None:
        self.device = device
        shift = np.asarray(affine_lps, dtype=np.float64) - np.eye(4)
        to_cube = cube_matrix(field.grid.size_xyz) @ field.grid.lps_to_index_matrix
        self._image = torch.from_numpy(to_planar(field.vectors_kji)).to(device)
        self._to_cube = _rows(to_cube).to(device)
        self._from_cube = _rows(np.linalg.inv(to_cube)).to(device)
        self._shift = _rows(shift).to(device)

    def __call__(self, points: Tensor) -> Tensor:
        cube = points @ self._to_cube[:3] + self._to_cube[3]
        inside = cube.clamp(-1.0, 1.0)
        values = sample(self._image, inside).T
        outside = torch.nonzero((cube != inside).any(dim=1)).squeeze(1)
        if outside.numel():
            overshoot = (cube[outside] - inside[outside]) @ self._from_cube[:3]
            values[outside] = values[outside] + overshoot @ self._shift[:3]
        return values


def _rows(matrix_4x4: np.ndarray) -> Tensor:
    """(4, 3) for row vectors: p @ rows[:3] + rows[3]."""
    return torch.from_numpy(matrix_4x4[:3].T.astype(np.float32))
