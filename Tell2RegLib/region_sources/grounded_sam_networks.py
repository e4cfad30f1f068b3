"""The networks behind the built-in source, from the name of a set of models and the user's options."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from typing import TYPE_CHECKING

from Tell2RegLib.region_sources.grounded_sam import GroundedSam
from Tell2RegLib.region_sources.settings import DetectionSettings

if TYPE_CHECKING:
    from Tell2RegLib.models.catalogue.model_sets import ModelFiles


class Networks:
    """The networks of one set, kept between runs; they are let go before others are loaded.

    `loads` counts how often networks were loaded.
    """

    def __init__(self) -> None:
        self.loads = 0
        self._key: Hashable = None
        self._loaded: GroundedSam | None = None

    def get(self, files: ModelFiles, device: str, box_threshold: float | None) -> GroundedSam:
        """The networks of a set, with settings that suit them.

        Raises:
            ModelError: a file does not hold what it should, or the packages to run it are missing.
        """
        key = (files.name, tuple(files.sha256.items()), device, box_threshold)
        if self._loaded is None or key != self._key:
            self.release()
            self._loaded = grounded_sam(files, device=device, box_threshold=box_threshold)
            self._key = key
            self.loads += 1
        return self._loaded

    def release(self) -> None:
        """Let the networks and their memory go."""
        if self._loaded is not None:
            from Tell2RegLib.models.inference import free_unused

            self._loaded = None
            free_unused()


def grounded_sam_by_options(
    *,
    models: str,
    device: str,
    box_threshold: float | None = None,
    spacing_mm: float,
    slice_step: int,
    paper_mode: bool,
    networks: Networks | None = None,
) -> GroundedSam:
    """The built-in source as a user's options ask for it; see `pipeline.find_options.FindOptions`.

    Args:
        networks: those of earlier runs; loaded anew when None.

    Raises:
        ModelError: the set is unknown, not installed or damaged, or the packages to run it are missing.
    """
    settings = DetectionSettings.paper if paper_mode else DetectionSettings
    return grounded_sam_by_models(
        models,
        device=device,
        settings=settings(spacing_mm=spacing_mm, slice_step=slice_step),
        box_threshold=box_threshold,
        networks=networks,
    )


def grounded_sam_by_models(
    models: str,
    *,
    device: str = "auto",
    settings: DetectionSettings | None = None,
    box_threshold: float | None = None,
    networks: Networks | None = None,
) -> GroundedSam:
    """GroundingDINO and SAM with the weights of a set.

    Args:
        models: a set of weights that is installed: "demo", "fast", "paper" or "medical".
        device: "auto", "cpu", "cuda" or "cuda:N".
        settings: of the slices, filters and linking.
        box_threshold: boxes must score above it; None takes what suits the weights.
        networks: those of earlier runs; loaded anew when None.

    Raises:
        ModelError: the set is unknown, not installed or damaged, or the packages to run it are missing.
    """
    from Tell2RegLib.models.catalogue.model_sets import model_files

    files = model_files(models)
    source = (networks or Networks()).get(files, device, box_threshold)
    return replace(
        source,
        settings=_suited(settings or DetectionSettings(), source.settings),
        weights=files.sha256,
        unverified=files.unverified,
    )


def grounded_sam(
    files: ModelFiles,
    *,
    device: str = "auto",
    box_threshold: float | None = None,
) -> GroundedSam:
    """The two networks of a set, loaded.

    Raises:
        ModelError: a file does not hold what it should, or the packages to run it are missing.
    """
    from Tell2RegLib.models.loading import load_detector, load_domain, load_segmenter, suited_region_score

    options = {} if box_threshold is None else {"box_threshold": box_threshold}
    detector = load_detector(files, device=device, **options)
    segmenter = load_segmenter(files, device=device)
    suited = DetectionSettings(region_score=suited_region_score(files) if box_threshold is None else 0.0)
    return GroundedSam(detector, segmenter, suited, domain=load_domain(files))


def _suited(settings: DetectionSettings, suited: DetectionSettings) -> DetectionSettings:
    """Settings that say nothing of the region score take that of the networks."""
    return settings if settings.region_score is not None else replace(settings, region_score=suited.region_score)
