"""The provenance of a result: versions, device, inputs with their hashes, parameters, date."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from Tell2RegLib.support.version import __version__

PACKAGES = ("numpy", "scipy", "SimpleITK", "torch", "groundingdino-py", "segment-anything", "transformers")


def provenance(
    *,
    device: str,
    parameters: Mapping[str, Any],
    inputs: Mapping[str, Path],
    prompts: Sequence[str] = (),
    models: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Everything needed to repeat a registration, as plain values.

    Args:
        device: where it ran.
        parameters: the settings, by name.
        inputs: files or folders by the part they play ("fixed", "moving regions", ...).
        prompts: the words, when there were any.
        models: SHA-256 of the weights by their names, when there were any.
    """
    return {
        "versions": _versions(),
        "device": device,
        "models": dict(models or {}),
        "prompts": list(prompts),
        "parameters": dict(parameters),
        "inputs": [{"role": role, **_fingerprint(path)} for role, path in inputs.items()],
        "seed": None,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _versions() -> dict[str, str]:
    versions = {"tell2reg": __version__, "python": platform.python_version(), "system": platform.platform()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:  # Slicer's own build may carry no metadata
            versions[name] = "unknown"
    return versions


def _fingerprint(path: Path) -> dict[str, Any]:
    """Name, size and SHA-256 of a file; of a folder, over its files in order of their names."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    digest, size = hashlib.sha256(), 0
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
                size += len(block)
    return {"name": path.name, "bytes": size, "sha256": digest.hexdigest()}
