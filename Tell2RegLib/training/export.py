"""Taught weights as the files that ship: half precision, with what they are written into them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from Tell2RegLib.models.grounding_dino.network import DEMO as DETECTOR
from Tell2RegLib.models.sam.network import DEMO as SEGMENTER
from Tell2RegLib.support.version import __version__
from Tell2RegLib.training.detector import new_detector
from Tell2RegLib.training.segmenter import new_segmenter

if TYPE_CHECKING:
    import torch

REGION, FAINT = 0.65, 0.3
"""A region must hold a box that scores above the first; boxes above the second continue it. The second was chosen on
the validation subjects by how well the regions that come out overlap the true ones, the first on subjects 210 to 215
between the best boxes of organs that are there and of organs that were removed."""


def export_detector(weights: Mapping[str, Any], path: Path) -> None:
    """Write the detector with the scores that suit it."""
    network, _ = new_detector()
    network.load_state_dict({name: _halved(value).to(value.dtype) for name, value in weights.items()})
    scores = {"region_score": f"{REGION:g}", "box_threshold": f"{FAINT:g}", "text_threshold": f"{FAINT / 2:g}"}
    _write(network, path, {"kind": "detector", "config": json.dumps(DETECTOR.as_fields()), **scores})


def export_segmenter(weights: Mapping[str, Any], path: Path) -> None:
    """Write the segmenter."""
    network = new_segmenter()
    network.load_state_dict(weights)
    _write(network, path, {"kind": "segmenter", "config": json.dumps(SEGMENTER.as_fields())})


def _write(network: torch.nn.Module, path: Path, about: dict[str, str]) -> None:
    from safetensors.torch import save_file

    about |= {
        "format": "pt",
        "trained_on": "synthetic pelvis of Tell2RegLib.phantom, nothing else",
        "use": "research and demonstration only",
        "version": __version__,
    }
    stored, hashes = {}, set()
    for name, value in network.state_dict().items():
        if value.data_ptr() not in hashes:  # a head that several layers share is stored once
            hashes.add(value.data_ptr())
            stored[name] = _halved(value).contiguous()
    save_file(stored, path, metadata=about)
    path.chmod(0o644)


def _halved(value: torch.Tensor) -> torch.Tensor:
    return value.half() if value.is_floating_point() else value
