"""A calibration as a value, its file, and the check against the regions at hand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from Tell2RegLib.calibration.interior import InteriorTrial, LearnedInterior
from Tell2RegLib.errors import InputError
from Tell2RegLib.fitting.interior import FEATURES, TERMS, InteriorModel
from Tell2RegLib.fitting.linear_prior import ROTATION, LinearPrior
from Tell2RegLib.fitting.settings import FitSettings
from Tell2RegLib.space.grid import Floats
from Tell2RegLib.space.region import RegionPair, plain_name
from Tell2RegLib.support.complete_file import write_text
from Tell2RegLib.support.regular_files import check_regular_file
from Tell2RegLib.support.version import __version__
from Tell2RegLib.trust.error_model import ErrorModel
from Tell2RegLib.trust.model_file import model_from, record_of

FORMAT, SCHEMA_VERSION = "tell2reg calibration", 1
PARAMETERS = (
    *("rotation x", "rotation y", "rotation z", "log scale x", "log scale y", "log scale z"),
    *("shear yz", "shear zx", "shear xy"),
)
"""What the nine numbers of mean and covariance are (`fitting.linear_prior`): radians and logarithms, LPS."""
BEYOND_RANGE = 2.0
"""A region is outside what a calibration covers if it is so many times larger or smaller than any region that the
calibration was learned from."""
MOST_ROTATION = np.pi
"""Radians; a mean rotation of half a turn or more has no logarithm."""


@dataclass(frozen=True)
class Origin:
    """What a calibration was learned from; it names no patient and no file.

    Args:
        cases, patients, landmarks: how many.
        labels: the values of the table's label columns, such as the kinds of scan.
    """

    cases: int
    patients: int
    landmarks: int
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class VolumeRange:
    """Smallest and largest volume of a region, ml, on each side.

    Args:
        fixed, moving: (smallest, largest).
    """

    fixed: tuple[float, float]
    moving: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Calibration:
    """The usual linear offset between two kinds of scan.

    Args:
        origin: what it was learned from.
        regions: volumes of the regions by name.
        mean: (9,), of the offset as far as it is used; zero where it did not help.
        covariance: (9, 9), or None for the spreads of the settings.
        reason: why mean and covariance are used or not, one sentence.
        trials: what was compared, as plain values.
        estimated: mean and covariance as estimated from all cases, used or not, as plain values.
        errors: predicts the errors of targets; None where the cases show none.
        interiors: how the insides of regions move, one per region that the cases tell of.
    """

    origin: Origin
    regions: Mapping[str, VolumeRange]
    mean: Floats
    covariance: Floats | None
    reason: str
    trials: Sequence[Mapping[str, Any]] = ()
    estimated: Mapping[str, Any] = field(default_factory=dict)
    errors: ErrorModel | None = None
    interiors: tuple[LearnedInterior, ...] = ()

    @property
    def interior_models(self) -> tuple[InteriorModel, ...]:
        """Those that helped on patients left out."""
        return tuple(interior.model for interior in self.interiors if interior.used)

    def prior(self, settings: FitSettings) -> LinearPrior:
        """The prior of a fit; spreads that the calibration leaves open are those of the settings."""
        default = LinearPrior.from_settings(settings)
        return LinearPrior(self.mean, default.covariance if self.covariance is None else self.covariance)

    def why_not(self, pairs: Sequence[RegionPair]) -> str:
        """Why the calibration does not hold for accepted pairs, in one sentence; "" if it does."""
        ranges = {plain_name(name): volumes for name, volumes in self.regions.items()}
        for pair in pairs:
            volumes = ranges.get(plain_name(pair.name))
            if volumes is None:
                known = ", ".join(f"'{name}'" for name in self.regions)
                return f"It was learned from {known} and not from '{pair.name}'."
            for side, region, (low, high) in (
                ("fixed", pair.fixed, volumes.fixed),
                ("moving", pair.moving, volumes.moving),
            ):
                if not low / BEYOND_RANGE <= region.volume_ml <= high * BEYOND_RANGE:
                    return (
                        f"The {side} region '{pair.name}' has {region.volume_ml:.3g} ml, far from the {low:.3g} to "
                        f"{high:.3g} ml that it was learned from."
                    )
        return ""

    def effect(self, reason: str) -> dict[str, Any]:
        """What it did to a registration, as plain values.

        Args:
            reason: why it was not used (`why_not`), or "".
        """
        return {
            "used": not reason and bool(self.covariance is not None or self.mean.any() or self.interior_models),
            "reason": reason or self.reason,
            "patients": self.origin.patients,
            "cases": self.origin.cases,
            "mean_rotation_deg": np.rad2deg(self.mean[ROTATION]).tolist(),
            "mean": self.mean.tolist(),
        }


def write_calibration(calibration: Calibration, path: str | Path) -> None:
    """Write a calibration as JSON, completely or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    covariance = calibration.covariance
    record = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "tell2reg": __version__,
        "origin": asdict(calibration.origin),
        "regions_ml": {name: asdict(volumes) for name, volumes in calibration.regions.items()},
        "linear_offset": {
            "parameters": PARAMETERS,
            "mean": calibration.mean.tolist(),
            "covariance": None if covariance is None else covariance.tolist(),
            "reason": calibration.reason,
            "tried": [dict(trial) for trial in calibration.trials],
            "estimated": dict(calibration.estimated),
        },
        "errors": None if calibration.errors is None else record_of(calibration.errors),
        "interiors": [_interior_record(interior) for interior in calibration.interiors],
    }
    write_text(path, json.dumps(record, indent=1) + "\n")


