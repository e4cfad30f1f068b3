"""A synthetic male pelvis in T2-like MR, for demonstrations, tests and training: every anatomy known exactly."""

from __future__ import annotations

from Tell2RegLib.phantom.anatomy import LABELS, ORGANS, Subject, make_subject
from Tell2RegLib.phantom.pair import PhantomPair, Target, make_pair, make_plan
from Tell2RegLib.phantom.render import PhantomVolume, centred_grid, default_grid, render
from Tell2RegLib.phantom.warp import KnownWarp, Push

__all__ = [
    "LABELS",
    "ORGANS",
    "KnownWarp",
    "PhantomPair",
    "PhantomVolume",
    "Push",
    "Subject",
    "Target",
    "centred_grid",
    "default_grid",
    "make_pair",
    "make_plan",
    "make_subject",
    "render",
]
