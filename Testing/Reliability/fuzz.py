"""`make fuzz`: damaged files of every format, from a seed; crashes, hangs, silent acceptances and other exceptions."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from Testing.Reliability.fuzz_child import ENDED, FAILURES, MEMORY

HANG_S = 90.0
"""Longer than the 60 s after which the process that reads foreign files is ended."""
CHILD = "Testing.Reliability.fuzz_child"
CRASH, HANG = "crash", "hang"
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Figures:
    """What was seen.

    Args:
        outcomes: their number, by outcome.
        ended: files that ended the process that reads foreign files, which is refused in a sentence.
        failures: one line each.
        spoilt: folder that gets the damaged files of failures.
    """

    spoilt: Path
    outcomes: Counter[str] = field(default_factory=Counter)
    ended: int = 0
    failures: list[str] = field(default_factory=list)

    def add(self, reply: dict[str, Any], place: Path) -> None:
        """Count an outcome, and keep the file of a failure."""
        outcome = reply["outcome"]
        self.outcomes[outcome] += 1
        self.ended += ENDED in reply["detail"]
        if outcome in (*FAILURES, CRASH, HANG):
            self.failures.append(f"{reply['number']} ({reply['target']}): {outcome} {reply['detail']}")
            with suppress(OSError):
                shutil.copytree(place, self.spoilt / f"{reply['number']}")


class Child:
    """A process that damages and reads files; started again after a crash."""

    def __init__(self, folder: Path, seed: int, names: Sequence[str]) -> None:
        self._folder, self._arguments = folder, [str(folder), str(seed), *names]
        self._process: subprocess.Popen[str] | None = None

    def attempt(self, number: int) -> tuple[dict[str, Any], Path]:
        """The outcome of a number, and the folder with the damaged file."""
        process = self._started()
        late = threading.Event()
        timer = threading.Timer(HANG_S, _kill, (process, late))
        timer.start()
        with suppress(OSError):
            process.stdin.write(f"{number}\n")
            process.stdin.flush()
        line = process.stdout.readline()
        timer.cancel()
        place = max(self._folder.glob("tmp*/spoilt"), key=lambda path: path.stat().st_mtime_ns, default=self._folder)
        if line:
            reply = json.loads(line)
        else:
            outcome = HANG if late.is_set() else CRASH
            reply = {"number": number, "target": "?", "outcome": outcome, "detail": f"exit code {process.wait()}"}
        if reply["outcome"] in (CRASH, HANG, MEMORY):
            self.end()
        return reply, place

    def end(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            with suppress(OSError):
                process.stdin.close()
            process.wait()
            process.stdout.close()

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            for leftover in self._folder.glob("tmp*"):
                shutil.rmtree(leftover, ignore_errors=True)
            command = [sys.executable, "-m", CHILD, *self._arguments]
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **_checked_heap()},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
            )
            if self._process.stdout.readline() != "ready\n":
                raise RuntimeError("The sound files cannot be written and read.")
        return self._process


def _kill(process: subprocess.Popen[str], late: threading.Event) -> None:
    late.set()
    process.kill()


def _checked_heap() -> dict[str, str]:
    """Variables with which glibc ends a process that damages its heap, instead of letting it go on."""
    name, version = platform.libc_ver()
    if name != "glibc" or tuple(map(int, version.split(".")[:2])) < (2, 34):
        return {}
    return {"LD_PRELOAD": "libc_malloc_debug.so.0", "MALLOC_CHECK_": "3"}


def fuzz(
    numbers: range, seed: int, folder: Path, spoilt: Path, processes: int = 2, names: Sequence[str] = ()
) -> Figures:
    """Read damaged files in several processes.

    Args:
        numbers: of the damaged files; with the seed, a number always gives the same one.
        seed: of all damage.
        folder: with the folder `records`, from `make_records`.
        spoilt: folder that gets the damaged files of failures.
        processes: how many at a time.
        names: of the targets; all when empty.
    """
    figures, lock, remaining = Figures(spoilt), threading.Lock(), iter(numbers)

    def work(place: Path) -> None:
        child = Child(place, seed, names)
        for number in _shared(remaining, lock):
            reply, damaged = child.attempt(number)
            with lock:
                figures.add(reply, damaged)
        child.end()

    threads = []
    for index in range(processes):
        place = folder / f"process {index}"
        shutil.copytree(folder / "records", place / "records")
        threads.append(threading.Thread(target=work, args=(place,)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return figures


def _shared(numbers: Iterator[int], lock: threading.Lock) -> Iterator[int]:
    while True:
        with lock:
            number = next(numbers, None)
        if number is None:
            return
        yield number


def main(words: list[str] | None = None) -> int:
    """Fuzz, and print the figures; returns 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, number in (("seed", 1), ("mutants", 2000), ("first", 0), ("processes", 2)):
        parser.add_argument(f"--{name}", type=int, default=number)
    parser.add_argument("--keep", type=Path, default=Path("out/fuzz"), help="folder for the files of failures")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="targets, such as raw.nii; default: all")
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="tell2reg-fuzz-") as place:
        folder = Path(place)
        (folder / "records").mkdir()
        code = "import sys, pathlib; from Testing.Reliability.fuzz_targets import make_records; "
        subprocess.run(
            [sys.executable, "-c", f"{code}make_records(pathlib.Path(sys.argv[1]))", folder / "records"],
            cwd=ROOT,
            check=True,
        )
        numbers = range(options.first, options.first + options.mutants)
        spoilt = options.keep.resolve() / f"seed {options.seed}"
        figures = fuzz(numbers, options.seed, folder, spoilt, options.processes, options.only)
    print(f"seed {options.seed}, {options.mutants} damaged files")
    for outcome, count in figures.outcomes.most_common():
        print(f"  {outcome}: {count}")
    print(f"  ended the process that reads foreign files (refused): {figures.ended}")
    print(*figures.failures, sep="\n", end="\n" if figures.failures else "")
    return 1 if figures.failures else 0


if __name__ == "__main__":
    sys.exit(main())
