"""The tools in the order of the table: ours first, then what a user would otherwise take."""

from __future__ import annotations

from Testing.Bench import ants_tool, elastix_tool, research_loop, simpleitk_tools
from Testing.Bench.cases import Case
from Testing.Bench.outcome import Outcome, Tool


def _load_ours() -> None:
    import torch

    from Tell2RegLib.fitting import fit

    _ = torch.zeros(1), fit


def _ours(case: Case, kind: str, **settings: float) -> Outcome:
    from Tell2RegLib.fitting.fit import fit
    from Tell2RegLib.fitting.settings import FitSettings

    transform = fit(case.pairs, FitSettings(kind=kind, **settings)).transform  # type: ignore[arg-type]
    return Outcome(transform.fixed_to_moving, transform.moving_to_fixed)


TOOLS: dict[str, Tool] = {
    "ours": Tool(
        "**Tell2Reg, velocity field** (default)",
        "Tell2RegLib",
        "Tell2RegLib",
        "`fit(pairs)` with its default settings.",
        _load_ours,
        lambda case: _ours(case, "svf"),
    ),
    "ours-supple": Tool(
        "Tell2Reg, overlap first",
        "Tell2RegLib",
        "Tell2RegLib",
        "`FitSettings(smoothness=0.02, control_spacing=2, tolerance=0.06)`: overlap before all else, "
        "as the research loop has it.",
        _load_ours,
        lambda case: _ours(case, "svf", smoothness=0.02, control_spacing=2.0, tolerance=0.06),
    ),
    "ours-affine": Tool(
        "Tell2Reg, affine",
        "Tell2RegLib",
        "Tell2RegLib",
        '`fit(pairs, FitSettings(kind="affine"))`.',
        _load_ours,
        lambda case: _ours(case, "affine"),
    ),
    "demons": Tool(
        "SimpleITK demons",
        "SimpleITK",
        "SimpleITK",
        "`DiffeomorphicDemonsRegistrationFilter`, field smoothed by 1 voxel, 200, 100 and 20 iterations at a quarter, "
        "half and full size; on a clipped distance map (one region) or on one grey level per region, smoothed "
        "(several: the filter takes one picture per side).",
        lambda: None,
        simpleitk_tools.demons,
    ),
    "bspline": Tool(
        "SimpleITK B-spline",
        "SimpleITK",
        "SimpleITK",
        "`ImageRegistrationMethod`, mean squares of the same pictures, 10 cells per axis, at most 40 steps of L-BFGS-B "
        "at a quarter and at half of the size, 3,000 samples (its time grows with samples times control points).",
        lambda: None,
        simpleitk_tools.bspline,
    ),
    "elastix": Tool(
        "elastix B-spline",
        "itk",
        "itk-elastix",
        "Mean squares of the same pictures, three resolutions of 300 adaptive stochastic steps of at most "
        "0.25 mm, 3,000 "
        "samples within 15 mm of the regions, control points 12 mm apart at the end. Longer steps fold; one metric per "
        "region took three times as long for one to two hundredths of Dice on a tiny case.",
        elastix_tool.load,
        elastix_tool.elastix,
    ),
    "syn": Tool(
        "ANTs SyN",
        "ants",
        "antspyx",
        "`ants.registration`, SyN from the affine start, one mean-squares metric per region's mask, gradient step 0.1, "
        "at most 100, 70 and 20 iterations at an eighth, a quarter and half of the size. Iterations at full size, "
        "smaller smoothing, distance maps, cross correlation and mutual information were no better on the gland.",
        ants_tool.load,
        ants_tool.syn,
    ),
    "loop": Tool(
        "Research loop, 10,000 Adam steps",
        "torch",
        "torch",
        "A free displacement per voxel, as the published code optimises it: Dice and 100 times bending energy, Adam "
        "with a rate of 1e-3, no linear start.",
        _load_ours,
        research_loop.research_loop,
    ),
}
