"""The result of a registration: frozen values for display, saving and the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from Tell2RegLib.errors import InputError
from Tell2RegLib.evaluation.metrics import FieldQuality
from Tell2RegLib.evaluation.target_trust import TargetTrust
from Tell2RegLib.fitting.linear import LinearSupport
from Tell2RegLib.fitting.recommendation import Recommendation
from Tell2RegLib.region_sources.source_result import PromptCount, SourceResult
from Tell2RegLib.space.grid import Floats
from Tell2RegLib.space.jacobian import jacobian_determinant
from Tell2RegLib.space.region import Region, RegionPair
from Tell2RegLib.space.transform import Transform
from Tell2RegLib.space.volume import Volume
from Tell2RegLib.trust.error_model import ErrorPredictor

SCHEMA_VERSION = 1
"""Version of result.json; incremented when the meaning of a key changes."""
DETECTED_DICE = 0.5
"""Minimum Dice at which a true region counts as detected by a prompt."""
UNSUITED = "unsuited_models"
"""Parameter of a run: the warning that its networks do not know the volumes."""
NOTICE = "For research use only. Not for clinical use."
"""Notice to be displayed with every result."""


@dataclass(frozen=True)
class PairMetrics:
    """How one pair agrees before and after; the 'after' of a rejected pair is measured too: it took no part.

    Distances in mm, volumes in ml; `weight` is how much the pair counts in the fit. `hd95` and `dice` compare the
    moving region, brought to fixed space, with the fixed one; a value is None where the moved region left the fixed
    volume.
    """

    name: str
    prompt: str
    similarity: float | None
    accepted: bool
    reason: str
    dice_before: float | None
    dice_after: float | None
    centroid_mm_before: float | None
    centroid_mm_after: float | None
    hd95_mm_before: float | None
    hd95_mm_after: float | None
    fixed_ml: float
    moving_ml: float
    weight: float = 1.0


@dataclass(frozen=True)
class PairAgreement:
    """How a fixed region and a moved one agree on the fixed grid.

    Args:
        dice: overlap, 0..1.
        centroid_mm: distance of the centres; None where the moved region left the fixed volume.
    """

    dice: float
    centroid_mm: float | None


@dataclass(frozen=True)
class PromptResult:
    """What a prompt gave: one row of the paper's Table 2.

    Args:
        prompt: the user's words.
        fixed, moving: slices, boxes, masks and regions on each side.
        pairs: how many of the pairs hold a region of this prompt.
        accepted: how many of those the fit used.
        detection_ratio: share of the true regions of this name, on both sides, that a region of this prompt covers
            with a Dice of at least `DETECTED_DICE`; None where the truth is unknown.
    """

    prompt: str
    fixed: PromptCount
    moving: PromptCount
    pairs: int
    accepted: int
    detection_ratio: float | None = None


@dataclass(frozen=True, eq=False)
class PromptsResult:
    """Detections by prompt, in both volumes.

    Args:
        fixed, moving: slices, boxes, masks, regions and the story of each.
        prompts: one row per prompt, in the user's order.
    """

    fixed: SourceResult
    moving: SourceResult
    prompts: tuple[PromptResult, ...]


@dataclass(frozen=True, eq=False)
class Target:
    """One point of a plan, propagated from moving to fixed space.

    Args:
        trust: where it was drawn and carried to by the fitted transform, and how far that can be trusted.
        errors_mm: distance to its true place by kind ("before", "rigid", "affine", "deformable"), where the
            true place is known; empty otherwise.
    """

    trust: TargetTrust
    errors_mm: Mapping[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As in the plan."""
        return self.trust.name

    @property
    def moving_lps_mm(self) -> Floats:
        """Where it was drawn, (3,)."""
        return self.trust.moving_lps_mm

    @property
    def fixed_lps_mm(self) -> Floats:
        """Where it was carried to, (3,)."""
        return self.trust.fixed_lps_mm


@dataclass(frozen=True)
class Summary:
    """Means over accepted pairs; None where nothing could be measured."""

    mean_dice_before: float | None
    mean_dice_after: float | None
    mean_centroid_mm_before: float | None
    mean_centroid_mm_after: float | None


@dataclass(frozen=True, eq=False)
class Fitted:
    """The part of a result that exists only with a fit.

    Args:
        transform: the fitted transform.
        rigid_lps, affine_lps: 4 x 4 fixed to moving, results in their own right.
        quality: of the fixed-to-moving field.
        inverse_error_mm: (mean, max).
        moving_in_fixed: the moving volume, resampled.
        moving_regions_in_fixed: the pairs' moving regions in fixed space, same order as `pairs`; None where a
            region left the fixed volume.
        support, smoothness, decay_mm, recommendation: of the fit (`fitting.FitResult`).
    """

    transform: Transform
    rigid_lps: Floats
    affine_lps: Floats
    quality: FieldQuality
    inverse_error_mm: tuple[float, float]
    moving_in_fixed: Volume
    moving_regions_in_fixed: tuple[Region | None, ...]
    support: LinearSupport | None = None
    smoothness: float | None = None
    decay_mm: float | None = None
    recommendation: Recommendation | None = None

    @cached_property
    def jacobian(self) -> Volume:
        """det J on the fixed grid."""
        forward = self.transform.fixed_to_moving
        return Volume(jacobian_determinant(forward.vectors_kji, forward.grid), forward.grid, "Jacobian")


@dataclass(frozen=True, eq=False)
class RegistrationResult:
    """Everything that a run of `register` returns.

    Args:
        status: "ok" or "no_pairs".
        reason: why there are no pairs; empty when all is well.
        fixed, moving: the volumes.
        pairs: accepted and rejected ones, in the order they are shown.
        unpaired_fixed, unpaired_moving: regions that found no partner.
        metrics: one per pair, in the same order.
        summary: means over accepted pairs.
        fitted: None when there was nothing to fit.
        targets: the plan's points, when a plan was given.
        timing_s: seconds per stage, and "total".
        provenance: versions, device, inputs, parameters, date: plain values that JSON can hold.
        prompts_result: what the prompts found; None when the regions were given.
        pair_remarks: what the check of the pairs says about the volumes, one sentence each.
        truth: the true regions, one row per name that both sides have, carried by the same transform; empty where the
            truth is unknown.
        error_predictor: what predicts the errors of targets; None without a fit.
    """

    status: str
    reason: str
    fixed: Volume
    moving: Volume
    pairs: tuple[RegionPair, ...]
    unpaired_fixed: tuple[Region, ...]
    unpaired_moving: tuple[Region, ...]
    metrics: tuple[PairMetrics, ...]
    summary: Summary
    fitted: Fitted | None
    targets: tuple[Target, ...]
    timing_s: Mapping[str, float]
    provenance: Mapping[str, Any]
    prompts_result: PromptsResult | None = None
    truth: tuple[PairMetrics, ...] = ()
    pair_remarks: tuple[str, ...] = ()
    error_predictor: ErrorPredictor | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader must know before anything else, one sentence each."""
        return warnings_in(self.provenance.get("parameters", {}))

    @property
    def transform(self) -> Transform:
        """The fitted transform.

        Raises:
            InputError: there is none, because no pair could be used.
        """
        if self.fitted is None:
            raise InputError(f"This result has no transform: {self.reason}")
        return self.fitted.transform


def warnings_in(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    """The warnings among the recorded parameters of a run, one sentence each."""
    warning = parameters.get(UNSUITED)
    return (str(warning),) if warning else ()
