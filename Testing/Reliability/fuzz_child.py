"""A process that damages and reads files: `python -m Testing.Reliability.fuzz_child FOLDER SEED`, numbers on stdin."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import sys
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

from Tell2RegLib.errors import Tell2RegError
from Testing.Reliability.fuzz_targets import Target, digest, make_targets
from Testing.Reliability.mutations import mutated, mutated_inside

SAME, DIFFERENT, REFUSED = "same content", "other content, nothing to compare with", "refused"
SILENT, UNCAUGHT, UNCLEAR, MEMORY = "silent wrong acceptance", "other exception", "unclear message", "too much memory"
FAILURES = (SILENT, UNCAUGHT, UNCLEAR, MEMORY)
ENDED = "crashed on it"
"""Part of the message about a file that ended the process that reads foreign files."""
MEMORY_BYTES, RESIDENT_BYTES = 12 << 30, 1500 << 20
"""Address space of this process, and how much of it may ever be resident."""
MESSAGE_LENGTH = 900


def damage(target: Target, folder: Path, random: Random) -> bool:
    """Damage one file of a target; whether other content must be noticed."""
    name = random.choice(sorted(target.covered))
    file = folder / target.name / name if (folder / target.name).is_dir() else folder / name
    whole = file.read_bytes()
    is_inside = random.random() < 0.3
    data = mutated_inside(whole, random) if is_inside else mutated(whole, random)
    file.write_bytes(data)
    begin = target.covered[name]
    is_covered = begin is not None and data[:begin] == whole[:begin] and not (is_inside and whole[:2] == b"\x1f\x8b")
    is_truncated = target.is_sized and len(data) < len(whole) and whole.startswith(data)
    return is_covered or is_truncated


def outcome_of(target: Target, sound: str, path: Path, must_notice: bool) -> tuple[str, str]:
    """What reading a damaged file led to, and details."""
    try:
        content = digest(target.read(path))
    except Tell2RegError as error:
        text = str(error)
        lines = text.splitlines()
        is_clear = target.error and (target.lines or len(lines) == 1) and 0 < max(map(len, lines)) < MESSAGE_LENGTH
        return (REFUSED if is_clear else UNCLEAR), text[:MESSAGE_LENGTH]
    except Exception as error:
        return UNCAUGHT, f"{type(error).__name__}: {str(error)[:200]}"
    if content == sound:
        return SAME, ""
    return (SILENT if must_notice else DIFFERENT), ""


def main() -> None:
    """Read numbers, and answer each with a line."""
    folder, seed = Path(sys.argv[1]), int(sys.argv[2])
    replies = os.fdopen(os.dup(1), "w")
    null_device = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null_device, 1)
    os.dup2(null_device, 2)
    warnings.simplefilter("ignore")
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, resource.RLIM_INFINITY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory(dir=folder) as place:
        sound = Path(place) / "sound"
        shutil.copytree(folder / "records", sound)
        names = sys.argv[3:]
        targets = tuple(target for target in make_targets(sound) if not names or target.name in names)
        contents = {target.name: digest(target.read(sound / target.name)) for target in targets}
        replies.write("ready\n")
        replies.flush()
        for line in sys.stdin:
            number = int(line)
            replies.write(json.dumps(_attempt(number, seed, targets, contents, sound)) + "\n")
            replies.flush()


def _attempt(
    number: int, seed: int, targets: tuple[Target, ...], contents: dict[str, str], sound: Path
) -> dict[str, Any]:
    target, random = targets[number % len(targets)], Random(f"{seed} {number}")
    spoilt = sound.parent / "spoilt"
    shutil.rmtree(spoilt, ignore_errors=True)
    spoilt.mkdir()
    names = {target.name, *target.covered, "fixed.nrrd", "moving.nrrd"}
    for name in names:
        if (sound / name).is_dir():
            shutil.copytree(sound / name, spoilt / name)
        elif (sound / name).is_file():
            shutil.copy(sound / name, spoilt / name)
    must_notice = damage(target, spoilt, random)
    outcome, detail = outcome_of(target, contents[target.name], spoilt / target.name, must_notice)
    if _peak_bytes() > RESIDENT_BYTES:
        outcome = MEMORY
    return {"number": number, "target": target.name, "outcome": outcome, "detail": detail}


def _peak_bytes() -> int:
    """Most memory of this process that was ever resident; Linux counts that of its parent in `ru_maxrss`, too."""
    status = Path("/proc/self/status")
    peak = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.exists() else None
    return 1024 * (int(peak[1]) if peak else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


if __name__ == "__main__":
    main()
