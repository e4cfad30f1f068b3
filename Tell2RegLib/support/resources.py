"""Where the project's data files are: the catalogue of models, the demo weights.

In the source tree they lie in `Resources`, beside `Tell2RegLib`; an installed library, from a wheel or in Slicer, has
them inside the package, as `Tell2RegLib/Resources`.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from Tell2RegLib.errors import InputError, ResourceError

MARK = "Models.json"
"""The file by which the folder is known."""


def resource_path(name: str) -> Path:
    """The path of a data file, which need not exist.

    Args:
        name: relative to the folder, with forward slashes: "DemoWeights/detector.safetensors".

    Raises:
        InputError: the name leads out of the folder.
        ResourceError: the folder is not there.
    """
    parts = PurePosixPath(name).parts
    if not parts or PurePosixPath(name).is_absolute() or ".." in parts or "\\" in name or ":" in name:
        raise InputError(f"'{name}' is not the name of a file among Tell2Reg's resources.")
    return resource_folder().joinpath(*parts)


def resource_folder(package: Path | None = None) -> Path:
    """The folder of the data files.

    Args:
        package: the folder of the package; this one's, unless told otherwise.

    Raises:
        ResourceError: neither the source tree nor the installation has it.
    """
    package = package or Path(__file__).resolve().parents[1]
    for folder in (package / "Resources", package.parent / "Resources"):
        if (folder / MARK).is_file():
            return folder
    raise ResourceError(f"Tell2Reg's data files are missing from '{package}'. Install it again.")
