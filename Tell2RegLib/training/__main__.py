"""Makes the demo weights again, step by step: `python -m Tell2RegLib.training [STEP | all]`."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from Tell2RegLib.support.resources import resource_path
from Tell2RegLib.training.data import HELD_OUT, TRAINING, VALIDATION, SliceSet, lacking, load_slices
from Tell2RegLib.training.loop import Schedule
from Tell2RegLib.training.segmenter import DIFFICULT

log = logging.getLogger("Tell2RegLib.training")

DETECTOR: tuple[Schedule, ...] = (
    Schedule(steps=2600, batch=6, rate=8e-4, seed=1, every=300, until=600),
    Schedule(steps=800, batch=6, rate=7e-4, seed=2, every=400),
    Schedule(steps=1500, batch=6, rate=6e-4, seed=3, every=300),
    Schedule(steps=1400, batch=6, rate=5e-4, seed=4, every=350, near_misses=1 / 3),
    Schedule(steps=2000, batch=6, rate=6e-4, seed=5, every=400, near_misses=1 / 3),
)
DETECTOR_LAST: tuple[Schedule, ...] = (
    Schedule(steps=1400, batch=6, rate=4e-4, seed=6, every=350, near_misses=1 / 6, removed=1 / 3),
    Schedule(steps=800, batch=6, rate=3e-4, seed=7, every=400, near_misses=1 / 6, removed=1 / 2),
)

SMALL_PX = 192
"""Side of the segmenter's input in its first runs, which makes their steps twice as fast."""
SEGMENTER: tuple[tuple[Schedule, Mapping[str, Any]], ...] = (
    (Schedule(steps=2400, batch=4, rate=8e-4, seed=1, every=300), {"side": SMALL_PX}),
    (Schedule(steps=320, batch=4, rate=5e-4, seed=2, every=320), {"side": SMALL_PX, "first": DIFFICULT}),
    (Schedule(steps=480, batch=4, rate=5e-4, seed=3, every=480), {"side": SMALL_PX}),
    (Schedule(steps=1100, batch=4, rate=6e-4, seed=4, every=220), {}),
    (Schedule(steps=600, batch=4, rate=5e-4, seed=5, every=200), {}),
    (Schedule(steps=480, batch=4, rate=4e-4, seed=6, every=120, average=0.995), {"shake": 0.06}),
    (Schedule(steps=480, batch=4, rate=4e-4, seed=7, every=120, average=0.995), {"shake": 0.06}),
)

# Each run starts from the averaged weights of the one before.

LEARNT_FROM, CHOSEN_BY, JUDGED_BY = TRAINING[:200], VALIDATION[:8], HELD_OUT[:12]
KNOWN_BY = TRAINING[:20]
"""Pairs of these seeds give the statistics of what the networks know."""
LACKING = tuple(seed for seed in TRAINING[200:] if {"prostate", "rectum"} & {*lacking(seed)})
"""Learnt from as well in the detector's last runs: what fills the place of these organs was taken for them."""

Run = tuple[Schedule, Mapping[str, Any], Sequence[int]]
"""A schedule, its options, and the subjects to learn from."""


def _slices(seeds: Sequence[int], cache: Path) -> SliceSet:
    log.info("Rendering what %s lacks of %d subjects.", cache, len(seeds))
    return load_slices(seeds, cache / "slices")


def _detector(cache: Path) -> None:
    from Tell2RegLib.training.detector import train_detector

    first: list[Run] = [(schedule, {}, LEARNT_FROM) for schedule in DETECTOR]
    last: list[Run] = [(schedule, {}, (*LEARNT_FROM, *LACKING)) for schedule in DETECTOR_LAST]
    _run_sequentially(train_detector, [*first, *last], cache, "detector")


def _segmenter(cache: Path) -> None:
    from Tell2RegLib.training.segmenter import train_segmenter

    _run_sequentially(train_segmenter, [(*run, LEARNT_FROM) for run in SEGMENTER], cache, "segmenter")


def _run_sequentially(train: Callable[..., Any], runs: Sequence[Run], cache: Path, name: str) -> None:
    """One run after the other; the last leaves `name`.pt."""
    validation, start = _slices(CHOSEN_BY, cache), None
    for n, (schedule, options, seeds) in enumerate(runs, start=1):
        out = cache / (f"{name}-{n}.pt" if n < len(runs) else f"{name}.pt")
        train(_slices(seeds, cache), validation, schedule, out, start, **options)
        start = out


def _export(cache: Path) -> None:
    import torch

    from Tell2RegLib.training.export import export_detector, export_segmenter

    folder = resource_path("DemoWeights")
    read = {name: torch.load(cache / f"{name}.pt", weights_only=True) for name in ("detector", "segmenter")}
    export_detector(read["detector"], folder / "detector.safetensors")
    export_segmenter(read["segmenter"], folder / "segmenter.safetensors")


def _domain(_: Path) -> None:
    from Tell2RegLib.training.domain import pairs_of_volumes, write_domain

    write_domain(pairs_of_volumes(KNOWN_BY), resource_path("DemoWeights"))


def _score(_: Path) -> None:
    from Tell2RegLib.training.score import score, table, write_scores

    numbers = score(JUDGED_BY)
    write_scores(numbers, resource_path("DemoWeights"))
    log.info("%s", table(numbers))


STEPS = {"detector": _detector, "segmenter": _segmenter, "export": _export, "domain": _domain, "score": _score}


def main() -> None:
    """Run one step, or all of them."""
    import torch

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(prog="python -m Tell2RegLib.training", description=__doc__)
    parser.add_argument("step", nargs="?", default="all", choices=[*STEPS, "all"])
    parser.add_argument("--cache", type=Path, default=Path("out/training"), help="scratch folder, about 2 GB")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # the same sums in the same order; train both networks side by side to use two cores
    for name, step in STEPS.items():
        if arguments.step in (name, "all"):
            log.info("%s ...", name)
            step(arguments.cache)


if __name__ == "__main__":
    main()
