"""Scored cases with made-up numbers."""

from __future__ import annotations

from Tell2RegLib.validation.scores import TRANSFORMS, CaseScores, Score


def a_scored_case(
    name: str,
    patients: tuple[str, ...],
    registered_mm: tuple[float, ...] = (1.0, 3.0),
    baseline_mm: tuple[float, ...] = (4.0, 4.0),
    **labels: str,
) -> CaseScores:
    """Landmark errors of the registered transform, and those of every other one."""
    values = {transform: registered_mm if transform == "registered" else baseline_mm for transform in TRANSFORMS}
    names = tuple(f"landmark {n}" for n in range(len(registered_mm)))
    scores = {transform: Score(mm, mm) for transform, mm in values.items()}
    return CaseScores(name, patients, labels, landmarks=names, scores=scores, fit={"kind": "svf"})
