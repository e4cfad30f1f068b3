"""Tell2RegLib: registration of two medical volumes by the same words, or by regions that exist already.

    import Tell2RegLib as t2r
    fixed, moving = t2r.read_volume("fixed.nii.gz"), t2r.read_volume("moving.nii.gz")
    result = t2r.register(fixed, moving, prompts=["prostate", "bladder"], models="demo", device="auto")
    result.pairs                                                 # what was found, accepted or not, and why
    result.transform.inverse.apply_to_points(points_lps_mm)      # a plan drawn on the moving volume, to fixed space
    t2r.save_result(result, "out/")

Everything here is light: torch, matplotlib and the rest are imported where they are used, and the names below when
they are first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from Tell2RegLib.support.threads import wait_passively
from Tell2RegLib.support.version import __version__

wait_passively()

if TYPE_CHECKING:
    from Tell2RegLib.errors import ModelError, Tell2RegError
    from Tell2RegLib.evaluation.settings import TrustSettings
    from Tell2RegLib.evaluation.target_trust import TargetTrust, judge_targets
    from Tell2RegLib.fitting import FitSettings, fit
    from Tell2RegLib.matching import pairs_by_name, pairs_by_similarity
    from Tell2RegLib.matching.by_prototype import match_source_results
    from Tell2RegLib.matching.settings import MatchSettings
    from Tell2RegLib.models.embedding_disk_cache import EmbeddingStore
    from Tell2RegLib.pipeline.find import find_regions
    from Tell2RegLib.pipeline.in_memory_cache import InMemoryCache
    from Tell2RegLib.pipeline.prompt_query import PromptQuery, query_by_models
    from Tell2RegLib.region_sources.grounded_sam import GroundedSam
    from Tell2RegLib.region_sources.label_map import read_regions
    from Tell2RegLib.region_sources.segmentation_file import write_segmentation
    from Tell2RegLib.region_sources.settings import DetectionSettings
    from Tell2RegLib.region_sources.source_result import SourceResult
    from Tell2RegLib.results.result import RegistrationResult
    from Tell2RegLib.results.result_folder import read_result_transform, save_result
    from Tell2RegLib.space.grid import Grid
    from Tell2RegLib.space.point_files import PointList, read_points, write_points
    from Tell2RegLib.space.region import Region, RegionPair
    from Tell2RegLib.space.transform import Transform
    from Tell2RegLib.space.transform_files import read_transform, write_transform
    from Tell2RegLib.space.volume import Volume, read_volume, write_volume
    from Tell2RegLib.workflows.register import finish, register

_HOMES = {
    "EmbeddingStore": "models.embedding_disk_cache",
    "FitSettings": "fitting",
    "SourceResult": "region_sources.source_result",
    "Grid": "space.grid",
    "GroundedSam": "region_sources.grounded_sam",
    "MatchSettings": "matching.settings",
    "InMemoryCache": "pipeline.in_memory_cache",
    "ModelError": "errors",
    "PointList": "space.point_files",
    "Region": "space.region",
    "RegionPair": "space.region",
    "RegistrationResult": "results.result",
    "TargetTrust": "evaluation.target_trust",
    "Tell2RegError": "errors",
    "Transform": "space.transform",
    "TrustSettings": "evaluation.settings",
    "Volume": "space.volume",
    "PromptQuery": "pipeline.prompt_query",
    "DetectionSettings": "region_sources.settings",
    "find_regions": "pipeline.find",
    "finish": "workflows.register",
    "fit": "fitting",
    "judge_targets": "evaluation.target_trust",
    "match_source_results": "matching.by_prototype",
    "pairs_by_name": "matching",
    "pairs_by_similarity": "matching",
    "read_points": "space.point_files",
    "read_regions": "region_sources.label_map",
    "read_result_transform": "results.result_folder",
    "read_transform": "space.transform_files",
    "read_volume": "space.volume",
    "register": "workflows.register",
    "save_result": "results.result_folder",
    "query_by_models": "pipeline.prompt_query",
    "write_points": "space.point_files",
    "write_segmentation": "region_sources.segmentation_file",
    "write_transform": "space.transform_files",
    "write_volume": "space.volume",
}

__all__ = [
    "EmbeddingStore",
    "FitSettings",
    "SourceResult",
    "Grid",
    "GroundedSam",
    "MatchSettings",
    "InMemoryCache",
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
    "PromptQuery",
    "DetectionSettings",
    "__version__",
    "find_regions",
    "finish",
    "fit",
    "judge_targets",
    "match_source_results",
    "pairs_by_name",
    "pairs_by_similarity",
    "read_points",
    "read_regions",
    "read_result_transform",
    "read_transform",
    "read_volume",
    "register",
    "save_result",
    "query_by_models",
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
