"""The install flow: what is missing, what it costs, and the steps in an order that leaves Slicer's own packages alone.

Nothing runs before a person has seen `InstallPlan.dialog_text` and agreed. What reaches outside is an `Installer`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from Tell2RegLib.errors import Cancelled, ResourceError, Tell2RegError
from Tell2RegLib.slicer_module.install.environment import PackagesFolder
from Tell2RegLib.slicer_module.install.requirements import (
    LONGEST_IN_PYTORCH,
    LONGEST_IN_SOME_PYTORCH,
    PYTORCH,
    WITHOUT_LONG_PATHS,
    Needed,
    Package,
    packages,
)

SLICERS_OWN = ("numpy", "scipy", "simpleitk", "vtk")
"""Slicer's packages that must not change; one that pip does not know is not replaced either."""
ALSO_CONSTRAINED = ("pillow", "torch", "torchvision")
"""Packages that keep their version once installed."""
PYTORCH_MB = (250, 3000)
"""Download size of PyTorch with torchvision in MB: CPU build, NVIDIA build."""
PYTORCH_DISK_MB = (1200, 7500)
"""Unpacked size of PyTorch in MB: CPU build, NVIDIA build."""
UNPACKED = 4
"""Approximate ratio of unpacked size to download size of the other packages."""
LONG_PATHS_TEXT = (
    "PyTorch 2.13 and 2.14 are excluded: in that folder, the paths of their files would be too long for Windows."
)
EXTENSION_BY_HAND = (
    "open the Extensions Manager, install the extension PyTorch, restart Slicer, and press Install again"
)


class InstallFailed(ResourceError):
    """A step of the install did not work.

    Args:
        message: a sentence for the user.
        detail: what pip or Slicer said.
    """

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


class Installer(Protocol):
    """What reaches outside: Slicer's is `slicer_installer.SlicerInstaller`. Its steps raise `InstallFailed`."""

    def versions(self) -> Mapping[str, str]:
        """Every installed package by canonical name."""

    def loaded(self) -> set[str]:
        """Canonical names of the packages that this process uses already."""

    def destination(self) -> PackagesFolder:
        """Where packages go."""

    def has_extension(self) -> bool:
        """Whether Slicer's PyTorch extension is loaded."""

    def add_extension(self) -> None:
        """Install Slicer's PyTorch extension; it is there after a restart."""

    def install_pytorch(self, requirements: Sequence[str], constraints: Path, on_log: Callable[[str], None]) -> None:
        """Install PyTorch for this computer, through the extension."""

    def pip_install(
        self, requirements: Sequence[str], constraints: Path, alone: bool, on_log: Callable[[str], None]
    ) -> None:
        """Install packages; `alone`: without what they ask for."""


