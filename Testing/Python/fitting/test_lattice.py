"""Control lattices: splines, their refinement, flows, compression, and fields that would fold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from Tell2RegLib.fitting.lattice import Lattice, box_lattice, compression_loss, evaluate, exponential, refine
from Testing.Python.fitting.drawn_pairs import FIXED_GRID
from Testing.Python.maps import strict_min_jacobian


def a_lattice() -> Lattice:
    return box_lattice(np.zeros(3), np.array([20.0, 24.0, 16.0]), 4.0, 1, 8.0)


def test_refined_splines_are_the_same_function() -> None:
    lattice = a_lattice()
    nodes = torch.zeros((3, *lattice.shape_kji))
    nodes[:, 2:-2, 2:-2, 2:-2] = torch.randn((3, *(n - 4 for n in lattice.shape_kji)), generator=torch.manual_seed(1))
    finer = lattice.finer()
    axes = [np.linspace(0, extent, 9) for extent in (20.0, 24.0, 16.0)]
    coarse = evaluate(nodes, tuple(lattice.basis(axes[a], a) for a in (2, 1, 0)))  # type: ignore[arg-type]
    fine = evaluate(refine(nodes), tuple(finer.basis(axes[a], a) for a in (2, 1, 0)))  # type: ignore[arg-type]
    torch.testing.assert_close(fine, coarse, atol=1e-5, rtol=0)


def test_spline_weights_add_up_to_one_inside() -> None:
    lattice = a_lattice()
    torch.testing.assert_close(lattice.basis(np.linspace(0, 20, 7), 0).sum(dim=1), torch.ones(7))


def smooth_velocity(lattice: Lattice, size_mm: float) -> torch.Tensor:
    noise = torch.randn((3, *lattice.shape_kji), generator=torch.manual_seed(2)) * lattice.free()
    for axis in (1, 2, 3):
        for _ in range(3):
            noise = (noise.roll(1, axis) + 2 * noise + noise.roll(-1, axis)) / 4
    return noise * (size_mm / noise.norm(dim=0).max())


@pytest.mark.parametrize("size_mm", [0.5, 4.0, 9.0])
def test_the_exponential_of_minus_v_undoes_that_of_v(size_mm: float) -> None:
    from Tell2RegLib.space.interpolation import sample

    lattice = a_lattice().finer()
    velocity = smooth_velocity(lattice, size_mm)
    forward, backward = (exponential(sign * velocity, lattice.spacing_mm) for sign in (1, -1))
    axes = [torch.linspace(-1, 1, n) for n in lattice.shape_kji]
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    half = torch.tensor([(n - 1) * lattice.spacing_mm / 2 for n in lattice.size_xyz])
    mapped_points = torch.stack([x, y, z], dim=-1).reshape(-1, 3) + forward.reshape(3, -1).T / half
    returned = forward.reshape(3, -1) + sample(backward, mapped_points)
    assert returned.norm(dim=0).mean() < 0.05 * size_mm


def test_crushing_is_felt_only_where_cells_lose_their_volume() -> None:
    lattice = a_lattice()
    x = torch.linspace(0, 1, lattice.size_xyz[0]) * (lattice.size_xyz[0] - 1) * lattice.spacing_mm
    u = lattice.zeros()
    u[0] = -0.5 * x
    assert compression_loss(u, lattice.spacing_mm, 0.3) == 0
    u[0] = -0.9 * x
    assert compression_loss(u, lattice.spacing_mm, 0.3).item() == pytest.approx(2 * 0.2**2, rel=1e-3)


def test_a_field_that_would_fold_is_mended_and_checked() -> None:
    from Tell2RegLib.fitting.deformable import Deformation
    from Tell2RegLib.fitting.unfold import influenced_box, lps_displacements, remove_folding

    lattice = box_lattice(np.zeros(3), np.array([60.0, 50.0, 50.0]), 4.0, 1, 8.0)
    wild = smooth_velocity(lattice, 40.0)
    grid = replace(FIXED_GRID, origin_lps_mm=(0.0, 0.0, 0.0))
    whole = slice(0, grid.shape_kji[0]), slice(0, grid.shape_kji[1]), slice(0, grid.shape_kji[2])
    alone = lps_displacements(lattice, wild, grid, whole)
    assert strict_min_jacobian(alone, grid) < 0
    left_out = np.ones(grid.shape_kji, dtype=bool)
    left_out[influenced_box(lattice, grid)] = False
    assert not alone[left_out].any()
    mended, field = remove_folding(Deformation(lattice, wild, ()), np.eye(4), grid)
    assert strict_min_jacobian(field.vectors_kji, grid) > 0
    assert mended.forward.norm(dim=0).max() > 1.0
