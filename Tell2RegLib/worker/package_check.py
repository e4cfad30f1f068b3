"""Checks that the packages needed for a run can be imported, by importing them."""

from __future__ import annotations

import platform
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType

from Tell2RegLib.worker.requests import CheckReply, Missing

DETECTOR = "groundingdino-py"
"""Some modules of this package need further packages; only those that the detector uses are imported."""
NEEDED = {
    "numpy": "numpy",
    "scipy": "scipy",
    "SimpleITK": "SimpleITK",
    "torch": "torch",
    "torchvision": "torchvision",
    "transformers": "transformers",
    "safetensors": "safetensors",
    "timm": "timm",
    "segment-anything": "segment_anything.modeling",
    DETECTOR: "groundingdino",
    "jinja2": "jinja2",
    "markupsafe": "markupsafe",
    "pillow": "PIL.Image",
    "contourpy": "contourpy",
    "filelock": "filelock",
    "platformdirs": "platformdirs",
}
"""Packages needed to find regions by prompts, fit and report, and the module of each that is imported."""


def check_packages(step: Callable[[int, int], None]) -> CheckReply:
    """Import all packages.

    Args:
        step: called with (done, total); raises `Cancelled` to stop.
    """
    versions, missing = {}, []
    for number, (package, module) in enumerate(NEEDED.items()):
        step(number, len(NEEDED))
        try:
            version = _imported(package, module)
        except Exception as error:  # a broken package may raise anything
            missing.append(Missing(package, f"{type(error).__name__}: {error}"))
            continue
        versions[package] = _version(package, version)
    step(len(NEEDED), len(NEEDED))
    return CheckReply(platform.python_version(), versions, tuple(missing))


def _imported(package: str, module: str) -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if package == DETECTOR:
            from Tell2RegLib.models.grounding_dino.network import import_package

            return import_package()
        return import_module(module)


def _version(package: str, module: object) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # Slicer's own build may carry no metadata
        return str(getattr(module, "__version__", "unknown"))
