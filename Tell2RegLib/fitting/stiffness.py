"""Stiffness of a deformation, derived from how much of a linear map the regions determine (docs/method.md).

Regions that leave rotation and shear open also leave open where a point inside them goes: the deformation then follows
their outlines near the outlines and decays to the affine map away from them. Regions that determine the affine map also
determine the space between them, and the deformation extends as far as it reaches.
"""

from __future__ import annotations

import math
from dataclasses import replace

from Tell2RegLib.fitting.linear import LinearSupport
from Tell2RegLib.fitting.settings import LEAST_SMOOTHNESS, FitSettings

TOLERATED_OPEN = 0.05
"""Regions that leave no more than this share of the affine map open determine the space between them, too."""
ADDED_SMOOTHNESS, HALF_SMOOTHNESS_AT = 0.4, 0.2
"""Largest addition to the smoothness, and the open share beyond `TOLERATED_OPEN` that gives half of it."""
LEAST_DECAY_MM, HALF_DECAY_AT = 7.2, 0.1
"""Shortest decay distance, and the open share beyond `TOLERATED_OPEN` at which the pull to the affine map is half as
strong. One gland leaves 0.3 to 0.6 open."""


def with_stiffness(settings: FitSettings, support: LinearSupport) -> FitSettings:
    """The settings with smoothness and decay distance filled in where they are left to the regions.

    A given smoothness is kept, and the deformation then decays only if a decay distance is given, too.
    """
    if settings.smoothness is not None:
        return settings
    open_share = max(1.0 - support.mean - TOLERATED_OPEN, 0.0)
    smoothness = LEAST_SMOOTHNESS + ADDED_SMOOTHNESS * _saturating(open_share, HALF_SMOOTHNESS_AT)
    decay = _saturating(open_share, HALF_DECAY_AT)
    decay_mm = settings.decay_mm or (LEAST_DECAY_MM / math.sqrt(decay) if decay > 0 else None)
    return replace(settings, smoothness=smoothness, decay_mm=decay_mm)


def _saturating(value: float, half_at: float) -> float:
    """From 0 to 1, smooth; one half at `half_at`."""
    return value**2 / (value**2 + half_at**2)
