"""The published research code's fit, for comparison: a free dense displacement and 10,000 steps of Adam.

Written anew from what that code does: one 3-D vector per voxel in grid_sample's units, random
start of 1e-5, Adam with a rate of 1e-3, soft Dice over all masks at once, bending energy by repeated central
differences, weight 100, no linear start, no pyramid, no stopping rule.
"""

from __future__ import annotations

import time

import numpy as np

from Tell2RegLib.space.displacement_field import DisplacementField
from Tell2RegLib.space.grid import Grid
from Testing.Bench.cases import Case
from Testing.Bench.outcome import Outcome

STEPS = 10_000
BENDING_WEIGHT = 100.0
FULL_RUN_VOXELS = 60_000
"""Up to this size all steps are run; beyond, only `TIMED_STEPS`, and the time of all is extrapolated."""
TIMED_STEPS = 6


def research_loop(case: Case) -> Outcome:
    """All 10,000 steps on a small case; on a large one a few, timed."""
    if case.voxels <= FULL_RUN_VOXELS:
        return Outcome(_optimise(case, STEPS)[0], remark=f"all {STEPS:,} steps run")
    _, seconds = _optimise(case, TIMED_STEPS + 1)
    each = float(np.median(seconds[1:]))
    remark = f"{TIMED_STEPS} steps timed at {each:.2g} s each and multiplied to {STEPS:,}: not run to the end"
    return Outcome(None, seconds=each * STEPS, remark=remark)


def _optimise(case: Case, steps: int) -> tuple[DisplacementField, list[float]]:
    """The field after so many steps, and the seconds that each took."""
    import torch
    from torch.nn import functional

    torch.manual_seed(0)
    fixed, moving = (_masks(case, side) for side in ("fixed", "moving"))
    identity = functional.affine_grid(torch.eye(3, 4)[None], [1, 1, *case.fixed_grid.shape_kji], align_corners=True)[0]
    grid = (identity + 1e-5 * torch.randn(identity.shape)).requires_grad_()
    adam = torch.optim.Adam([grid], lr=1e-3)
    seconds = []
    for _ in range(steps):
        started = time.perf_counter()
        adam.zero_grad()
        warped = functional.grid_sample(moving[None], grid[None], align_corners=True)[0]
        overlap = 2 * (warped * fixed).sum() / (warped.sum() + fixed.sum() + 1e-8)
        loss = 1 - overlap + BENDING_WEIGHT * _bending(grid - identity)
        loss.backward()
        adam.step()
        seconds.append(time.perf_counter() - started)
    return _as_field((grid - identity).detach().numpy(), case.fixed_grid), seconds


def _masks(case: Case, side: str):  # type: ignore[no-untyped-def]
    import torch

    return torch.from_numpy(np.stack([getattr(pair, side).mask_kji() for pair in case.pairs]).astype(np.float32))


def _bending(displacement):  # type: ignore[no-untyped-def]
    """Mean over voxels of the squared second derivatives, mixed ones twice, per voxel step."""
    import torch

    first = torch.gradient(displacement, dim=(0, 1, 2))
    second = [torch.gradient(slope, dim=(0, 1, 2)) for slope in first]
    return sum((second[a][b] ** 2) for a in range(3) for b in range(3)).mean()  # type: ignore[union-attr]


def _as_field(displacement: np.ndarray, grid: Grid) -> DisplacementField:
    """From grid_sample's units to mm. Both sides of a case share one grid, so one scale does."""
    voxels = displacement * (np.asarray(grid.size_xyz) - 1) / 2
    return DisplacementField(grid.index_to_lps_vectors(voxels).astype(np.float32), grid)
