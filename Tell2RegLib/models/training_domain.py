"""Whether slices are like those that weights were trained on, by statistics that come with the weights.

Networks answer on any picture, however far it is from what they know. The statistics tell the difference between
"nothing is there" and "these networks cannot know".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from Tell2RegLib.errors import ModelError
from Tell2RegLib.models.protocol import Embeddings, SliceStack

CLASSES = 16
"""Classes of the histogram of grey values."""
MARGIN = 2.0
"""The limit of a statistic, in multiples of the largest distance among the training scans."""

Features = Mapping[str, NDArray[np.float64]]
"""The statistics of one scan, by name: "intensity" (`CLASSES`) and "embedding" (2 C)."""


def features_of(slices: SliceStack, embeddings: Embeddings) -> Features:
    """The statistics of slices: their histogram, and mean and spread of every channel of their embeddings.

    Args:
        slices: (S, J, I).
        embeddings: features of these slices.
    """
    rows, columns = (int(np.ceil(covered)) for covered in embeddings.covered_hw)
    cells = embeddings.features[:, :, :rows, :columns].astype(np.float64)
    by_channel = [cells.mean(axis=(2, 3)).mean(axis=0), cells.std(axis=(2, 3)).mean(axis=0)]
    histogram = np.histogram(slices, bins=CLASSES, range=(0, 256))[0] / slices.size
    return {"intensity": histogram, "embedding": np.concatenate(by_channel)}


@dataclass(frozen=True, eq=False)
class Statistic:
    """The usual values of one statistic, (n,), and how far from them the training scans lie at most."""

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    limit: float

    def distance(self, values: NDArray[np.float64]) -> float:
        """Root mean square of the deviations in units of the spread, relative to the limit."""
        return float(np.sqrt(np.mean(((values - self.mean) / self.spread) ** 2)) / self.limit)

    @classmethod
    def of(cls, scans: NDArray[np.float64]) -> Statistic:
        """The statistic of training scans, (scans, n), at least two."""
        mean, spread = scans.mean(axis=0), scans.std(axis=0, ddof=1)
        # A value that hardly varies among few scans varies more among others.
        spread = np.hypot(spread, 0.25 * spread.mean())
        unscaled = cls(mean, spread, 1.0)
        return cls(mean, spread, MARGIN * max(unscaled.distance(values) for values in scans))


@dataclass(frozen=True, eq=False)
class TrainingDomain:
    """What weights were trained on.

    Args:
        subject: in words, such as "the synthetic pelvis of the demo".
        scans: how many scans the statistics are of.
        statistics: by name.
    """

    subject: str
    scans: int
    statistics: Mapping[str, Statistic]

    def distance(self, features: Features) -> float:
        """How far a scan is from the training scans: above 1, it is unlike all of them."""
        return max(statistic.distance(features[name]) for name, statistic in self.statistics.items())

    @classmethod
    def of(cls, subject: str, scans: Sequence[Features]) -> TrainingDomain:
        """The domain of training scans."""
        return cls(
            subject,
            len(scans),
            {name: Statistic.of(np.array([scan[name] for scan in scans])) for name in scans[0]},
        )

    def as_record(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "subject": self.subject,
            "scans": self.scans,
            "statistics": {
                name: {
                    "limit": round(statistic.limit, 4),
                    "mean": [float(f"{value:.5g}") for value in statistic.mean],
                    "spread": [float(f"{value:.5g}") for value in statistic.spread],
                }
                for name, statistic in self.statistics.items()
            },
        }


def read_domain(path: Path) -> TrainingDomain:
    """The domain in a file that `as_record` describes.

    Raises:
        ModelError: the file is missing or damaged.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        statistics = {
            name: Statistic(np.array(values["mean"], float), np.array(values["spread"], float), float(values["limit"]))
            for name, values in record["statistics"].items()
        }
        return TrainingDomain(str(record["subject"]), int(record["scans"]), statistics)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"'{path}' is missing or damaged. Install Tell2Reg again.") from error
