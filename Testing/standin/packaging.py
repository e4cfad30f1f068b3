"""The module `slicer.packaging` of Slicer 5.12: pip calls are kept and answered by the test, nothing is installed.

standin.pip.present = {"torch"}        these are installed
standin.pip.exit_code = 1              the next calls fail
standin.pip.lines = ["Collecting ..."]  what pip says
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CalledProcessError
from types import ModuleType
from typing import Any

from packaging.requirements import Requirement

from Testing.standin.pythonqt import single_shot


@dataclass
class Pip:
    """What was asked of pip, and what it answers."""

    calls: list[dict[str, Any]] = field(default_factory=list)
    present: set[str] | None = None
    exit_code: int = 0
    lines: list[str] = field(default_factory=list)
    running: bool = False

    def clear(self) -> None:
        self.__init__()  # type: ignore[misc]


pip = Pip()


def load_requirements(path: str | Path) -> list[Requirement]:
    """The requirements of a file, without comments and options."""
    lines = (line.split(" #")[0].strip() for line in Path(path).read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]


def _all_of(requirements: Any) -> list[Requirement]:
    many = [requirements] if isinstance(requirements, str | Requirement) else requirements
    return [item if isinstance(item, Requirement) else Requirement(item) for item in many]


def pip_check(requirements: Any) -> bool:
    """Whether all are installed: `pip.present` says so, or without it what really is."""
    for requirement in _all_of(requirements):
        if requirement.marker and not requirement.marker.evaluate():
            continue
        if pip.present is not None:
            if requirement.name not in pip.present:
                return False
            continue
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            return False
        if not requirement.specifier.contains(version, prereleases=True):
            return False
    return True


def isPipInstallInProgress() -> bool:
    return pip.running


def pip_install(
    requirements: str | Sequence[str],
    constraints: Any = None,
    no_deps_requirements: Any = None,
    skip_packages: Any = None,
    blocking: bool = True,
    show_progress: bool = True,
    requester: str | None = None,
    logCallback: Callable[[str], None] | None = None,
    completedCallback: Callable[[int], None] | None = None,
) -> Any:
    """Keep the call. Not blocking: the lines and the exit code come with the next events."""
    pip.calls.append(
        {"what": "install", "requirements": requirements, "constraints": constraints, "skip_packages": skip_packages}
        | {"no_deps_requirements": no_deps_requirements, "blocking": blocking, "requester": requester}
    )
    if blocking:
        if pip.exit_code:
            raise CalledProcessError(pip.exit_code, ["pip", "install"])
        return None
    pip.running = True

    def ended() -> None:
        pip.running = False
        for line in pip.lines:
            if logCallback:
                logCallback(line)
        if completedCallback:
            completedCallback(pip.exit_code)

    single_shot(0, ended)
    return None


def pip_uninstall(requirements: Any, **options: Any) -> None:
    pip.calls.append({"what": "uninstall", "requirements": requirements, **options})


def pip_ensure(
    requirements: Any,
    constraints: Any = None,
    skip_packages: Any = None,
    prompt_install: bool = True,
    prompt_restart: bool = True,
    requester: str | None = None,
    skip_in_testing: bool = True,
    show_progress: bool = True,
) -> None:
    """Install what is missing, after a question unless `prompt_install` is False.

    Raises:
        RuntimeError: the person declined.
    """
    import slicer

    missing = [str(item) for item in _all_of(requirements) if not pip_check(item)]
    if not missing or (skip_in_testing and slicer.app.testingEnabled()):
        return
    if prompt_install and not slicer.util.confirmOkCancelDisplay(f"Install {', '.join(missing)}?"):
        raise RuntimeError("User declined package installation")
    pip_install(missing, constraints=constraints, skip_packages=skip_packages, requester=requester)


def as_module() -> ModuleType:
    """As `slicer.packaging`."""
    module = ModuleType("slicer.packaging", __doc__)
    for function in (load_requirements, pip_check, isPipInstallInProgress, pip_install, pip_uninstall, pip_ensure):
        setattr(module, function.__name__, function)
    return module
