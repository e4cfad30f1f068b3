"""`make stress`: kills, full disks and concurrent runs, at random moments from a seed; how many outputs were lost."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random

from Testing.Reliability.attacks import can_mount, ended, fill_disk, forked, kill, run_two
from Testing.Reliability.outputs import Output, every_output, make_results


def main(words: list[str] | None = None) -> int:
    """Run the attacks and print the figures; returns 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, number in (("seed", 1), ("kills", 200), ("full-disks", 100), ("pairs", 50)):
        parser.add_argument(f"--{name}", type=int, default=number)
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="tell2reg-stress-") as place:
        folder = Path(place)
        if ended(forked(lambda: make_results(folder))):
            print("The results for the attacks could not be made.")
            return 1
        outputs = every_output(folder)
        on_tmpfs = can_mount(folder)
        disk = "a tmpfs of 16 MB" if on_tmpfs else "a limit on the size of a file"
        rounds: list[tuple[str, int, Callable[[Output, Path, Random], str]]] = [
            ("kills (SIGKILL at a random moment)", options.kills, kill),
            (f"full disks ({disk})", options.full_disks, lambda *given: fill_disk(*given, on_tmpfs)),
            ("pairs of concurrent runs", options.pairs, run_two),
        ]
        problems = []
        for title, count, attack in rounds:
            wrong = attacked(attack, count, outputs, folder, Random(options.seed))
            problems += wrong
            print(f"{title}: {count}, outputs lost or damaged: {len(wrong)}", flush=True)
    print(*problems, sep="\n", end="\n" if problems else "")
    return 1 if problems else 0


def attacked(
    attack: Callable[[Output, Path, Random], str], count: int, outputs: tuple[Output, ...], folder: Path, random: Random
) -> list[str]:
    """What went wrong in a number of attacks, each on a random output in a new folder; every third on a result."""
    problems = []
    for number in range(count):
        output = outputs[0] if number % 3 == 0 else random.choice(outputs[1:])
        with tempfile.TemporaryDirectory(dir=folder) as place:
            problem = attack(output, Path(place), random)
        if problem:
            problems.append(f"attack {number}: {problem}")
    return problems


if __name__ == "__main__":
    sys.exit(main())
