"""What the report's table of targets says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from Tell2RegLib.evaluation.settings import TrustSettings
from Tell2RegLib.evaluation.target_trust import TargetTrust

if TYPE_CHECKING:
    from Tell2RegLib.results.result import RegistrationResult


def nearest_text(trust: TargetTrust) -> str:
    """'in gland' or '3.2 mm from gland'; a dash without any region."""
    if trust.nearest_mm is None:
        return "–"
    return (
        f"in {trust.nearest_name}" if trust.nearest_mm == 0 else f"{trust.nearest_mm:.1f} mm from {trust.nearest_name}"
    )


def tolerance_mm(result: RegistrationResult) -> float:
    """The tolerance of the verdicts."""
    settings = result.provenance.get("parameters", {}).get("trust", {})
    return float(settings.get("tolerance_mm", TrustSettings().tolerance_mm))
