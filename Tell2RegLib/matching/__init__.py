"""Pairs fixed regions with moving regions: by name, or by the similarity of their prototypes.

Pairs are one to one. Both regions of a pair get one colour (the fixed region's, or that of the pair's number) and keep
their names. `unpaired` returns the regions without a partner.

    by_name          equal or similar names
    assignment       Algorithm 1 of the paper on a similarity matrix
    settings         options
    geometric_check  which of several possible pairs have consistent positions
    by_prototype     regions found by prompts: prototypes, Algorithm 1, then the geometric check
    region_geometry  place, size and shape of regions
    pair_model       how probable it is that each pair is right
    sides            left and right in names, and whether the regions lie there
    pair_check       weights, rejections and reasons of pairs, and remarks about their volumes
    by_slice         the method of the paper: slice by slice
"""

from __future__ import annotations

from Tell2RegLib.matching.assignment import Method, pairs_by_similarity
from Tell2RegLib.matching.by_name import numbered_names, pairs_by_name
from Tell2RegLib.matching.by_prototype import match_regions, match_source_results, regions_without_partner
from Tell2RegLib.matching.pair_check import PairCheck, check_pairs, remarks_about
from Tell2RegLib.matching.pairs import unpaired
from Tell2RegLib.matching.settings import GeometrySettings, MatchSettings

__all__ = [
    "GeometrySettings",
    "MatchSettings",
    "Method",
    "PairCheck",
    "check_pairs",
    "remarks_about",
    "regions_without_partner",
    "match_source_results",
    "match_regions",
    "numbered_names",
    "pairs_by_name",
    "pairs_by_similarity",
    "unpaired",
]
