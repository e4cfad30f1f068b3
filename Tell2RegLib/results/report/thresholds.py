"""The limits beyond which the report asks the reader to look; that of det J is `USUAL_JACOBIAN` (space/jacobian.py)."""

from __future__ import annotations

LOW_DICE = 0.7
"""Pairs with a lower Dice are reported for review."""
TARGET_MM = 2.87
"""The error below which 90 % of the hotspots of a targeted biopsy are hit (docs/method.md, "Trust in a
propagated target")."""
INVERSE_MEAN_MM, INVERSE_MAX_MM = 0.1, 1.0
"""Limits of the inverse-consistency error, mean and maximum, above which it is reported."""
