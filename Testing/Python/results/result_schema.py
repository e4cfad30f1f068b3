"""The shape of result.json: a type, several types, a list of one shape, or a dictionary of shapes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from Tell2RegLib.results.provenance import PACKAGES

NUMBER = (int, float)
MAYBE = (int, float, type(None))
MATRIX = [[NUMBER]]
PAIR = {
    "name": str,
    "prompt": str,
    "similarity": MAYBE,
    "accepted": bool,
    "reason": str,
    "dice_before": MAYBE,
    "dice_after": MAYBE,
    "centroid_mm_before": MAYBE,
    "centroid_mm_after": MAYBE,
    "hd95_mm_before": MAYBE,
    "hd95_mm_after": MAYBE,
    "fixed_ml": NUMBER,
    "moving_ml": NUMBER,
    "weight": NUMBER,
}
TRANSFORM = {
    "kind": str,
    "folding_percent": NUMBER,
    "min_jacobian": NUMBER,
    "sdlogj": MAYBE,
    "sdlogj_l2r": NUMBER,
    "max_displacement_mm": NUMBER,
    "inverse_error_mm": {"mean": MAYBE, "max": MAYBE},
    "rigid_lps": MATRIX,
    "affine_lps": MATRIX,
    "linear_part_lps": MATRIX,
    "linear_support": {"rotation": NUMBER, "scale": NUMBER, "shear": NUMBER, "rotation_deg": NUMBER},
    "smoothness": MAYBE,
    "decay_mm": MAYBE,
    "recommended": {"kind": str, "reason": str},
}
SUMMARY = {f"mean_{what}_{when}": MAYBE for what in ("dice", "centroid_mm") for when in ("before", "after")}
TRUST = {
    "verdict": str,
    "reasons": [str],
    "predicted_mm": MAYBE,
    "radius_mm": MAYBE,
    "basis": str,
    "moved_mm": NUMBER,
    "nearest_mm": MAYBE,
    "nearest_name": str,
    "det_j": NUMBER,
    "spread_mm": NUMBER,
    "inside_volume": bool,
}
TARGET = {"name": str, "moving_lps_mm": [NUMBER], "fixed_lps_mm": [NUMBER], "error_mm": dict, "trust": TRUST}
PROVENANCE = {
    "versions": dict.fromkeys(("tell2reg", "python", "system", *PACKAGES), str),
    "device": str,
    "models": dict,
    "prompts": [str],
    "parameters": dict,
    "inputs": [{"role": str, "name": str, "bytes": int, "sha256": str}],
    "seed": MAYBE,
    "date": str,
}
COUNT = {
    "prompt": str,
    "slices": int,
    "slices_without": int,
    "boxes": int,
    "dropped": dict,
    "masks": int,
    "regions": int,
    "in_words": str,
}
PROMPT = {
    "prompt": str,
    "fixed": COUNT,
    "moving": COUNT,
    "pairs": int,
    "accepted": int,
    "detection_ratio": MAYBE,
}
SIDE = {"voxel_sides_mm": [NUMBER], "size_mm": NUMBER, "looks": [NUMBER]}
PREDICTION = {
    "basis": str,
    "facts": {"sides": [SIDE], "regions_ml": dict, "from_prompts": bool},
    "model": (dict, type(None)),
}
SCHEMA = {
    "schema_version": int,
    "notice": str,
    "status": str,
    "reason": str,
    "pairs": [PAIR],
    "warnings": [str],
    "pair_remarks": [str],
    "unpaired": {"fixed": [str], "moving": [str]},
    "transform": TRANSFORM,
    "summary": SUMMARY,
    "targets": [TARGET],
    "error_prediction": PREDICTION,
    "words": [PROMPT],
    "truth": [PAIR],
    "timing_s": dict,
    "provenance": PROVENANCE,
}


def misfits(value: object, shape: Any, position: str = "result") -> Iterator[str]:
    """Where a value is not of a shape: keys that are missing or new, and values of another type."""
    if isinstance(shape, dict):
        if not isinstance(value, dict) or set(value) != set(shape):
            yield f"{position}: {sorted(value) if isinstance(value, dict) else value!r} instead of {sorted(shape)}"
            return
        for key in shape:
            yield from misfits(value[key], shape[key], f"{position}.{key}")
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield f"{position}: {value!r} is no list"
            return
        for number, item in enumerate(value):
            yield from misfits(item, shape[0], f"{position}[{number}]")
    elif not isinstance(value, shape):
        yield f"{position}: {value!r} is no {shape}"


def refuse(word: str) -> None:
    raise AssertionError(f"result.json holds {word}, which is no JSON")


def strict_json(text: str) -> dict[str, Any]:
    return json.loads(text, parse_constant=refuse)


def keys_in(shape: Any) -> set[str]:
    if isinstance(shape, dict):
        return set(shape) | set().union(*(keys_in(item) for item in shape.values()))
    return keys_in(shape[0]) if isinstance(shape, list) else set()
