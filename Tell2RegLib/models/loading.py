"""Loads the networks of a set from their files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from Tell2RegLib.errors import ModelError
from Tell2RegLib.models.architectures import DETECTORS, SEGMENTERS

if TYPE_CHECKING:
    from Tell2RegLib.models.catalogue.model_sets import ModelFiles
    from Tell2RegLib.models.grounding_dino.detector import GroundingDinoDetector
    from Tell2RegLib.models.sam.segmenter import SamSegmenter
    from Tell2RegLib.models.training_domain import TrainingDomain

PACKAGES = ("groundingdino", "segment_anything", "safetensors", "torchvision", "transformers")


def load_detector(files: ModelFiles, *, device: str = "auto", **options: Any) -> GroundingDinoDetector:
    """GroundingDINO with the weights of a set.

    Args:
        files: see `model_files`.
        device: see `inference.choose`.
        options: of `GroundingDinoDetector`.

    Raises:
        ModelError: the file is not of such a network, or a package is missing.
    """
    _check_packages()
    from Tell2RegLib.models.checkpoint import read_tensors
    from Tell2RegLib.models.demo_weights import demo_detector
    from Tell2RegLib.models.grounding_dino import network
    from Tell2RegLib.models.grounding_dino.detector import GroundingDinoDetector

    content, _, _ = files.sha256.values()
    architecture = DETECTORS[files.detector_architecture]
    if architecture.shipped:
        return demo_detector(device, content=content, **options)
    return GroundingDinoDetector.from_tensors(
        read_tensors(files.detector),
        architecture.config,
        network.build_tokenizer(files.vocabulary),
        source=f"'{files.detector}'",
        title=f"GroundingDINO {architecture.name}",
        device=device,
        content=content,
        **options,
    )


def load_segmenter(files: ModelFiles, *, device: str = "auto", **options: Any) -> SamSegmenter:
    """SAM with the weights of a set; arguments and errors as in `load_detector`."""
    _check_packages()
    from Tell2RegLib.models.checkpoint import read_tensors
    from Tell2RegLib.models.demo_weights import demo_segmenter
    from Tell2RegLib.models.sam.segmenter import SamSegmenter

    _, _, content = files.sha256.values()
    architecture = SEGMENTERS[files.segmenter_architecture]
    if architecture.shipped:
        return demo_segmenter(device, content=content, **options)
    return SamSegmenter.from_tensors(
        read_tensors(files.segmenter),
        architecture.config,
        source=f"'{files.segmenter}'",
        title=f"SAM {files.segmenter.stem}",
        device=device,
        content=content,
        **options,
    )


def suited_region_score(files: ModelFiles) -> float:
    """The `region_score` that the weights of a detector come with; 0 where they say nothing."""
    if not DETECTORS[files.detector_architecture].shipped:
        return 0.0
    from Tell2RegLib.models.demo_weights import read_metadata

    return float(read_metadata(files.detector).get("region_score", 0.0))


def load_domain(files: ModelFiles) -> TrainingDomain | None:
    """What the weights of a segmenter were trained on; None where nothing comes with them.

    Raises:
        ModelError: the description is missing or damaged.
    """
    if not SEGMENTERS[files.segmenter_architecture].shipped:
        return None
    from Tell2RegLib.models.training_domain import read_domain

    return read_domain(files.segmenter.with_name("domain.json"))


def _check_packages() -> None:
    from importlib.util import find_spec

    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise ModelError(
            f"To look for words, the packages {', '.join(missing)} are missing: install Tell2RegLib with its extra "
            "'networks', as in `pip install 'Tell2RegLib[networks]'`."
        )
