"""Pairs the points of two lists by their names, or by their order where no name is in both."""

from __future__ import annotations

from Tell2RegLib.errors import InputError
from Tell2RegLib.matching.by_name import numbered_names
from Tell2RegLib.space.point_files import PointList

BY_ORDER = "The two point lists have no name in common, so their points were paired by their order."


def point_order(fixed: PointList, moving: PointList) -> list[int] | None:
    """The index of the fixed point of every moving point, by name; None if the lists have no name in common.

    Raises:
        InputError: only some names are in both lists, or the lists differ in length.
    """
    fixed_keys, moving_keys = numbered_names(fixed.names), numbered_names(moving.names)
    shared = {name for name in set(fixed_keys) & set(moving_keys) if name[0]}
    if shared and set(fixed_keys) == set(moving_keys):
        return [fixed_keys.index(name) for name in moving_keys]
    if shared or len(fixed) != len(moving):
        alone = [name for name, key in zip(fixed.names, fixed_keys, strict=True) if key not in moving_keys]
        alone += [name for name, key in zip(moving.names, moving_keys, strict=True) if key not in fixed_keys]
        raise InputError(
            f"The point lists do not belong together: {len(fixed)} fixed and {len(moving)} moving points, and these "
            f"names are in one list only: {', '.join(map(repr, alone[:8]))}. Give every pair of points one name."
        )
    return None
