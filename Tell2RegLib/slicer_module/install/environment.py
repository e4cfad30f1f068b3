"""The Python environment of this process: installed packages, loaded packages, and the folder for new ones."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import shutil
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

WINDOWS_PATH = 259
"""Longest path in characters that Windows allows without long-path support, which Slicer does not enable."""


@dataclass(frozen=True)
class PackagesFolder:
    """A folder into which packages are installed.

    Args:
        folder: where.
        free_mb: space left there.
        writable: whether this user may write there.
        longest_path: characters that a path may have in all; None where there is no such limit.
    """

    folder: Path
    free_mb: float
    writable: bool
    longest_path: int | None = None

    def has_room_for(self, characters: int) -> bool:
        """Whether the folder allows a file path with this number of additional characters."""
        return self.longest_path is None or len(str(self.folder)) + 1 + characters <= self.longest_path


def installed_versions() -> dict[str, str]:
    """The version of every installed package, by its canonical name; read from the disk, nothing is imported."""
    importlib.invalidate_caches()
    versions: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        header = _header(distribution)
        if header.get("Name"):
            versions.setdefault(canonicalize_name(header["Name"]), header.get("Version", ""))
    return versions


def _header(package: importlib.metadata.Distribution) -> dict[str, str]:
    """The fields of a package's metadata; to parse the descriptions too takes a second for some hundred packages."""
    text = package.read_text("METADATA") or package.read_text("PKG-INFO") or ""
    lines = (line.partition(": ") for line in text.partition("\n\n")[0].splitlines())
    fields: dict[str, str] = {}
    for name, colon, value in lines:
        if colon:
            fields.setdefault(name, value.strip())
    return fields


def loaded_packages() -> set[str]:
    """Canonical names of the installed packages from which this process has imported modules."""
    owners = importlib.metadata.packages_distributions()
    loaded = {name.partition(".")[0] for name in sys.modules}
    return {canonicalize_name(owner) for name in loaded for owner in owners.get(name, ())}


def packages_folder() -> PackagesFolder:
    """The folder in which this Python installs packages."""
    folder = Path(sysconfig.get_path("purelib"))
    existing = next((path for path in (folder, *folder.parents) if path.is_dir()), folder)
    longest = WINDOWS_PATH if os.name == "nt" else None
    return PackagesFolder(folder, shutil.disk_usage(existing).free / 1e6, _can_write(existing), longest)


def _can_write(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
