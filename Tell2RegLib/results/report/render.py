"""From a result to the HTML text of its report."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from Tell2RegLib.results.report import statements, target_texts
from Tell2RegLib.results.report.detections import detection_rows
from Tell2RegLib.results.report.image_rows import picture_rows
from Tell2RegLib.results.report.pictures import css_color
from Tell2RegLib.results.report.planes import read_volume_at
from Tell2RegLib.results.result import NOTICE
from Tell2RegLib.space.pair_colors import color_of_pair
from Tell2RegLib.space.region import RegionPair
from Tell2RegLib.space.transform_kinds import KINDS
from Tell2RegLib.space.volume import Volume
from Tell2RegLib.support.complete_file import write_text
from Tell2RegLib.support.version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment

    from Tell2RegLib.results.result import RegistrationResult


def write_report(result: RegistrationResult, path: str | Path) -> None:
    """Write the report as one HTML file.

    Raises:
        OutputError: the file cannot be written.
    """
    write_text(path, render_report(result))


def render_report(result: RegistrationResult) -> str:
    """The report as one HTML page with its pictures inside and nothing from outside."""
    jacobian = result.fitted.jacobian if result.fitted else None
    strain = [_range_inside(jacobian, pair) if jacobian and pair.accepted else None for pair in result.pairs]
    colors = [color_of_pair(pair, number) for number, pair in enumerate(result.pairs)]
    accepted_pairs = [(pair, color) for pair, color in zip(result.pairs, colors, strict=True) if pair.accepted]
    template = _environment().get_template("report.html.j2")
    return template.render(
        notice=NOTICE,
        version=__version__,
        date=statements.date(result),
        result=result,
        kind_words=KINDS[result.fitted.transform.kind].title if result.fitted else "No transform",
        figures=statements.key_figures(result),
        remarks=statements.remarks(result, {p.name: s for p, s in zip(result.pairs, strain, strict=True) if s}),
        legend=[{"name": pair.name, "color": css_color(color)} for pair, color in accepted_pairs],
        rows=picture_rows(result, accepted_pairs, jacobian),
        pairs=[
            {"metrics": metrics, "color": css_color(color) if metrics.accepted else None, "strain": inside}
            for metrics, color, inside in zip(result.metrics, colors, strain, strict=True)
        ],
        show_words=any(pair.prompt not in ("", pair.name) for pair in result.pairs),
        show_similarity=any(pair.similarity is not None for pair in result.pairs),
        words=statements.prompt_rows(result),
        detection_rows=detection_rows(result),
        targets=_targets(result),
        tolerance=target_texts.tolerance_mm(result),
        bases=list(dict.fromkeys(t.trust.basis for t in result.targets if t.trust.radius_mm is not None)),
        errors=statements.mean_errors(result),
        measures=statements.measures(result),
        timing=statements.timing(result),
        provenance=statements.provenance(result),
    )


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = Path(__file__).parent / "templates"
    environment = Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined)
    environment.filters["number"] = statements.number
    return environment


def _range_inside(jacobian: Volume, pair: RegionPair) -> tuple[float, float] | None:
    """Percentiles 2 and 98 of det J in the fixed region; None where the field does not reach it."""
    inside = read_volume_at(jacobian, pair.fixed.points_lps_mm())
    if not np.isfinite(inside).any():
        return None
    low, high = np.nanpercentile(inside, (2, 98))
    return float(low), float(high)


# --- targets ---


def _targets(result: RegistrationResult) -> list[dict[str, Any]]:
    """Position, verdict and the values behind the verdict for each propagated target."""
    rows = []
    for target in result.targets:
        trust = target.trust
        rows.append(
            {
                "trust": trust,
                "fixed_position": statements.position(trust.fixed_lps_mm.tolist()),
                "region": target_texts.nearest_text(trust),
                "errors": target.errors_mm,
            }
        )
    return rows
