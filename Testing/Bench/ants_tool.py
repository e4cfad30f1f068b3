"""ANTs, through antspyx: SyN on the label maps, one mean-squares metric per region."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.region import Region
from Testing.Bench.cases import Case
from Testing.Bench.outcome import Outcome
from Testing.Bench.simpleitk_tools import affine_start, field_of


def load() -> None:
    """ANTs reads and links half a gigabyte."""
    import ants

    _ = ants.registration


def syn(case: Case) -> Outcome:
    """SyN from the affine start, three levels down to half the size, and the inverse warp that it always gives."""
    import ants

    fixed, moving = ([_ants_image(getattr(pair, side)) for pair in case.pairs] for side in ("fixed", "moving"))
    others = [("MeanSquares", a, b, 1.0, 0) for a, b in zip(fixed[1:], moving[1:], strict=True)]
    with tempfile.TemporaryDirectory() as folder:
        start = str(Path(folder) / "start.mat")
        sitk.WriteTransform(affine_start(case), start)
        detected = ants.registration(
            fixed[0],
            moving[0],
            type_of_transform="SyNOnly",
            initial_transform=[start],
            syn_metric="meansquares",
            grad_step=0.1,
            reg_iterations=(100, 70, 20, 0),
            multivariate_extras=others or None,
            outprefix=str(Path(folder) / "syn_"),
            random_seed=1,
        )
        forward = sitk.CompositeTransform([_read(file) for file in detected["fwdtransforms"]])
        backward = sitk.CompositeTransform([_read(file, inverse=True) for file in detected["invtransforms"]])
        return Outcome(field_of(forward, case.fixed_grid), field_of(backward, case.moving_grid))


def _ants_image(region: Region):  # type: ignore[no-untyped-def]
    import ants

    grid: Grid = region.grid
    return ants.from_numpy(
        np.ascontiguousarray(region.mask_kji().T.astype(np.float32)),
        origin=grid.origin_lps_mm,
        spacing=grid.spacing_mm,
        direction=np.reshape(grid.direction, (3, 3)),
    )


def _read(file: str, *, inverse: bool = False) -> sitk.Transform:
    """A file that ANTs left: a warp as it is (the inverse warp is a file of its own), an affine inverted on demand."""
    if not file.endswith(".mat"):
        return sitk.DisplacementFieldTransform(sitk.ReadImage(file, sitk.sitkVectorFloat64))
    affine = sitk.ReadTransform(file)
    return affine.GetInverse() if inverse else affine
