"""Installs packages inside Slicer with its PyTorch extension and its pip; only after the user's consent."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from subprocess import CalledProcessError

from packaging.requirements import Requirement

from Tell2RegLib.slicer_module.install.environment import (
    PackagesFolder,
    installed_versions,
    loaded_packages,
    packages_folder,
)
from Tell2RegLib.slicer_module.install.install_failures import whatToDo
from Tell2RegLib.slicer_module.install.install_plan import EXTENSION_BY_HAND, InstallFailed

GO_ON = "Tell2Reg/InstallAfterRestart"
LINES_IN_ERROR = 200
"""Number of lines of pip's output shown after a failure."""


class SlicerInstaller:
    """The `Installer` for the running Slicer."""

    def versions(self) -> dict[str, str]:
        """Every installed package by canonical name."""
        return installed_versions()

    def loaded(self) -> set[str]:
        """Canonical names of the packages that this Slicer uses already."""
        return loaded_packages()

    def destination(self) -> PackagesFolder:
        """Where Slicer keeps its packages."""
        return packages_folder()

    def has_extension(self) -> bool:
        """Whether the PyTorch extension is loaded."""
        return importlib.util.find_spec("PyTorchUtils") is not None

    def add_extension(self) -> None:
        """Install the PyTorch extension; it is there after a restart.

        Raises:
            InstallFailed: this Slicer has no Extensions Manager, or it did not get the extension.
        """
        import slicer

        model = getattr(slicer.app, "extensionsManagerModel", lambda: None)()
        if model is None:
            raise InstallFailed("This Slicer has no Extensions Manager: use one from the download page of Slicer.")
        wasInteractive, model.interactive = model.interactive, False  # the person has agreed already
        try:
            installed = model.installExtensionFromServer("PyTorch", False)
        finally:
            model.interactive = wasInteractive
        if not installed:
            raise InstallFailed(f"Slicer's extension PyTorch could not be installed: {EXTENSION_BY_HAND}.")

    def install_pytorch(self, requirements: Sequence[str], constraints: Path, on_log: Callable[[str], None]) -> None:
        """Have the extension install PyTorch for this computer.

        Raises:
            InstallFailed: the extension could not do it.
        """
        import PyTorchUtils

        torch, torchvision = (str(Requirement(text).specifier) for text in requirements)
        on_log("PyTorch: the extension chooses the build for this computer.")
        collector = LogCollector(on_log)
        with _pip_settings(constraints), redirect_stdout(collector):
            try:
                PyTorchUtils.PyTorchUtilsLogic().installTorch(
                    askConfirmation=False, torchVersionRequirement=torch, torchvisionVersionRequirement=torchvision
                )
            except (CalledProcessError, RuntimeError, OSError, ImportError, ValueError) as error:
                raise collector.failure("PyTorch could not be installed.", error) from error

    def pip_install(
        self, requirements: Sequence[str], constraints: Path, alone: bool, on_log: Callable[[str], None]
    ) -> None:
        """Install packages with Slicer's pip; `alone`: without what they ask for.

        Raises:
            InstallFailed: pip failed, or is busy for another module.
        """
        collector = LogCollector(on_log)
        arguments = [*(["--no-deps"] if alone else []), *requirements]
        with _pip_settings(constraints):
            try:
                _run_pip(arguments, collector.addLine)
            except (CalledProcessError, RuntimeError, OSError) as error:
                raise collector.failure(f"{', '.join(requirements)} could not be installed.", error) from error


class LogCollector:
    """What pip says, line by line; as a stream in place of stdout it hears pip where Slicer only prints.

    Args:
        on_log: told every line.
    """

    def __init__(self, on_log: Callable[[str], None]) -> None:
        self._on_log, self._lines, self._begun = on_log, list[str](), ""
        self._console = sys.stdout

    def addLine(self, line: str) -> None:
        """Store a line and forward it."""
        self._lines.append(line)
        self._on_log(line)

    def write(self, text: str) -> int:
        """Stream interface: store printed text and forward it to the console."""
        self._console.write(text)
        *lines, self._begun = (self._begun + text).split("\n")
        for line in filter(str.strip, lines):
            self.addLine(line)
        return len(text)

    def flush(self) -> None:
        """Stream interface."""
        self._console.flush()

    def failure(self, message: str, error: BaseException) -> InstallFailed:
        """The error for the user: what failed, the remedy, and pip's output."""
        lines = [*self._lines[-LINES_IN_ERROR:], *filter(None, [self._begun]), str(error)]
        return InstallFailed(f"{message} {whatToDo(lines)}", "\n".join(lines))


def rememberToGoOn(goOn: bool) -> None:
    """Remember whether to continue the installation after the required restart."""
    import slicer

    slicer.app.userSettings().setValue(GO_ON, int(goOn))


def shouldGoOn() -> bool:
    """Whether an installation is to continue after a restart."""
    import slicer

    return bool(int(slicer.app.userSettings().value(GO_ON, 0) or 0))


def _run_pip(arguments: Sequence[str], on_log: Callable[[str], None]) -> None:
    import slicer

    try:
        from slicer import packaging
    except ImportError:  # Slicer 5.10
        packaging = None
    if packaging is None or slicer.app.testingEnabled():  # in testing mode the callbacks are not called
        slicer.util.pip_install(list(arguments))
        return
    if packaging.isPipInstallInProgress():
        raise RuntimeError("Another module is installing packages: wait until it has finished.")
    ended: list[int] = []
    packaging.pip_install(
        list(arguments), blocking=False, show_progress=False, logCallback=on_log, completedCallback=ended.append
    )
    while not ended:
        _let_slicer_draw()
    if ended[0] != 0:
        raise CalledProcessError(ended[0], "pip install")


def _let_slicer_draw() -> None:
    import qt
    import slicer

    slicer.app.processEvents()
    qt.QThread.msleep(20)


@contextmanager
def _pip_settings(constraints: Path) -> Iterator[None]:
    """The constraints for whoever calls pip, the extension too; UTF-8 for packages that are built on Windows."""
    already = os.environ.get("PIP_CONSTRAINT", "")
    settings = {"PIP_CONSTRAINT": f"{already} {constraints.resolve().as_uri()}".strip(), "PYTHONUTF8": "1"}
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
