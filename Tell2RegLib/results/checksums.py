"""SHA-256 of the files of a result, in the format of the command sha256sum, and their verification."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from Tell2RegLib.errors import InputError
from Tell2RegLib.support.complete_file import write_text

CHECKSUMS = "SHA256SUMS"
"""The file of checksums; `sha256sum -c SHA256SUMS` verifies the folder without Tell2Reg."""
LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")


def write_checksums(folder: Path) -> None:
    """Write the checksums of all files in a folder.

    Raises:
        OutputError: they cannot be written.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / CHECKSUMS)
    lines = [f"{_sha256(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
    write_text(folder / CHECKSUMS, "".join(lines))


def check_files(folder: Path, names: Iterable[str]) -> None:
    """Compare files with their checksums; nothing to compare in folders of versions that wrote none.

    Raises:
        InputError: a file is not as it was written.
    """
    path = folder / CHECKSUMS
    if not path.is_file():
        return
    matches = [LINE.fullmatch(line) for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
    checksums = {match[2]: match[1] for match in matches if match}
    for name in names:
        file = folder / name
        if file.is_file() and checksums.get(name) != _sha256(file):
            raise InputError(
                f"'{file}' is not as it was written: its SHA-256 differs from the one in {CHECKSUMS}. "
                "Use an intact copy of the result, or register again."
            )


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
