"""Pictures of a validation: each case against centre + scale, and cumulative curves of all values."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from Tell2RegLib.validation.baselines import CENTRE, CENTRE_AND_SCALE
from Tell2RegLib.validation.scores import REGISTERED
from Tell2RegLib.validation.summary import MeasureSummary, ValidationSummary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PICTURES: Mapping[str, str] = {
    "landmark_mm": "landmark_error.png",
    "dice": "dice.png",
    "centroid_mm": "centroid_distance.png",
}
"""Files by the key of the measure."""
WITHOUT_MATPLOTLIB = "matplotlib is not installed, so no plots were written; 'pip install matplotlib' adds them."

_CURVES = {CENTRE: ("tab:gray", ":"), CENTRE_AND_SCALE: ("tab:orange", "--"), REGISTERED: ("tab:blue", "-")}


def can_plot() -> bool:
    """Whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def write_plots(summary: ValidationSummary, folder: Path, prefix: str = "") -> tuple[Path, ...]:
    """Write one picture per main measure; the same summary gives the same bytes.

    Args:
        summary: with or without each measure.
        folder: exists.
        prefix: of the files' names.
    """
    written = []
    for measure in summary.measures:
        if measure.measure.key in PICTURES:
            path = folder / f"{prefix}{PICTURES[measure.measure.key]}"
            _write_picture(measure, path)
            written.append(path)
    return tuple(written)


def _write_picture(summary: MeasureSummary, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    _plot_cases(left, summary)
    _plot_cumulative(right, summary)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _plot_cases(axes: Axes, summary: MeasureSummary) -> None:
    """One point per case; below the diagonal the registration is better than centre + scale (above it for a Dice)."""
    x, y = (np.asarray(summary.case_means[transform]) for transform in (CENTRE_AND_SCALE, REGISTERED))
    low, high = (0.0, 1.0) if not summary.measure.is_error else (0.0, 1.05 * float(max(x.max(), y.max(), 1e-9)))
    axes.plot([low, high], [low, high], color="black", linewidth=0.8)
    axes.scatter(x, y, s=16, color="tab:blue", alpha=0.7, linewidths=0)
    settings: dict[str, Any] = {"xlim": (low, high), "ylim": (low, high), "aspect": "equal"}
    axes.set(xlabel=f"{CENTRE_AND_SCALE}, {_named(summary)}", ylabel=f"{REGISTERED}", **settings)
    axes.set_title(f"Mean of each of {summary.cases} cases", fontsize=10)


def _plot_cumulative(axes: Axes, summary: MeasureSummary) -> None:
    for transform, (color, style) in _CURVES.items():
        values = np.sort(np.concatenate([[0.0], *summary.case_values[transform]]))
        share = 100 * np.arange(len(values)) / (len(values) - 1)
        axes.step(values, share, where="post", color=color, linestyle=style, label=transform)
    axes.set(xlabel=_named(summary), ylabel="% of all values at most this", ylim=(0, 100))
    axes.set_xlim(left=0)
    axes.set_title(f"{summary.values} values", fontsize=10)
    axes.legend(loc="lower right" if summary.measure.is_error else "upper left", fontsize=9)


def _named(summary: MeasureSummary) -> str:
    measure = summary.measure
    return f"{measure.title}, {measure.unit}" if measure.unit else measure.title