@dataclass(frozen=True)
class InstallPlan:
    """The plan of an installation.

    Args:
        packages: all that are needed, PyTorch first, with the versions that are there.
        destination: the folder into which they are installed.
        has_extension: whether Slicer's PyTorch extension is loaded.
    """

    packages: tuple[Package, ...]
    destination: PackagesFolder
    has_extension: bool

    @property
    def missing(self) -> tuple[Package, ...]:
        """The packages to install."""
        return tuple(package for package in self.packages if not package.is_installed)

    @property
    def pytorch(self) -> tuple[Package, ...]:
        """The missing ones that come through Slicer's PyTorch extension."""
        return tuple(package for package in self.missing if str(package.needed.requirement) in PYTORCH)

    @property
    def long_paths(self) -> bool:
        """Whether the folder leaves too little room for the paths of some builds of PyTorch."""
        return bool(self.pytorch) and not self.destination.has_room_for(LONGEST_IN_SOME_PYTORCH)

    @property
    def pytorch_requirements(self) -> tuple[str, ...]:
        """The requirements passed to the PyTorch extension."""
        return WITHOUT_LONG_PATHS if self.long_paths else PYTORCH

    @property
    def pip_packages(self) -> tuple[Package, ...]:
        """The missing ones that pip installs, with what they ask for first, those without it last."""
        remaining = [package for package in self.missing if package not in self.pytorch]
        return tuple(sorted(remaining, key=lambda package: package.needed.alone))

    @property
    def needs_extension(self) -> bool:
        """Whether the PyTorch extension has to come first, and a restart with it."""
        return bool(self.pytorch) and not self.has_extension

    @property
    def download_mb(self) -> tuple[int, int]:
        """Approximate download size in MB, minimum and maximum."""
        other_mb = sum(package.needed.megabytes for package in self.pip_packages)
        low, high = PYTORCH_MB if self.pytorch else (0, 0)
        return other_mb + low, other_mb + high

    @property
    def disk_mb(self) -> tuple[int, int]:
        """Approximate size on disk in MB, minimum and maximum."""
        other_mb = UNPACKED * sum(package.needed.megabytes for package in self.pip_packages)
        low, high = PYTORCH_DISK_MB if self.pytorch else (0, 0)
        return other_mb + low, other_mb + high

    @property
    def problem(self) -> str:
        """Why the plan cannot be carried out, one sentence; empty if it can."""
        if not self.missing:
            return ""
        if not self.destination.writable:
            return (
                f"You may not write to '{self.destination.folder}', where Slicer stores its packages: install Slicer "
                "in a folder of your own, or ask your administrator."
            )
        if self.destination.free_mb < self.disk_mb[0]:
            return (
                f"'{self.destination.folder}' has {_size(self.destination.free_mb)} of free space, but at least "
                f"{_size(self.disk_mb[0])} is needed: free some space and try again."
            )
        if self.pytorch and not self.destination.has_room_for(LONGEST_IN_PYTORCH):
            return (
                f"Windows limits paths to {self.destination.longest_path} characters, and the folder of Slicer's "
                f"packages, '{self.destination.folder}', leaves too few for PyTorch: install Slicer in a folder with a "
                "shorter "
                "name, C:\\Slicer for example."
            )
        return ""

    @property
    def dialog_text(self) -> str:
        """The text of the consent dialog: packages, sizes, folder, and that Slicer's packages do not change."""
        lines = ["Tell2Reg needs packages that Slicer does not have yet.", ""]
        if self.needs_extension:
            lines.append("- Slicer's extension PyTorch, first; Slicer must then be restarted")
        if self.pytorch:
            names = " and ".join(package.needed.name for package in self.pytorch)
            lines.append(f"- {names}, through Slicer's extension PyTorch: {_range(PYTORCH_MB)}")
        if self.pip_packages:
            names = ", ".join(package.needed.name for package in self.pip_packages)
            lines.append(f"- {names}: about {_size(sum(package.needed.megabytes for package in self.pip_packages))}")
        lines += [
            "",
            f"Download: {_range(self.download_mb)}. Disk space: {_range(self.disk_mb)}.",
            f"Location: {self.destination.folder} ({_size(self.destination.free_mb)} free).",
            *([LONG_PATHS_TEXT] if self.long_paths else []),
            *(["The large figures are for a computer with an NVIDIA GPU."] if self.pytorch else []),
            "Slicer's own packages (numpy, scipy, SimpleITK, vtk) are not changed.",
            "No image leaves this computer, and no model is downloaded now.",
        ]
        return "\n".join(lines)


@dataclass(frozen=True)
class InstallOutcome:
    """The outcome of an installation.

    Args:
        done: whether everything is there and works.
        message: one or two sentences for the user.
        detail: what pip said, where it failed.
        restart: whether Slicer has to be restarted.
        go_on: whether the install has to be asked for again after that restart.
    """

    done: bool
    message: str
    detail: str = ""
    restart: bool = False
    go_on: bool = False


Verify = Callable[[], Sequence[tuple[str, str]]]
"""Imports everything in a process of its own; gives what cannot be used and why, or raises a Tell2RegError."""


def plan_install(needed: Sequence[Needed], installer: Installer) -> InstallPlan:
    """Plan the installation of missing packages, without changing anything."""
    required = packages(tuple(needed), installer.versions())
    return InstallPlan(required, installer.destination(), installer.has_extension())


