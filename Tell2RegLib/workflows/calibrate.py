"""Learns from a table of cases: the usual linear offset, how insides of regions move, and the errors of targets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace

from Tell2RegLib.calibration.choice import Choice, choose_prior
from Tell2RegLib.calibration.error_learning import LEAST_GROUPS, MOST_FOLDS, ErrorObservations, learn_errors
from Tell2RegLib.calibration.evidence import CaseEvidence, case_evidence
from Tell2RegLib.calibration.interior import InteriorEvidence, LearnedInterior, learn_interior
from Tell2RegLib.calibration.model import Calibration, Origin, VolumeRange
from Tell2RegLib.calibration.observing import observe
from Tell2RegLib.cases.contents import read_contents
from Tell2RegLib.cases.groups import folds_of, groups_of
from Tell2RegLib.cases.table import Case
from Tell2RegLib.errors import Cancelled, InputError, Tell2RegError
from Tell2RegLib.fitting import fit
from Tell2RegLib.fitting.linear_prior import LinearPrior
from Tell2RegLib.fitting.settings import FitSettings
from Tell2RegLib.matching import pairs_by_name
from Tell2RegLib.space.region import RegionPair
from Tell2RegLib.space.transform_kinds import DEFORMABLE
from Tell2RegLib.support.progress import Progress, ProgressTracker
from Tell2RegLib.trust.error_model import ErrorModel


def calibrate(
    cases: Sequence[Case],
    *,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Calibration:
    """Learn the linear offset of cases, from their regions and, where they have any, their landmarks.

    Mean and spread that do not help on patients left out are not used; the calibration says so. Cases with landmarks or
    true regions are then registered, with the offset learned from other patients, and teach the errors of targets.

    Args:
        cases: with regions from files.
        progress: called with ("calibrate", cases done, number of cases to read and to register).
        cancelled: called often; returns True to stop.

    Raises:
        InputError: a case that cannot be used, with its name.
        Cancelled: when `cancelled` said so.
    """
    tracker, default = ProgressTracker(progress, cancelled), LinearPrior.from_settings(FitSettings())
    evidence: list[CaseEvidence] = []
    volumes: dict[str, list[tuple[float, float]]] = {}
    for number, case in enumerate(cases):
        tracker.report("calibrate", number, 2 * len(cases))
        with _errors_name(case):
            contents = read_contents(case)
            pairs = pairs_by_name(contents.fixed_regions, contents.moving_regions)
        landmarks = contents.truth.landmarks
        evidence.append(case_evidence(case.name, case.patients, pairs, default, landmarks, tracker.check))
        _note_volumes(volumes, pairs)
    choice = choose_prior(evidence, default)
    errors = _learned_errors(cases, evidence, default, tracker)
    tracker.report("calibrate", 2 * len(cases), 2 * len(cases))
    interiors = _interiors(cases, choice.prior, tracker)
    return replace(_calibration(cases, evidence, volumes, choice), errors=errors, interiors=interiors)


def _learned_errors(
    cases: Sequence[Case], evidence: Sequence[CaseEvidence], default: LinearPrior, tracker: ProgressTracker
) -> ErrorModel | None:
    """The model of errors: each case registered with the offset of other patients; None where too few show errors."""
    showing = [case for case in cases if _shows_errors(case)]
    if len(groups_of(showing)) < LEAST_GROUPS:
        return None
    observations = []
    for fold in folds_of(evidence, min(MOST_FOLDS, len(groups_of(cases)))):
        prior = choose_prior(fold.train, default).prior
        judged = {case.name for case in fold.test}
        for case in showing:
            if case.name in judged:
                observations.append(_observed(case, prior, tracker))
                tracker.report("calibrate", len(cases) + len(observations), 2 * len(cases))
    return learn_errors(observations)


def _shows_errors(case: Case) -> bool:
    return bool(case.fixed_points or case.fixed_true_regions)


def _observed(case: Case, prior: LinearPrior, tracker: ProgressTracker) -> ErrorObservations:
    settings = FitSettings(**case.fit)
    with _errors_name(case):
        return observe(case.name, case.patients, read_contents(case), prior, settings, tracker.check)


@contextmanager
def _errors_name(case: Case) -> Iterator[None]:
    """Name the case in the errors of its files and its fit; a cancelled run stays cancelled."""
    try:
        yield
    except Cancelled:
        raise
    except Tell2RegError as error:
        raise InputError(f"Case '{case.name}' (line {case.line}): {error}") from error


def _interiors(cases: Sequence[Case], prior: LinearPrior, tracker: ProgressTracker) -> tuple[LearnedInterior, ...]:
    """What the landmarks and true regions inside regions say, under the default transform with the prior."""
    of_region: dict[str, list[InteriorEvidence]] = {}
    for number, case in enumerate(cases):
        tracker.report("calibrate interiors", number, len(cases))
        if not _shows_errors(case):
            continue
        with _errors_name(case):
            contents = read_contents(case)
            pairs = pairs_by_name(contents.fixed_regions, contents.moving_regions)
            fitted = fit(pairs, prior=prior, check=tracker.check)
        if fitted.transform.kind not in DEFORMABLE:
            continue
        for pair in pairs:
            evidence = InteriorEvidence(case.name, case.patients, pair, fitted, contents.truth)
            if evidence.tells:
                of_region.setdefault(pair.name, []).append(evidence)
    tracker.report("calibrate interiors", len(cases), len(cases))
    return tuple(learn_interior(name, evidence) for name, evidence in sorted(of_region.items()))


def _note_volumes(volumes: dict[str, list[tuple[float, float]]], pairs: Sequence[RegionPair]) -> None:
    for pair in pairs:
        volumes.setdefault(pair.name, []).append((pair.fixed.volume_ml, pair.moving.volume_ml))


def _calibration(
    cases: Sequence[Case],
    evidence: Sequence[CaseEvidence],
    volumes: dict[str, list[tuple[float, float]]],
    choice: Choice,
) -> Calibration:
    ranges = {}
    for name, of_cases in sorted(volumes.items()):
        fixed, moving = zip(*of_cases, strict=True)
        ranges[name] = VolumeRange((min(fixed), max(fixed)), (min(moving), max(moving)))
    label_names = sorted({name for case in cases for name in case.labels})
    labels = {name: tuple(sorted({case.labels.get(name, "") for case in cases} - {""})) for name in label_names}
    estimated = choice.estimated
    return Calibration(
        origin=Origin(
            cases=len(cases),
            patients=len({patient for case in cases for patient in case.patients}),
            landmarks=sum(len(case.landmark_targets) for case in evidence),
            labels=labels,
        ),
        regions=ranges,
        mean=choice.prior.mean,
        covariance=choice.prior.covariance if "spread" in choice.used else None,
        reason=choice.reason,
        trials=tuple({**asdict(trial), "used": trial.candidate == choice.used} for trial in choice.trials),
        estimated={
            "mean": estimated.prior.mean.tolist(),
            "covariance": estimated.prior.covariance.tolist(),
            "landmark_spread_mm": estimated.landmark_spread_mm,
        },
    )
