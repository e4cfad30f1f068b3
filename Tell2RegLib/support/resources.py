"""Locates the project's data files: the catalogue of models, the demo weights.

In the source tree they are in `Resources`, next to `Tell2RegLib`; an installed library, from a wheel or in Slicer, has
them inside the package, as `Tell2RegLib/Resources`.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from Tell2RegLib.errors import InputError, ResourceError

MARK = "Models.json"
"""The file that identifies the folder."""


def resource_path(name: str) -> Path:
    """The path of a data file, which need not exist.

    Args:
        name: relative to the folder, with forward slashes: "DemoWeights/detector.safetensors".

    Raises:
        InputError: the name points outside the folder.
        ResourceError: the folder is missing.
    """
    path_parts = PurePosixPath(name).parts
    if not path_parts or PurePosixPath(name).is_absolute() or ".." in path_parts or "\\" in name or ":" in name:
        raise InputError(f"'{name}' is not the name of a file among Tell2Reg's resources.")
    return resource_folder().joinpath(*path_parts)


def resource_folder(package: Path | None = None) -> Path:
    """The folder of the data files.

    Args:
        package: the folder of the package; by default that of this library.

    Raises:
        ResourceError: neither the source tree nor the installation has it.
    """
    package = package or Path(__file__).resolve().parents[1]
    for folder in (package / "Resources", package.parent / "Resources"):
        if (folder / MARK).is_file():
            return folder
    raise ResourceError(f"Tell2Reg's data files are missing from '{package}'. Install it again.")
