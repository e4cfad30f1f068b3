"""Which fixed region is which moving region: by their names, or by how alike they look.

Pairs are one to one. Both regions of a pair get one colour, the fixed region's own or that of the pair's number, and
keep their names. What found no partner is told by `unpaired`.

    names       the same words on both sides
    similarity  Algorithm 1 of the paper on a matrix of similarities
    settings    what can be chosen
    geometry    whether pairs lie where the other pairs say
    words       regions found by words: prototypes, Algorithm 1, then the geometric check
    slicewise   the paper's own way: slice by slice
"""

from __future__ import annotations

from Tell2RegLib.matching.assignment import Method, pairs_by_similarity
from Tell2RegLib.matching.by_name import numbered_names, pairs_by_name
from Tell2RegLib.matching.by_prototype import match_found, match_regions, without_partner
from Tell2RegLib.matching.pairs import unpaired
from Tell2RegLib.matching.settings import GeometrySettings, MatchSettings

__all__ = [
    "GeometrySettings",
    "MatchSettings",
    "Method",
    "without_partner",
    "match_found",
    "match_regions",
    "numbered_names",
    "pairs_by_name",
    "pairs_by_similarity",
    "unpaired",
]
