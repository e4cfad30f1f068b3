"""The packages that Tell2Reg needs in Slicer's Python: requirements, download sizes, and installed versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from Tell2RegLib.errors import ResourceError

PYTORCH = ("torch>=2.2", "torchvision>=0.17")
"""Installed by Slicer's PyTorch extension, never by pip directly."""
WITHOUT_LONG_PATHS = ("torch>=2.2,!=2.13.*,!=2.14.*", PYTORCH[1])
"""The same without builds that keep licences in very deep folders (github.com/Slicer/light-the-torch/issues/176)."""
LONGEST_IN_PYTORCH, LONGEST_IN_SOME_PYTORCH = 135, 180
"""Characters of the longest path within PyTorch, and within the builds that `WITHOUT_LONG_PATHS` leaves out, about."""
NO_DEPENDENCIES_MARK = "# Without their dependencies"
"""How the comment starts that parts requirements.txt in two."""
DOWNLOAD_MB: Mapping[str, int] = {"transformers": 25, "typer": 4, "rich": 2, "timm": 3}
"""Download size of a package with its dependencies in MB, if larger than 1."""
FILES = (Path("Tell2Reg") / "Resources" / "requirements.txt", Path("Resources") / "requirements.txt")
"""Where the file lies beside Tell2RegLib: in the source tree, and installed, where the module's folder is the same."""


@dataclass(frozen=True)
class Needed:
    """A required package.

    Args:
        requirement: as pip reads it, "transformers<5,>=4.57".
        alone: whether it is installed without what it asks for.
    """

    requirement: Requirement
    alone: bool = False

    @property
    def name(self) -> str:
        """Its name in the package index, in small letters with hyphens."""
        return canonicalize_name(self.requirement.name)

    @property
    def megabytes(self) -> int:
        """Approximate download size in MB."""
        return DOWNLOAD_MB.get(self.name, 1)


@dataclass(frozen=True)
class Package:
    """A required package and its installed version.

    Args:
        needed: which, and how it is installed.
        version: installed now; empty when it is missing.
    """

    needed: Needed
    version: str = ""

    @property
    def is_installed(self) -> bool:
        """Whether a suitable version is installed."""
        return bool(self.version) and self.needed.requirement.specifier.contains(self.version, prereleases=True)

    @property
    def status(self) -> str:
        """A few words for the panel: "Installed 2.15.0", "Missing", "4.40.0, but <5,>=4.57 is needed"."""
        if self.is_installed:
            return f"Installed {self.version}"
        return f"{self.version}, but {self.needed.requirement.specifier} is needed" if self.version else "Missing"


def requirements_file() -> Path:
    """The module's requirements.txt.

    Raises:
        ResourceError: it is missing.
    """
    beside = Path(__file__).resolve().parents[3]
    for file in FILES:
        if (beside / file).is_file():
            return beside / file
    raise ResourceError(f"Tell2Reg's requirements.txt is missing from '{beside}'. Install the extension again.")


def read_requirements(path: Path) -> tuple[Needed, ...]:
    """The packages of such a file, in its order.

    Raises:
        ResourceError: a line that is no requirement.
    """
    requirements: list[Needed] = []
    alone = False
    for line in path.read_text(encoding="utf-8").splitlines():
        alone = alone or line.startswith(NO_DEPENDENCIES_MARK)
        text = line.partition("#")[0].strip()
        if text:
            requirements.append(Needed(_requirement(text, path), alone))
    return tuple(requirements)


def packages(needed: tuple[Needed, ...], versions: Mapping[str, str]) -> tuple[Package, ...]:
    """PyTorch, then the other required packages, each with its installed version.

    Args:
        needed: as of `read_requirements`.
        versions: what is installed, by canonical name.
    """
    pytorch = tuple(Needed(Requirement(text)) for text in PYTORCH)
    return tuple(
        Package(needed_package, versions.get(needed_package.name, "")) for needed_package in (*pytorch, *needed)
    )


def _requirement(text: str, path: Path) -> Requirement:
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        raise ResourceError(f"'{text}' in '{path}' is not a valid requirement. Install the extension again.") from error
