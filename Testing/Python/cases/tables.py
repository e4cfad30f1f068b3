"""Tables of cases on disk, with empty files for what they name."""

from __future__ import annotations

import csv
from pathlib import Path

from Tell2RegLib.cases.columns import FILES

Row = dict[str, str]


def a_row(name: str = "a", **cells: str) -> Row:
    """A case with regions and landmarks of its own patient."""
    files = {
        column: f"{name}/{column}.{'csv' if 'points' in column else 'nii.gz'}"
        for column in ("fixed", "moving", "fixed_regions", "moving_regions", "fixed_points", "moving_points")
    }
    return {"case": name, "patient": f"patient of {name}", **files, **cells}


def write_table(folder: Path, rows: list[Row], *, with_files: bool = True) -> Path:
    """The rows as cases.csv; every file that they name exists, and is empty."""
    header = list(dict.fromkeys(column for row in rows for column in row))
    path = folder / "cases.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, header, restval="")
        writer.writeheader()
        writer.writerows(rows)
    if with_files:
        for row in rows:
            for column in FILES:
                if row.get(column):
                    file = folder / row[column]
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.touch()
    return path
