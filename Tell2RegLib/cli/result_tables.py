"""Shows a result in the terminal as tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from Tell2RegLib.cli.terminal import print_notice, print_table, stdout
from Tell2RegLib.evaluation.target_trust import GOOD

MEASURES = ("dice_before", "dice_after", "centroid_mm_before", "centroid_mm_after", "hd95_mm_before", "hd95_mm_after")
TARGET_HEAD = ("target", "verdict", "error mm", "radius mm", "nearest region", "mm")
TRUST = ("predicted_mm", "radius_mm", "nearest_name", "nearest_mm")
HEAD = ("Dice", "after", "centroid mm", "after", "HD95 mm", "after")


def show_result(record: dict[str, Any], out: Path) -> None:
    """The tables of a result, from its record."""
    for warning in record["warnings"]:
        stdout.print(f"Warning: {warning}", markup=False)
    show_prompts(record["words"])
    _show_pairs(record["pairs"])
    for remark in record["pair_remarks"]:
        stdout.print(f"Look closely: {remark}", markup=False)
    show_measures("True organs (known for a synthetic pair)", "organ", record["truth"])
    _show_targets(record["targets"])
    if record["transform"]:
        show_field(record["transform"])
    seconds = ", ".join(f"{stage} {value:.1f}" for stage, value in record["timing_s"].items())
    stdout.print(f"Seconds: {seconds}")
    stdout.print(f"Report:  {out / 'report.html'}", markup=False)
    print_notice()


def show_measures(title: str, name: str, pairs: list[dict[str, Any]]) -> None:
    """Overlap and distances of pairs, before and after; nothing without pairs."""
    if pairs:
        print_table(title, [name, *HEAD], [[pair["name"], *(pair[key] for key in MEASURES)] for pair in pairs])


def show_prompts(rows: list[dict[str, Any]]) -> None:
    """Show the detections of each prompt on both sides; nothing without prompts."""
    if not rows:
        return
    head = ["prompt", "fixed regions", "moving regions", "pairs", "used"]
    is_ratio_known = any(row["detection_ratio"] is not None for row in rows)
    if is_ratio_known:
        head.append("true regions detected")
    cells = []
    for row in rows:
        prompt_cells = [row["prompt"], row["fixed"]["regions"], row["moving"]["regions"], row["pairs"], row["accepted"]]
        cells.append([*prompt_cells, row["detection_ratio"]] if is_ratio_known else prompt_cells)
    print_table("Prompts", head, cells)
    for row in rows:
        for side in ("fixed", "moving"):
            if not row[side]["regions"]:
                stdout.print(f"In the {side} volume, {row[side]['in_words']}", markup=False)


def _show_pairs(pairs: list[dict[str, Any]]) -> None:
    has_similarity = any(pair["similarity"] is not None for pair in pairs)
    head = ["region", *(["similarity"] if has_similarity else []), *HEAD]
    rows = []
    for pair in pairs:
        name = pair["name"] if pair["accepted"] else f"{pair['name']} (not used)"
        name += f" ({100 * pair['weight']:.2g} %)" if pair["accepted"] and pair["weight"] < 1 else ""
        name += " (no overlap)" if _is_in_vain(pair) else ""
        rows.append([name, *([pair["similarity"]] if has_similarity else []), *(pair[measure] for measure in MEASURES)])
    print_table("Pairs", head, rows)
    for pair in pairs:
        if _is_in_vain(pair):
            stdout.print(
                f"No overlap: {pair['name']}: the fit used it, but its regions still do not overlap.", markup=False
            )
        if pair["accepted"] and pair["weight"] < 1:
            stdout.print(f"Counts less: {pair['name']}: {pair['reason']}", markup=False)
        if not pair["accepted"]:
            stdout.print(f"Not used: {pair['name']}: {pair['reason']}", markup=False)


def _is_in_vain(pair: dict[str, Any]) -> bool:
    return pair["accepted"] and not pair["dice_after"]


def show_verdicts(targets: list[dict[str, Any]]) -> None:
    """The verdicts on targets with their reasons, from records; nothing without targets."""
    if not targets:
        return
    judged = [(target["name"], target["trust"]) for target in targets]
    rows = [[name, trust["verdict"], *(trust[key] for key in TRUST)] for name, trust in judged]
    print_table("Targets, with predicted error", TARGET_HEAD, rows)
    names_by_reason: dict[tuple[str, str], list[str]] = {}
    for name, trust in judged:
        if trust["verdict"] != GOOD:
            names_by_reason.setdefault((trust["verdict"].capitalize(), " ".join(trust["reasons"])), []).append(name)
    for (verdict, reasons), names in names_by_reason.items():
        stdout.print(f"{verdict}: {', '.join(names)}: {reasons}", markup=False)
    for basis in dict.fromkeys(trust["basis"] for _, trust in judged if trust["radius_mm"] is not None):
        stdout.print(f"Radius: {basis}", markup=False)


def _show_targets(targets: list[dict[str, Any]]) -> None:
    show_verdicts(targets)
    kinds = list(targets[0]["error_mm"]) if targets else []
    if not kinds:
        return
    rows = [[target["name"], *(target["error_mm"][kind] for kind in kinds)] for target in targets]
    means = [sum(row[n] for row in rows) / len(rows) for n in range(1, len(kinds) + 1)]
    print_table("Target error, mm", ["target", *kinds], [*rows, ["mean", *means]])


def show_field(field: dict[str, Any]) -> None:
    """One line about a transform."""
    error = field["inverse_error_mm"]
    inverse = f"mean {error['mean']:.3f} mm, max {error['max']:.2f} mm" if error["mean"] is not None else "unknown"
    stdout.print(
        f"Field:   {field['kind']}, {field['folding_percent']:.4g} % folded, largest displacement "
        f"{field['max_displacement_mm']:.1f} mm, inverse error {inverse}"
    )
