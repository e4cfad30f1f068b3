"""From region pairs to a transform: moments, rigid and affine refinement, and a smooth deformation."""

from Tell2RegLib.fitting.fit import FitResult, fit
from Tell2RegLib.fitting.settings import FitSettings

__all__ = ["FitResult", "FitSettings", "fit"]
