"""Tell2RegLib: registration of two medical volumes by the same words, or by regions that exist already.

    import Tell2RegLib as t2r
    fixed, moving = t2r.read_volume("fixed.nii.gz"), t2r.read_volume("moving.nii.gz")
    result = t2r.register(fixed, moving, prompts=["prostate", "bladder"], models="demo", device="auto")
    result.pairs                                                 # what was found, accepted or not, and why
    result.transform.inverse.apply_to_points(points_lps_mm)      # a plan drawn on the moving volume, to fixed space
    result.save("out/")

Everything here is light: torch, matplotlib and the rest are imported where they are used, and the names below when
they are first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from Tell2RegLib.confidence import TargetTrust, TrustSettings, judge_targets
    from Tell2RegLib.errors import ModelError, Tell2RegError
    from Tell2RegLib.finding import find_regions
    from Tell2RegLib.fitting import FitSettings, fit
    from Tell2RegLib.grid import Grid
    from Tell2RegLib.markups import PointList, read_points, write_points
    from Tell2RegLib.matching import pairs_by_name, pairs_by_similarity
    from Tell2RegLib.matching.settings import MatchSettings
    from Tell2RegLib.matching.words import match_found
    from Tell2RegLib.memory import Memory
    from Tell2RegLib.models.embedding_store import EmbeddingStore
    from Tell2RegLib.output import RegistrationResult, read_result_transform
    from Tell2RegLib.pipeline import finish, register
    from Tell2RegLib.region import Region, RegionPair
    from Tell2RegLib.sources.grounded_sam import GroundedSam
    from Tell2RegLib.sources.label_map import read_regions
    from Tell2RegLib.sources.protocol import Found
    from Tell2RegLib.sources.segmentation_file import write_segmentation
    from Tell2RegLib.sources.settings import WordsSettings
    from Tell2RegLib.transform import Transform
    from Tell2RegLib.transform_files import read_transform, write_transform
    from Tell2RegLib.volume import Volume, read_volume, write_volume
    from Tell2RegLib.words import Words, words_by_models

_HOMES = {
    "EmbeddingStore": "models.embedding_store",
    "FitSettings": "fitting",
    "Found": "sources.protocol",
    "Grid": "grid",
    "GroundedSam": "sources.grounded_sam",
    "MatchSettings": "matching.settings",
    "Memory": "memory",
    "ModelError": "errors",
    "PointList": "markups",
    "Region": "region",
    "RegionPair": "region",
    "RegistrationResult": "output",
    "TargetTrust": "confidence",
    "Tell2RegError": "errors",
    "Transform": "transform",
    "TrustSettings": "confidence",
    "Volume": "volume",
    "Words": "words",
    "WordsSettings": "sources.settings",
    "find_regions": "finding",
    "finish": "pipeline",
    "fit": "fitting",
    "judge_targets": "confidence",
    "match_found": "matching.words",
    "pairs_by_name": "matching",
    "pairs_by_similarity": "matching",
    "read_points": "markups",
    "read_regions": "sources.label_map",
    "read_result_transform": "output",
    "read_transform": "transform_files",
    "read_volume": "volume",
    "register": "pipeline",
    "words_by_models": "words",
    "write_points": "markups",
    "write_segmentation": "sources.segmentation_file",
    "write_transform": "transform_files",
    "write_volume": "volume",
}

__all__ = [
    "EmbeddingStore",
    "FitSettings",
    "Found",
    "Grid",
    "GroundedSam",
    "MatchSettings",
    "Memory",
    "ModelError",
    "PointList",
    "Region",
    "RegionPair",
    "RegistrationResult",
    "TargetTrust",
    "Tell2RegError",
    "Transform",
    "TrustSettings",
    "Volume",
    "Words",
    "WordsSettings",
    "__version__",
    "find_regions",
    "finish",
    "fit",
    "judge_targets",
    "match_found",
    "pairs_by_name",
    "pairs_by_similarity",
    "read_points",
    "read_regions",
    "read_result_transform",
    "read_transform",
    "read_volume",
    "register",
    "words_by_models",
    "write_points",
    "write_segmentation",
    "write_transform",
    "write_volume",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
