"""An installer for an ordinary Python: pip in a process, and pip too for what Slicer's PyTorch extension would do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from Tell2RegLib.slicer_module.install.environment import (
    PackagesFolder,
    installed_versions,
    loaded_packages,
    packages_folder,
)
from Tell2RegLib.slicer_module.install.install_plan import InstallFailed


class PlainInstaller:
    """An `install.Installer` for the Python that runs."""

    def versions(self) -> dict[str, str]:
        return installed_versions()

    def loaded(self) -> set[str]:
        return loaded_packages()

    def destination(self) -> PackagesFolder:
        return packages_folder()

    def has_extension(self) -> bool:
        return True

    def add_extension(self) -> None:
        raise InstallFailed("There is no Slicer here.")

    def install_pytorch(self, requirements: Sequence[str], constraints: Path, on_log: Callable[[str], None]) -> None:
        self.pip_install(requirements, constraints, False, on_log)

    def pip_install(
        self, requirements: Sequence[str], constraints: Path, alone: bool, on_log: Callable[[str], None]
    ) -> None:
        command = [sys.executable, "-m", "pip", "install", "-c", str(constraints), *requirements]
        command += ["--no-deps"] if alone else []
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        for line in done.stdout.splitlines():
            on_log(line)
        if done.returncode != 0:
            raise InstallFailed(f"{', '.join(requirements)} could not be installed.", done.stdout)