def read_calibration(path: str | Path) -> Calibration:
    """Read a calibration that `write_calibration` wrote.

    Raises:
        InputError: no such file, not a calibration, of a later version, or with values that cannot be used.
    """
    check_regular_file(Path(path), "'{path}' cannot be read as a calibration (there is no such file). Check the path.")
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"'{path}' cannot be read as a calibration ({error}). Write one with 'tell2reg calibrate'."
        ) from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise InputError(f"'{path}' is not a calibration. Write one with 'tell2reg calibrate'.")
    if record.get("schema_version") != SCHEMA_VERSION:
        raise InputError(
            f"'{path}' is a calibration of schema version {record.get('schema_version')}; this version of tell2reg "
            f"reads {SCHEMA_VERSION}. Update tell2reg, or calibrate again."
        )
    try:
        return _from_record(record)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"'{path}' is a damaged calibration ({error}). Calibrate again.") from error


def _from_record(record: Mapping[str, Any]) -> Calibration:
    origin, offset = record["origin"], record["linear_offset"]
    covariance = offset["covariance"]
    return Calibration(
        origin=Origin(
            cases=_count(origin["cases"]),
            patients=_count(origin["patients"]),
            landmarks=_count(origin["landmarks"]),
            labels={str(name): tuple(map(str, values)) for name, values in origin["labels"].items()},
        ),
        regions={
            str(name): VolumeRange(_range(sides["fixed"]), _range(sides["moving"]))
            for name, sides in record["regions_ml"].items()
        },
        mean=_mean(offset["mean"]),
        covariance=None if covariance is None else _covariance(covariance),
        reason=str(offset["reason"]),
        trials=tuple(dict(trial) for trial in offset["tried"]),
        estimated=dict(offset["estimated"]),
        errors=model_from(record["errors"]) if record.get("errors") else None,
        interiors=tuple(_interior(interior) for interior in record["interiors"]),
    )


def _interior_record(interior: LearnedInterior) -> dict[str, Any]:
    return {
        "region": interior.model.region,
        "features": FEATURES,
        "terms": TERMS,
        "coefficients": interior.model.coefficients.tolist(),
        "used": interior.used,
        "cases": interior.cases,
        "patients": interior.patients,
        "reason": interior.reason,
        "tried": [asdict(trial) for trial in interior.trials],
    }


def _interior(record: Mapping[str, Any]) -> LearnedInterior:
    coefficients = np.array(record["coefficients"], dtype=np.float64)
    if coefficients.shape != (len(FEATURES), len(TERMS)) or not np.isfinite(coefficients).all():
        raise ValueError(f"an interior model needs {len(FEATURES)} x {len(TERMS)} finite coefficients")
    return LearnedInterior(
        InteriorModel(str(record["region"]), coefficients),
        used=record["used"] is True,
        cases=_count(record["cases"]),
        patients=_count(record["patients"]),
        reason=str(record["reason"]),
        trials=tuple(
            InteriorTrial(float(trial["penalty"]), float(trial["gain_mm"]), float(trial["standard_error_mm"]))
            for trial in record["tried"]
        ),
    )


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{value!r} is not a count")
    return value


def _range(values: Any) -> tuple[float, float]:
    low, high = (float(value) for value in values)
    if not 0 < low <= high < float("inf"):
        raise ValueError(f"{values} is not a range of volumes")
    return low, high


def _mean(values: Any) -> Floats:
    mean = np.array(values, dtype=np.float64)
    if mean.shape != (9,) or not np.isfinite(mean).all() or np.linalg.norm(mean[ROTATION]) >= MOST_ROTATION:
        raise ValueError("the mean is not nine finite numbers with a rotation below 180 degrees")
    return mean


def _covariance(values: Any) -> Floats:
    covariance = np.array(values, dtype=np.float64)
    if (
        covariance.shape != (9, 9)
        or not np.isfinite(covariance).all()
        or not np.allclose(covariance, covariance.T)
        or np.linalg.eigvalsh(covariance).min() <= 0
    ):
        raise ValueError("the covariance is not a positive definite matrix of 9 x 9 numbers")
    return covariance
