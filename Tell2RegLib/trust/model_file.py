"""A model of errors as plain values: a part of a calibration's file, and the file of the model that ships."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from typing import Any

import numpy as np

from Tell2RegLib.space.grid import Floats
from Tell2RegLib.support.resources import resource_path
from Tell2RegLib.trust.cues import CUES
from Tell2RegLib.trust.domain import CaseFacts, Domain, Range, SideFacts
from Tell2RegLib.trust.error_model import ErrorModel, ErrorPredictor, KindModel, LinearModel
from Tell2RegLib.trust.scan_looks import LOOKS

SHIPPED = "ErrorModel.json"
"""The model that rests on phantoms (`python -m Testing.Validation.trust --write`)."""


def record_of(model: ErrorModel) -> dict[str, Any]:
    """Plain values for JSON; numbers with six digits."""
    domain = model.domain
    return {
        "cues": list(CUES),
        "looks": list(LOOKS),
        "patients": model.patients,
        "cases": model.cases,
        "targets": model.targets,
        "synthetic": model.synthetic,
        "kinds": {
            kind: {
                **{name: _digits(values) for name, values in asdict(of_kind.linear).items()},
                "factor": _digits(of_kind.factor),
            }
            for kind, of_kind in model.kinds.items()
        },
        "domain": {
            "regions_ml": {name: _digits(ranges) for name, ranges in domain.regions_ml.items()},
            "pairs": list(domain.pairs),
            "voxel_sides_mm": _digits(domain.voxel_sides_mm),
            "sizes_mm": _digits(domain.sizes_mm),
            "looks": _digits(domain.looks),
            "cues": _digits(domain.cues),
            "from_prompts": domain.from_prompts,
        },
    }


def model_from(record: Mapping[str, Any]) -> ErrorModel:
    """The model of a record.

    Raises:
        ValueError, KeyError, TypeError: a record that is damaged, or of other cues or looks.
    """
    if list(record["cues"]) != list(CUES) or list(record["looks"]) != list(LOOKS):
        raise ValueError("it rests on other cues than this version computes")
    domain = record["domain"]
    return ErrorModel(
        kinds={str(kind): _kind(values) for kind, values in record["kinds"].items()},
        domain=Domain(
            regions_ml={str(name): _sides(ranges) for name, ranges in domain["regions_ml"].items()},
            pairs=(int(domain["pairs"][0]), int(domain["pairs"][1])),
            voxel_sides_mm=_sides(domain["voxel_sides_mm"]),
            sizes_mm=_sides(domain["sizes_mm"]),
            looks=_array(domain["looks"], (2, 2, len(LOOKS))),
            cues=_array(domain["cues"], (2, len(CUES))),
            from_prompts=bool(domain["from_prompts"]),
        ),
        patients=int(record["patients"]),
        cases=int(record["cases"]),
        targets=int(record["targets"]),
        synthetic=bool(record["synthetic"]),
    )


def predictor_of(facts: CaseFacts, learned: ErrorModel | None = None) -> ErrorPredictor:
    """Predicts by the model that was learned from a site's own cases; by the one that ships when None."""
    return ErrorPredictor(learned or shipped_model(), facts, shipped=learned is None)


def record_of_predictor(predictor: ErrorPredictor) -> dict[str, Any]:
    """Plain values for JSON; the model that ships is not repeated."""
    facts = predictor.facts
    return {
        "basis": predictor.model.basis,
        "facts": {
            "sides": [
                {
                    "voxel_sides_mm": _digits(side.voxel_sides_mm),
                    "size_mm": _digits(side.size_mm),
                    "looks": _digits(side.looks),
                }
                for side in facts.sides
            ],
            "regions_ml": {name: _digits(volumes) for name, volumes in facts.regions_ml.items()},
            "from_prompts": facts.from_prompts,
        },
        "model": None if predictor.shipped else record_of(predictor.model),
    }


def predictor_from(record: Mapping[str, Any]) -> ErrorPredictor:
    """The predictor of a record.

    Raises: see `model_from`.
    """
    fixed, moving = (
        SideFacts(_range(side["voxel_sides_mm"]), _number(side["size_mm"]), _array(side["looks"], (len(LOOKS),)))
        for side in record["facts"]["sides"]
    )
    known = record["facts"]
    volumes = {str(name): _range(values) for name, values in known["regions_ml"].items()}
    facts = CaseFacts((fixed, moving), volumes, bool(known["from_prompts"]))
    return predictor_of(facts, model_from(record["model"]) if record["model"] else None)


@cache
def shipped_model() -> ErrorModel:
    """The model that rests on phantoms and promises nothing for patients.

    Raises:
        ResourceError: the project's data files are missing.
    """
    return model_from(json.loads(resource_path(SHIPPED).read_text(encoding="utf-8")))


def _digits(values: Any) -> Any:
    """Numbers with six significant digits, arrays and tuples as lists."""
    if isinstance(values, float):
        return float(f"{values:.6g}")
    return [_digits(value) for value in (values.tolist() if isinstance(values, np.ndarray) else values)]


def _kind(values: Mapping[str, Any]) -> KindModel:
    terms = (2 * len(CUES),)
    linear = LinearModel(
        limits=_array(values["limits"], (2, len(CUES))),
        means=_array(values["means"], terms),
        spreads=_array(values["spreads"], terms),
        weights=_array(values["weights"], terms),
        intercept=_number(values["intercept"]),
    )
    factor = _number(values["factor"])
    if factor <= 0 or linear.spreads.min() <= 0:
        raise ValueError("a factor or a spread is not positive")
    return KindModel(linear, factor)


def _number(value: Any) -> float:
    return float(_array(value, ()))


def _array(values: Any, shape: tuple[int, ...]) -> Floats:
    array = np.array(values, dtype=np.float64)
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"{values!r} is not {'x'.join(map(str, shape)) or 'one'} finite number(s)")
    return array


def _range(values: Any) -> Range:
    low, high = _array(values, (2,)).tolist()
    return low, high


def _sides(values: Any) -> tuple[Range, Range]:
    (a, b), (c, d) = _array(values, (2, 2)).tolist()
    return (a, b), (c, d)
