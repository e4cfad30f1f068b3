"""Learns the model of errors that ships, and judges it, on spoilt phantoms with targets everywhere.

    python -m Testing.Validation.trust --learn --first 50100 --count 102        writes Resources/ErrorModel.json
    python -m Testing.Validation.trust --first 50202 --count 30                 judges it on others

True regions, no networks. The cases run in one process per CPU, with one thread each.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from Tell2RegLib.calibration.error_learning import ErrorObservations, learn_errors
from Tell2RegLib.calibration.observing import errors_by_kind
from Tell2RegLib.evaluation.settings import TrustSettings
from Tell2RegLib.fitting import FitSettings, fit
from Tell2RegLib.support.complete_file import write_text
from Tell2RegLib.trust.domain import CaseFacts
from Tell2RegLib.trust.error_model import ErrorModel
from Tell2RegLib.trust.model_file import SHIPPED, record_of, shipped_model
from Testing.Validation.trust_phantoms import TrustCase, trust_case

MODEL = Path(__file__).resolve().parents[2] / "Resources" / SHIPPED


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=int, default=50_100, help="first seed")
    parser.add_argument("--count", type=int, default=102, help="number of phantoms")
    parser.add_argument("--learn", action="store_true", help="learn the model that ships, instead of judging it")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one per CPU)")
    options = parser.parse_args(arguments)
    cases = _observed(range(options.first, options.first + options.count), options.jobs)
    if options.learn:
        write_model(cases)
    else:
        print("\n".join(judgement(cases)))


def write_model(cases: Sequence[ErrorObservations]) -> None:
    """Learn the model from cases and write it where it ships."""
    model: ErrorModel | None = learn_errors(cases, synthetic=True)
    if model is None:
        raise SystemExit("These are too few phantoms to learn from.")
    write_text(MODEL, json.dumps(record_of(model), indent=1) + "\n")


def judgement(cases: Sequence[ErrorObservations]) -> Iterator[str]:
    """The model that ships on cases, a line per kind of transform; in the coverage, every case counts the same."""
    model, tolerance = shipped_model(), TrustSettings().tolerance_mm
    reasons = {case.name: model.domain.why_not(case.facts) for case in cases}
    yield from (f"{name}: no number. {reason}" for name, reason in reasons.items() if reason)
    for kind, of_kind in model.kinds.items():
        judged = [case.kinds[kind] for case in cases if kind in case.kinds and not reasons[case.name]]
        errors = [targets.errors_mm for targets in judged]
        predicted = [of_kind.linear.predicted_mm(targets.cues) for targets in judged]
        radii = [of_kind.radius_mm(values) for values in predicted]
        within = np.mean([np.mean(e <= r) for e, r in zip(errors, radii, strict=True)])
        error, radius = np.concatenate(errors), np.concatenate(radii)
        flagged = radius > tolerance
        yield (
            f"{kind}: {len(judged)} cases, {len(error)} targets; within the radius {100 * within:.0f} %; median radius "
            f"{np.median(radius):.1f} mm; rank correlation {spearmanr(np.concatenate(predicted), error)[0]:.2f}; "
            f"not good: {100 * np.mean(flagged[error > 5]):.0f} % of {np.sum(error > 5)} errors over 5 mm, "
            f"{100 * np.mean(flagged[error < 2.5]):.0f} % of {np.sum(error < 2.5)} below 2.5 mm"
        )


def observation(seed: int) -> ErrorObservations:
    """The targets of the case of a seed, with their errors and cues."""
    case = trust_case(seed)
    result = fit(case.pairs, FitSettings())
    return observation_of(case, errors_by_kind(result, case.pairs, case.fixed_lps_mm, case.moving_lps_mm), seed)


def observation_of(case: TrustCase, kinds: dict, seed: int) -> ErrorObservations:
    """An observation of a case; its name is the seed and the kind."""
    facts = CaseFacts.of(case.phantom.fixed.volume, case.phantom.moving.volume, case.pairs)
    return ErrorObservations(f"{seed} {case.kind}", (f"phantom {seed}",), facts, kinds)


def _observed(seeds: Sequence[int], jobs: int) -> list[ErrorObservations]:
    os.environ["OMP_NUM_THREADS"] = "1"
    cases = []
    with ProcessPoolExecutor(max(1, jobs), mp_context=get_context("spawn")) as pool:
        for case in pool.map(observation, seeds):
            cases.append(case)
            print(f"{len(cases)} of {len(seeds)}: {case.name}", file=sys.stderr, flush=True)
    return cases


if __name__ == "__main__":
    main()
