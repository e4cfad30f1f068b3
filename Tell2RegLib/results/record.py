"""A result as plain values: the content of result.json (docs/result-folder.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from Tell2RegLib.evaluation.metrics import FieldQuality
from Tell2RegLib.evaluation.target_trust import TargetTrust
from Tell2RegLib.results.result import NOTICE, SCHEMA_VERSION, Fitted, PromptResult, RegistrationResult, Target
from Tell2RegLib.trust.model_file import record_of_predictor


def record_of(result: RegistrationResult) -> dict[str, Any]:
    """The content of result.json: plain values, numbers that are not finite as None."""
    return plain(
        {
            "schema_version": SCHEMA_VERSION,
            "notice": NOTICE,
            "status": result.status,
            "reason": result.reason,
            "warnings": list(result.warnings),
            "pairs": [asdict(metric) for metric in result.metrics],
            "pair_remarks": list(result.pair_remarks),
            "unpaired": {
                "fixed": [region.name for region in result.unpaired_fixed],
                "moving": [region.name for region in result.unpaired_moving],
            },
            "transform": None if result.fitted is None else _transform_record(result.fitted),
            "summary": asdict(result.summary),
            "targets": [_target_record(target) for target in result.targets],
            "error_prediction": record_of_predictor(result.error_predictor) if result.error_predictor else None,
            "words": [_prompt_record(row) for row in result.prompts_result.prompts] if result.prompts_result else [],
            "truth": [asdict(metric) for metric in result.truth],
            "timing_s": dict(result.timing_s),
            "provenance": dict(result.provenance),
        }
    )


def field_record(kind: str, quality: FieldQuality, inverse_error_mm: tuple[float, float]) -> dict[str, Any]:
    """Kind and measures of a transform."""
    mean, largest = inverse_error_mm
    return {"kind": kind, **asdict(quality), "inverse_error_mm": {"mean": mean, "max": largest}}


def _transform_record(fitted: Fitted) -> dict[str, Any]:
    return {
        **field_record(fitted.transform.kind, fitted.quality, fitted.inverse_error_mm),
        "rigid_lps": fitted.rigid_lps.tolist(),
        "affine_lps": fitted.affine_lps.tolist(),
        "linear_part_lps": fitted.transform.affine_lps.tolist(),
        "linear_support": asdict(fitted.support) if fitted.support else None,
        "smoothness": fitted.smoothness,
        "decay_mm": fitted.decay_mm,
        "recommended": asdict(fitted.recommendation) if fitted.recommendation else None,
    }


def _prompt_record(row: PromptResult) -> dict[str, Any]:
    record = asdict(row)
    for side, count in (("fixed", row.fixed), ("moving", row.moving)):
        record[side]["in_words"] = count.sentence()
    return record


def _target_record(target: Target) -> dict[str, Any]:
    return {
        "name": target.name,
        "moving_lps_mm": np.asarray(target.moving_lps_mm).tolist(),
        "fixed_lps_mm": np.asarray(target.fixed_lps_mm).tolist(),
        "error_mm": dict(target.errors_mm),
        "trust": trust_record(target.trust),
    }


def trust_record(trust: TargetTrust) -> dict[str, Any]:
    """The verdict and its reasons, the predicted error, then the other values on which they are based."""
    first = {"verdict": trust.verdict, "reasons": list(trust.reasons)}
    names = (
        "predicted_mm",
        "radius_mm",
        "basis",
        "moved_mm",
        "nearest_mm",
        "nearest_name",
        "det_j",
        "spread_mm",
        "inside_volume",
    )
    return {**first, **{name: getattr(trust, name) for name in names}}


def plain(value: Any) -> Any:
    """Values for JSON: tuples as lists, NaN and infinity as None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (np.floating, float)):
        return float(value) if np.isfinite(value) else None
    if isinstance(value, np.integer):
        return int(value)
    return value
