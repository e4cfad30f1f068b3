"""How the check of pairs copes with wrong pairs, swapped sides and mirrored volumes, on phantoms (docs/method.md).

    python -m Testing.Validation.wrong_pairs pairs --first 40000 --count 140      which pairs keep their weight; no fits
    python -m Testing.Validation.wrong_pairs volumes --first 41000 --clean 200 --faulty 20
    python -m Testing.Validation.wrong_pairs plan --first 42000 --count 6         target errors with wrong pairs

True regions, no networks. The same seeds give the same numbers.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from Tell2RegLib.fitting import FitSettings, fit
from Tell2RegLib.matching import check_pairs
from Tell2RegLib.space.region import RegionPair
from Testing.Validation.wrong_pairs_phantoms import (
    FAULTS,
    KINDS,
    Case,
    mirrored_volume,
    phantom_pair,
    swapped_sides,
    with_faults,
)

SIZES = (1, 2, 3, 4, 6)
"""Numbers of pairs that are drawn from a case, beside all of them."""
LEAST_WEIGHT = 0.5
"""Least weight of a pair that counts as kept."""


def main() -> None:
    """Run one experiment and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", choices=("pairs", "volumes", "plan"))
    parser.add_argument("--first", type=int, default=40_000, help="first seed")
    parser.add_argument("--count", type=int, default=70, help="number of phantoms")
    parser.add_argument("--clean", type=int, default=200, help="number of clean phantoms of 'volumes'")
    parser.add_argument("--faulty", type=int, default=20, help="number of mirrored or swapped phantoms of 'volumes'")
    chosen = parser.parse_args()
    if chosen.experiment == "volumes":
        experiment = _volumes(chosen.first, chosen.clean, chosen.faulty)
    else:
        experiment = {"pairs": _pairs, "plan": _plan}[chosen.experiment](chosen.first, chosen.count)
    for line in experiment:
        print(line, flush=True)


def _cases(first: int, count: int) -> Iterator[tuple[str, Case]]:
    for seed in range(first, first + count):
        kind = KINDS[seed % len(KINDS)]
        yield kind, phantom_pair(seed, kind)


def weights_of(pairs: Sequence[RegionPair]) -> dict[str, float]:
    """The weight of each pair after the check, by the name of its fixed region; 0 when it is rejected."""
    return {pair.fixed.name: pair.weight if pair.accepted else 0.0 for pair in check_pairs(pairs).pairs}


# --- pairs ---


def _pairs(first: int, count: int) -> Iterator[str]:
    """The share of right pairs kept, and of wrong ones weighed down, by kind, number of pairs and fault."""
    weights: dict[str, list[float]] = defaultdict(list)
    for number, (kind, case) in enumerate(_cases(first, count)):
        rng = np.random.default_rng([first + number, 5])
        for size in (*SIZES, len(case.pairs)):
            if size > len(case.pairs):
                continue
            some = [case.pairs[n] for n in sorted(rng.permutation(len(case.pairs))[:size].tolist())]
            values = list(weights_of(some).values())
            weights[f"clean, {kind}"] += values
            weights[f"clean, {'all' if size == len(case.pairs) else size} pair(s)"] += values
            weights["clean"] += values
            for fault in FAULTS if size >= 6 else ():
                faulty, wrong = with_faults(some, fault, round(size / 3), rng)
                after = weights_of(faulty)
                for n, pair in enumerate(faulty):
                    weights[f"{fault}, {_label(pair, n in wrong, some[n])}"].append(after[pair.fixed.name])
    yield f"{'pairs':34} {'number':>6} {'kept':>7} {'weight 1':>8} {'mean weight':>11}"
    for name in sorted(weights):
        w = np.array(weights[name])
        shares = f"{100 * np.mean(w >= LEAST_WEIGHT):6.1f}% {100 * np.mean(w == 1):7.1f}%"
        yield f"{name:34} {len(w):6} {shares} {w.mean():11.2f}"


def _label(pair: RegionPair, is_wrong: bool, before: RegionPair) -> str:
    if not is_wrong:
        return "right"
    moved = float(np.linalg.norm(pair.moving.centroid_lps_mm() - before.moving.centroid_lps_mm()))
    ratio = pair.moving.volume_ml / before.moving.volume_ml
    return "wrong" if moved > 15 or not 0.5 < ratio < 2 else "nearly right"


# --- volumes ---


def _volumes(first: int, clean: int, faulty: int) -> Iterator[str]:
    """The number of phantoms with a remark about the volumes: clean ones, mirrored ones, and with sides swapped."""
    remarked = sum(bool(check_pairs(case.pairs).remarks) for _, case in _cases(first, clean))
    yield f"clean phantoms with a remark: {remarked} of {clean}"
    counts: dict[str, int] = defaultdict(int)
    for _, case in _cases(first + clean, faulty):
        sabotaged = {f"mirrored along {'xyz'[axis]}": mirrored_volume(case.pairs, axis) for axis in range(3)}
        sabotaged |= {"sides swapped": swapped_sides(case.pairs)}
        for name, pairs in sabotaged.items():
            remarks = check_pairs(pairs).remarks
            counts[f"{name}: any remark"] += bool(remarks)
            counts[f"{name}: looks mirrored"] += any("mirrored" in remark for remark in remarks)
            counts[f"{name}: wrong side"] += any("Wrong side" in remark for remark in remarks)
    for name, count in counts.items():
        yield f"{name}: {count} of {faulty}"


# --- plan ---


def _plan(first: int, count: int) -> Iterator[str]:
    """Mean target errors with a third of the pairs wrong, without and with the check, against those of clean pairs."""
    ratios: dict[str, list[float]] = defaultdict(list)
    errors: dict[str, list[float]] = defaultdict(list)
    for seed in range(first, first + count):
        case = phantom_pair(seed, "plain")
        clean = _target_error(case, case.pairs)
        checked = _target_error(case, check_pairs(case.pairs).pairs)
        errors["clean"].append(clean)
        ratios["clean, with the check"].append(checked / clean)
        yield f"seed {seed}: clean {clean:.2f} mm, with the check {checked:.2f} mm"
        for fault in FAULTS:
            faulty, _ = with_faults(case.pairs, fault, round(len(case.pairs) / 3), np.random.default_rng([seed, 6]))
            for name, pairs in (("all used", faulty), ("with the check", check_pairs(faulty).pairs)):
                error = _target_error(case, pairs)
                errors[f"{fault}, {name}"].append(error)
                ratios[f"{fault}, {name}"].append(error / clean)
            yield f"  {fault}: {errors[f'{fault}, all used'][-1]:.2f} mm, with the check {error:.2f} mm"
    yield f"clean: mean error {np.mean(errors['clean']):.2f} mm"
    for name, values in ratios.items():
        yield f"{name:24} error over clean: mean {np.mean(values):.2f}, largest {np.max(values):.2f}"
    for name in ("all used", "with the check"):
        every = [np.mean(errors[f"{fault}, {name}"]) for fault in FAULTS]
        yield f"{name}: {np.mean(every) / np.mean(errors['clean']):.2f} times the clean error, mean over faults"


def _target_error(case: Case, pairs: Sequence[RegionPair]) -> float:
    transform = fit(pairs, FitSettings()).transform
    moving = np.array([target.moving_lps_mm for target in case.phantom.plan])
    true = np.array([target.fixed_lps_mm for target in case.phantom.plan])
    return float(np.linalg.norm(transform.inverse.apply_to_points(moving) - true, axis=1).mean())


if __name__ == "__main__":
    main()
