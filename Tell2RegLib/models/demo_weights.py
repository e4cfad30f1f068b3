"""Loads the project's small demo networks, trained only on the synthetic pelvis.

What a file needs besides its tensors stands in its safetensors metadata: "config", the fields of the network's config
as JSON, and for the detector "box_threshold" and "text_threshold", which were chosen with the weights.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from Tell2RegLib.errors import ModelError
from Tell2RegLib.models.checkpoint import read_tensors
from Tell2RegLib.models.grounding_dino.detector import GroundingDinoDetector
from Tell2RegLib.models.grounding_dino.network import DetectorConfig, build_tokenizer
from Tell2RegLib.models.sam.network import SegmenterConfig
from Tell2RegLib.models.sam.segmenter import SamSegmenter
from Tell2RegLib.support.resources import resource_path

FOLDER = "DemoWeights"


def demo_detector(device: str = "auto", **options: Any) -> GroundingDinoDetector:
    """The demo's GroundingDINO, with the thresholds of its weights.

    Args:
        device: see `inference.choose`.
        options: of `GroundingDinoDetector`; they win over the file's.

    Raises:
        ModelError: the weights are missing or damaged.
    """
    path = resource_path(f"{FOLDER}/detector.safetensors")
    about = read_metadata(path)
    thresholds: dict[str, Any] = {
        name: float(about[name]) for name in ("box_threshold", "text_threshold") if name in about
    }
    config = DetectorConfig.from_fields(_config(about, path))
    tokenizer = build_tokenizer(resource_path(f"{FOLDER}/vocab.txt"))
    arguments: dict[str, Any] = {
        "title": "Demo GroundingDINO",
        "source": f"'{path}'",
        "device": device,
        **thresholds,
        **options,
    }
    return GroundingDinoDetector.from_tensors(read_tensors(path), config, tokenizer, **arguments)


def demo_segmenter(device: str = "auto", **options: Any) -> SamSegmenter:
    """The demo's SAM; see `demo_detector`."""
    path = resource_path(f"{FOLDER}/segmenter.safetensors")
    config = SegmenterConfig.from_fields(_config(read_metadata(path), path))
    arguments: dict[str, Any] = {"title": "Demo SAM", "source": f"'{path}'", "device": device, **options}
    return SamSegmenter.from_tensors(read_tensors(path), config, **arguments)


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file.

    Raises:
        ModelError: it is missing or no such file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except FileNotFoundError as error:
        raise ModelError(f"The demo weights '{path}' are missing. Install Tell2Reg again.") from error
    except (SafetensorError, OSError) as error:
        raise ModelError(f"The demo weights '{path}' are damaged. Install Tell2Reg again.") from error


def _config(about: dict[str, str], path: Path) -> dict[str, Any]:
    try:
        fields = json.loads(about["config"])
    except (KeyError, ValueError) as error:
        raise ModelError(f"'{path}' does not say what network its weights are of. Install Tell2Reg again.") from error
    return dict(fields)