def install(
    plan: InstallPlan,
    installer: Installer,
    verify: Verify,
    *,
    on_step: Callable[[str, int, int], None] = lambda title, done, total: None,
    on_log: Callable[[str], None] = lambda line: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> InstallOutcome:
    """Install the missing packages of a plan, step by step; requires the user's consent.

    A step that runs is never cut off, since that would leave half a package: cancelling works before each.

    Args:
        plan: as of `plan_install`.
        installer: what reaches outside.
        verify: see `Verify`.
        on_step: told before each step: what it is, how many are done, how many there are.
        on_log: told what pip says, line by line.
        is_cancelled: asked before each step.
    """
    if plan.problem:
        return InstallOutcome(False, plan.problem)
    before, loaded = dict(installer.versions()), installer.loaded()
    steps = _steps(plan, installer, on_log)
    try:
        for done, (title, act) in enumerate(steps):
            if is_cancelled():
                raise Cancelled(
                    "The installation was cancelled; packages installed so far stay. Press Install to continue."
                )
            on_step(title, done, len(steps) + 1)
            act()
    except (InstallFailed, Cancelled) as error:
        changed = _changed(before, installer.versions())
        return InstallOutcome(False, " ".join(filter(None, (str(error), changed))), getattr(error, "detail", ""))
    if plan.needs_extension:
        message = (
            "Slicer's extension PyTorch is installed. Restart Slicer and press Install again for the other packages."
        )
        return InstallOutcome(False, message, restart=True, go_on=True)
    on_step("Checking the installed packages", len(steps), len(steps) + 1)
    try:
        unusable = verify()
    except Tell2RegError as error:
        unusable = [("the worker", str(error))]
    return _judged(before, dict(installer.versions()), loaded, unusable)


def constraints_text(versions: Mapping[str, str]) -> str:
    """A constraints file for pip that keeps what Slicer has.

    Args:
        versions: installed now, by canonical name.
    """
    pinned = [f"{name}=={versions[name]}" if name in versions else f"{name}<0" for name in SLICERS_OWN]
    return "\n".join([*pinned, *(f"{name}=={versions[name]}" for name in ALSO_CONSTRAINED if name in versions), ""])


# --- the steps ---


def _steps(
    plan: InstallPlan, installer: Installer, on_log: Callable[[str], None]
) -> list[tuple[str, Callable[[], None]]]:
    if plan.needs_extension:
        return [("Installing Slicer's extension PyTorch", installer.add_extension)]
    steps: list[tuple[str, Callable[[], None]]] = []
    if plan.pytorch:
        requirements = plan.pytorch_requirements
        steps.append(
            (
                "Installing PyTorch, which takes several minutes",
                lambda: _install_pytorch(installer, requirements, on_log),
            )
        )
    for alone in (False, True):
        names = [str(package.needed.requirement) for package in plan.pip_packages if package.needed.alone == alone]
        if names:
            title = f"Installing {'packages without their dependencies' if alone else 'packages'}: {len(names)}"
            steps.append((title, partial(_pip, installer, names, alone, on_log)))
    return steps


def _install_pytorch(installer: Installer, requirements: Sequence[str], on_log: Callable[[str], None]) -> None:
    versions_before = {
        name: version for name, version in installer.versions().items() if name not in {"torch", "torchvision"}
    }
    with _constraints(versions_before) as folder:
        installer.install_pytorch(requirements, Path(folder) / "constraints.txt", on_log)


def _pip(installer: Installer, names: Sequence[str], alone: bool, on_log: Callable[[str], None]) -> None:
    with _constraints(installer.versions()) as folder:
        installer.pip_install(names, Path(folder) / "constraints.txt", alone, on_log)


def _constraints(versions: Mapping[str, str]) -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(prefix="tell2reg-install-", ignore_cleanup_errors=True)
    (Path(folder.name) / "constraints.txt").write_text(constraints_text(versions), encoding="utf-8")
    return folder


# --- how it ended ---


def _judged(
    before: Mapping[str, str], after: Mapping[str, str], loaded: set[str], unusable: Sequence[tuple[str, str]]
) -> InstallOutcome:
    restart = any(name in loaded and after.get(name, version) != version for name, version in before.items())
    changed = _changed(before, after)
    if changed:
        return InstallOutcome(False, changed, restart=True)
    if unusable:
        names = ", ".join(name for name, _ in unusable)
        detail = "\n".join(f"{name}: {reason}" for name, reason in unusable)
        message = f"The packages are installed, but {names} cannot be used: restart Slicer and press Install again."
        return InstallOutcome(False, message, detail, restart=True)
    if restart:
        message = "All packages are installed and can be loaded. Restart Slicer: a package that it uses was updated."
        return InstallOutcome(True, message, restart=True)
    return InstallOutcome(True, "All packages are installed and can be loaded.")


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """A sentence that lists changed packages of Slicer; empty if none changed."""
    changed = [name for name in SLICERS_OWN if after.get(name) != before.get(name)]
    if not changed:
        return ""
    listed = ", ".join(f"{name} from {before.get(name, 'its own')} to {after.get(name, 'none')}" for name in changed)
    back = " ".join(f"{name}=={before[name]}" for name in changed if name in before)
    remedy = f"slicer.util.pip_install('{back}')" if back else f"slicer.util.pip_uninstall('{' '.join(changed)}')"
    return f"A package of Slicer was replaced ({listed}): enter {remedy} in the Python console and restart Slicer."


# --- sizes in words ---


def _size(megabytes: float) -> str:
    return f"{megabytes / 1000:.1f} GB" if megabytes >= 1000 else f"{megabytes:.0f} MB"


def _range(megabytes: tuple[int, int]) -> str:
    low, high = (_size(value) for value in megabytes)
    return f"about {low}" if low == high else f"{low} to {high}"
