"""Three attacks on a process that writes an output: a kill, a full disk, and a second run at the same time.

Writers are forked, so that each starts at once; the process that forks them writes and reads no image itself.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from Tell2RegLib.errors import Tell2RegError
from Testing.Reliability.outputs import Output, fingerprint

FAILED, REFUSED = 99, 1
"""Exit codes of a forked process: any other exception, and an error that is told to the user."""


def forked(job: Callable[[], int | None]) -> int:
    """Run a job in a forked process that prints nothing; returns its process ID."""
    pid = os.fork()
    if pid:
        return pid
    code = FAILED
    try:
        null_device = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null_device, 1)
        os.dup2(null_device, 2)
        code = job() or 0
    except Tell2RegError:
        code = REFUSED
    finally:
        os._exit(code)


def ended(pid: int) -> int:
    """The exit code of a forked process; the negative number of a signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def content_of(output: Output, path: Path) -> int | None:
    """The number of the whole content at a path; None if it is damaged or missing."""
    code = ended(forked(lambda: 10 + output.content(path)))
    return code - 10 if code in (10, 11) else None


def leftovers(folder: Path, output: Output) -> list[str]:
    """What lies beside an output that is not part of it."""
    data = (".raw", ".raw.gz", ".zraw")
    names = [path.name for path in folder.iterdir() if path.name != output.name]
    return [name for name in names if not (name.startswith("scan") and name.endswith(data))] + names[1:]


def kill(output: Output, folder: Path, random: Random) -> str:
    """Kill a process at a random moment while it replaces an output.

    Returns:
        "" if the old or the new output is there, whole, and the next run leaves nothing else behind; otherwise what is
        wrong.
    """
    path = folder / output.name
    if content_of(output, path) is None and ended(forked(lambda: output.write(0, path))):
        return "the first output could not be written"
    begin = time.perf_counter()
    ended(forked(lambda: output.write(0, path)))
    duration_s = time.perf_counter() - begin
    pid = forked(lambda: output.write(1, path))
    time.sleep(random.uniform(0, 1.1 * duration_s))
    os.kill(pid, signal.SIGKILL)
    ended(pid)
    if content_of(output, path) is None:
        return f"{output.name} is lost after a kill"
    if ended(forked(lambda: output.write(0, path))) or content_of(output, path) != 0:
        return f"{output.name} cannot be written after a kill"
    remaining = leftovers(folder, output)
    return f"left after a kill: {remaining}" if remaining else ""


def fill_disk(output: Output, folder: Path, random: Random, on_tmpfs: bool) -> str:
    """Let the disk fill up at a random byte while an output is replaced.

    Returns:
        "" if the error was told and every file is as it was; otherwise what is wrong.
    """
    with _small_disk(folder, on_tmpfs) as disk:
        path = disk / output.name
        if ended(forked(lambda: output.write(0, path))):
            return "the first output could not be written"
        before = fingerprint(disk)
        sizes = [file.stat().st_size for file in disk.rglob("*") if file.is_file()]
        room = random.randrange(0, int(0.95 * (sum(sizes) if on_tmpfs else max(sizes))))
        if on_tmpfs:
            _fill(disk, room)
            before = fingerprint(disk)
            pid = forked(lambda: output.write(1, path))
        else:
            pid = forked(lambda: _limited(room, lambda: output.write(1, path)))
        code = ended(pid)
        after = fingerprint(disk)
    if code == 0:
        return f"{output.name} was written with room for {room} bytes"
    if code != REFUSED:
        return f"{output.name} ended with {code} on a full disk"
    return "" if after == before else f"{output.name} changed on a full disk: {sorted(set(after) ^ set(before))}"


@contextmanager
def _small_disk(folder: Path, on_tmpfs: bool) -> Iterator[Path]:
    disk = folder / "disk"
    disk.mkdir(exist_ok=True)
    if not on_tmpfs:
        yield disk
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def can_mount(folder: Path) -> bool:
    """Whether this user may mount a small disk."""
    try:
        with _small_disk(folder, on_tmpfs=True):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def _fill(disk: Path, room_bytes: int) -> None:
    about = os.statvfs(disk)
    with (disk / "filling").open("wb") as stream:
        stream.write(bytes(max(0, about.f_bavail * about.f_frsize - room_bytes)))


def _limited(size_bytes: int, job: Callable[[], None]) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, resource.RLIM_INFINITY))
    job()


def run_two(output: Output, folder: Path, random: Random) -> str:
    """Let two processes write one output at the same time, over an old one or without.

    Returns:
        "" if every run that reported success, or named another place, left its whole output; otherwise what is wrong.
    """
    path = folder / output.name
    if random.random() < 0.5 and ended(forked(lambda: output.write(0, path))):
        return "the first output could not be written"
    pids = []
    for _ in range(2):
        pids.append(forked(lambda: output.write(1, path)))
        time.sleep(random.uniform(0, 0.02))
    codes = [ended(pid) for pid in pids]
    whole = [file for file in (path, folder / f"{output.name}-2") if content_of(output, file) == 1]
    succeeded, refused = codes.count(0), codes.count(REFUSED)
    if succeeded + refused < 2 or not succeeded or path not in whole:
        return f"{output.name}: two runs ended with {codes} and left {[file.name for file in whole]}"
    if output.name == "result" and refused and len(whole) < 2 and (folder / f"{output.name}-2").exists():
        return "the second result is damaged"
    hidden = [file.name for file in folder.iterdir() if file.name.startswith(".")]
    return f"left by two runs: {hidden}" if hidden else ""
