"""Taught weights as the files that ship: half precision, with what they are written into them."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from Tell2RegLib import __version__
from Tell2RegLib.models.detector_network import DEMO as DETECTOR
from Tell2RegLib.models.segmenter_network import DEMO as SEGMENTER
from Tell2RegLib.training.data import SliceSet
from Tell2RegLib.training.detector import new_detector
from Tell2RegLib.training.detector_score import best_threshold, found_boxes
from Tell2RegLib.training.sampling_matrix import fast_attention
from Tell2RegLib.training.segmenter import new_segmenter

if TYPE_CHECKING:
    import torch

MOST_FALSE = 0.05
"""Boxes per absent prompt and slice on the validation subjects, at the threshold that is stored."""

FAINT = 0.65
"""Boxes count as continuing a region down to this share of the score of sure ones."""


def export_detector(weights: Mapping[str, Any], validation: SliceSet, path: Path) -> None:
    """Write the detector with the scores that suit it: sure boxes lie above `region_score`, faint ones above
    `box_threshold`."""
    network, tokenizer = new_detector()
    network.load_state_dict({name: _halved(value).to(value.dtype) for name, value in weights.items()})
    some = np.arange(0, len(validation), 3)
    with warnings.catch_warnings(), fast_attention():
        warnings.simplefilter("ignore")  # of the packages, about PyTorch's future
        found = found_boxes(network, tokenizer, validation, some)
    threshold = best_threshold(found, validation.labels[some], validation.area[some], MOST_FALSE)
    thresholds = {
        "region_score": f"{threshold:g}",
        "box_threshold": f"{FAINT * threshold:.2f}",
        "text_threshold": f"{FAINT * threshold / 2:.2f}",
    }
    _write(network, path, {"kind": "detector", "config": json.dumps(DETECTOR.as_fields()), **thresholds})


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
    stored, seen = {}, set()
    for name, value in network.state_dict().items():
        if value.data_ptr() not in seen:  # a head that several layers share is stored once
            seen.add(value.data_ptr())
            stored[name] = _halved(value).contiguous()
    save_file(stored, path, metadata=about)
    path.chmod(0o644)


def _halved(value: torch.Tensor) -> torch.Tensor:
    return value.half() if value.is_floating_point() else value
