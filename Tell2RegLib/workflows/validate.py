"""Validates registrations on cases with a truth that the fit never sees."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from Tell2RegLib.calibration.model import read_calibration
from Tell2RegLib.cases.contents import CaseContents, read_contents
from Tell2RegLib.cases.table import Case
from Tell2RegLib.errors import Cancelled, Tell2RegError
from Tell2RegLib.fitting.linear_prior import LinearPrior
from Tell2RegLib.fitting.settings import FitSettings
from Tell2RegLib.support.progress import Progress, ProgressTracker
from Tell2RegLib.validation.scores import CaseScores, fit_record, scores_of
from Tell2RegLib.validation.summary import ValidationSummary, summarise
from Tell2RegLib.workflows.register import register

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Validation:
    """The scores of every case, and their summary.

    Args:
        cases: in the order of the table, failed ones too.
        summary: over those that did not fail.
    """

    cases: tuple[CaseScores, ...]
    summary: ValidationSummary


def validate(
    cases: Sequence[Case],
    *,
    fit: Mapping[str, Any] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Validation:
    """Register every case by its regions and score the transforms by its landmarks and true regions.

    A case that cannot be read or fitted becomes a row with its reason; the others go on.

    Args:
        cases: with regions from files, and landmarks or true regions.
        fit: values of `FitSettings` for cases that set no others.
        seed: of the bootstrap over patients.
        progress: called with ("validate", cases done, number of cases), and with the stages of each registration.
        cancelled: called often; returns True to stop.

    Raises:
        Cancelled: when `cancelled` said so.
    """
    tracker = ProgressTracker(progress, cancelled)
    scores = []
    for number, case in enumerate(cases):
        tracker.report("validate", number, len(cases))
        about = CaseScores(case.name, case.patients, dict(case.labels))
        chosen = {**(fit or {}), **case.fit}
        scores.append(scored(about, lambda case=case: read_contents(case), chosen, progress, cancelled))  # type: ignore[misc]
    tracker.report("validate", len(cases), len(cases))
    return Validation(tuple(scores), summarise(scores, seed))


def scored(
    about: CaseScores,
    read: Callable[[], CaseContents],
    fit: Mapping[str, Any],
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> CaseScores:
    """The scores of one case; whatever goes wrong is its reason.

    Args:
        about: name, patients and labels of the case.
        read: gives its contents.
        fit: values of `FitSettings`.
        progress, cancelled: see `register`.

    Raises:
        Cancelled: when `cancelled` said so.
    """
    try:
        return _scored(about, read(), FitSettings(**fit), progress, cancelled)
    except Cancelled:
        raise
    except (Tell2RegError, OSError) as error:
        return replace(about, reason=" ".join(str(error).split()))
    except MemoryError:
        return replace(about, reason="There is not enough memory. Use fewer regions or a coarser resolution.")
    except Exception as error:
        log.debug("Case '%s' failed.", about.name, exc_info=True)
        return replace(about, reason=f"Unexpected problem ({type(error).__name__}: {error}).")


def _scored(
    about: CaseScores,
    contents: CaseContents,
    settings: FitSettings,
    progress: Progress | None,
    cancelled: Callable[[], bool] | None,
) -> CaseScores:
    calibration = read_calibration(contents.calibration) if contents.calibration else None
    result = register(
        contents.fixed,
        contents.moving,
        fixed_regions=contents.fixed_regions,
        moving_regions=contents.moving_regions,
        settings=settings,
        prior=None if calibration else LinearPrior.from_settings(settings, contents.initial_lps),
        calibration=calibration,
        all_pairs=contents.all_pairs,
        progress=progress,
        cancelled=cancelled,
    )
    truth = contents.truth
    return replace(
        about,
        reason=result.reason,
        landmarks=truth.landmarks.names,
        regions=tuple(pair.name for pair in truth.regions),
        scores=scores_of(result, truth),
        fit=fit_record(result),
        remarks=truth.remarks,
    )
