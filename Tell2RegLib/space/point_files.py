"""Point lists on disk: Slicer's markups (.mrk.json, and .fcsv to read) and plain tables (.csv).

In the library, points are LPS mm. A markups file states whether it uses LPS or RAS; both are supported. A table has one
header line: `label,l,p,s` (LPS mm, the form written here), `label,r,a,s` (RAS mm, as in Slicer's control point tables)
or `name,x,y,z` (LPS mm). Other columns are ignored; without a column of names, points are named 1, 2, 3, ...
"""

from __future__ import annotations

import copy
import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from Tell2RegLib.errors import InputError
from Tell2RegLib.space.grid import Floats
from Tell2RegLib.space.ras import RAS_AXES_LPS, lps_from, lps_in
from Tell2RegLib.support.complete_file import write_text
from Tell2RegLib.support.csv_cells import original_cell, safe_cell
from Tell2RegLib.support.regular_files import check_regular_file

Json = dict[str, Any]

SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)
_SYSTEMS = {"LPS": "LPS", "1": "LPS", "RAS": "RAS", "0": "RAS"}
"""Coordinate systems by their names in files; old versions of Slicer wrote 0 and 1."""


@dataclass(frozen=True, eq=False)
class PointList:
    """Named points.

    Args:
        names: one per point; they need not be unique, and may be empty.
        points_lps_mm: (P, 3), LPS mm, all finite; copied, kept read-only.

    Raises:
        InputError: names and points do not match, or a coordinate is not finite.
    """

    names: tuple[str, ...]
    points_lps_mm: Floats

    def __post_init__(self) -> None:
        points = np.array(self.points_lps_mm, dtype=np.float64)
        if points.shape != (len(self.names), 3):
            raise InputError(
                f"{len(self.names)} names require points of shape ({len(self.names)}, 3), not {points.shape}."
            )
        if not np.isfinite(points).all():
            invalid = self.names[int(np.flatnonzero(~np.isfinite(points).all(axis=1))[0])]
            raise InputError(f"The point '{invalid}' has a coordinate that is not a finite number.")
        points.setflags(write=False)
        object.__setattr__(self, "names", tuple(self.names))
        object.__setattr__(self, "points_lps_mm", points)

    def __len__(self) -> int:
        return len(self.names)


# --- reading ---


def read_points(path: str | Path) -> PointList:
    """Read the points of a .mrk.json (or .json), .fcsv or .csv file, in the order of the file.

    Includes all control points of all markups in the file, whatever their type, except points that were never placed
    (`positionStatus` other than "defined").

    Raises:
        InputError: a missing or malformed file, another extension, or no placed point.
    """
    path = Path(path)
    text = _read_text(path)
    readers = {".json": _read_json, ".fcsv": _read_fcsv, ".csv": _read_csv}
    if path.suffix.lower() not in readers:
        raise InputError(f"'{path.name}' is not a point list: its name must end in .mrk.json, .fcsv or .csv.")
    rows = readers[path.suffix.lower()](text, path)
    if not rows:
        raise InputError(f"'{path.name}' contains no placed points.")
    return PointList(tuple(name for name, _ in rows), np.array([point for _, point in rows]))


def _read_text(path: Path) -> str:
    check_regular_file(path)
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"'{path.name}' cannot be read as text. Choose a point list.") from error


def _read_json(text: str, path: Path) -> list[tuple[str, Floats]]:
    markups = _markups_in(_parse(text, path), path)
    return [
        (_label(point, path), lps_from(_system(markup, path), _position(point, path)))
        for markup, point in _placed_points(markups, path)
    ]


def _label(point: Json, path: Path) -> str:
    label = point.get("label", "")
    if not isinstance(label, str):
        raise InputError(f"'{path.name}' has a control point whose label is not text but {label!r}.")
    return label


def _parse(text: str, path: Path) -> Json:
    try:
        document = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        line_note = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise InputError(f"'{path.name}' is not valid JSON{line_note}.") from error
    return document


def _markups_in(document: Any, path: Path) -> list[Json]:
    markups = document.get("markups") if isinstance(document, dict) else None
    if not isinstance(markups, list) or not all(isinstance(markup, dict) for markup in markups):
        raise InputError(f"'{path.name}' is not a Slicer markups file: it has no list 'markups'.")
    return markups


def _placed_points(markups: list[Json], path: Path) -> Iterator[tuple[Json, Json]]:
    """Each placed control point, with its markup."""
    for markup in markups:
        points = markup.get("controlPoints", [])
        if not isinstance(points, list) or not all(isinstance(point, dict) for point in points):
            raise InputError(f"'{path.name}' has a markup whose 'controlPoints' is not a list of points.")
        for point in points:
            if point.get("positionStatus", "defined") == "defined":
                yield markup, point


def _system(markup: Json, path: Path) -> str:
    """The coordinate system of a markup, "LPS" or "RAS"."""
    system = markup.get("coordinateSystem", "LPS")
    units = markup.get("coordinateUnits", "mm")
    if str(system) not in _SYSTEMS or isinstance(system, bool):
        raise InputError(f"'{path.name}' has the coordinate system {system!r}; LPS or RAS is needed.")
    if units not in ("mm", ["mm", "mm", "mm"], "", None):
        raise InputError(f"'{path.name}' has coordinates in {units!r}; mm are needed.")
    return _SYSTEMS[str(system)]


def _position(point: Json, path: Path) -> Floats:
    name, values = point.get("label") or point.get("id") or "?", point.get("position")
    numbers = isinstance(values, list) and all(
        isinstance(value, (int, float)) and not isinstance(value, bool) for value in values
    )
    position = np.array(values, dtype=np.float64) if numbers else np.empty(0)
    if position.shape != (3,) or not np.isfinite(position).all():
        raise InputError(f"The point '{name}' in '{path.name}' needs a position of three finite numbers, not {values}.")
    return position


def _read_fcsv(text: str, path: Path) -> list[tuple[str, Floats]]:
    """Slicer's older format: comment lines, then id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,... per line."""
    system, columns, rows = "RAS", ["id", "x", "y", "z"] + ["-"] * 7 + ["label"], []
    for number, line in enumerate(text.splitlines(), 1):
        key, _, value = line.lstrip("# ").partition("=")
        if line.startswith("#") and key.strip() == "CoordinateSystem":
            system = value.strip()
        elif line.startswith("#") and key.strip() == "columns":
            columns = [column.strip() for column in value.split(",")]
        elif line.strip() and not line.startswith("#"):
            rows.append((number, line))
    system = _system({"coordinateSystem": system}, path)
    fields = [(n, dict(zip(columns, next(csv.reader([line])), strict=False))) for n, line in rows]
    return [(row.get("label", ""), lps_from(system, _numbers(row, n, path))) for n, row in fields]


def _read_csv(text: str, path: Path) -> list[tuple[str, Floats]]:
    lines = list(csv.reader(io.StringIO(text)))
    header = [_COLUMNS.get(column.strip().lower(), column.strip().lower()) for column in lines[0]] if lines else []
    if not {"x", "y", "z"} <= set(header):
        raise InputError(f"'{path.name}' needs a first line with the columns label,l,p,s or name,x,y,z (LPS mm).")
    system = "RAS" if "r" in [column.strip().lower() for column in lines[0]] else "LPS"
    rows = [(n, dict(zip(header, line, strict=False))) for n, line in enumerate(lines[1:], 2) if "".join(line).strip()]
    if "name" not in header:
        rows = [(n, {**row, "name": str(number)}) for number, (n, row) in enumerate(rows, 1)]
    placed_rows = [(n, row) for n, row in rows if row.get("defined", "1").strip() != "0"]
    return [
        (original_cell(row.get("name", "").strip()), lps_from(system, _numbers(row, n, path))) for n, row in placed_rows
    ]


_COLUMNS = {"label": "name", "l": "x", "r": "x", "p": "y", "a": "y", "s": "z"}
"""The columns of Slicer's control point tables, label,l,p,s or label,r,a,s."""


def _numbers(row: dict[str, str], line: int, path: Path) -> Floats:
    try:
        values = np.array([float(row[axis]) for axis in ("x", "y", "z")])
    except (KeyError, ValueError) as error:
        raise InputError(f"Line {line} of '{path.name}' does not have three numbers for x, y, z.") from error
    if not np.isfinite(values).all():
        raise InputError(f"Line {line} of '{path.name}' has a coordinate that is not a finite number.")
    return values


# --- writing ---


def write_points(
    path: str | Path, names: Sequence[str], points_lps_mm: ArrayLike, *, template: str | Path | None = None
) -> None:
    """Write points to a .mrk.json (or .json) or .csv file.

    Args:
        path: the file to write; its extension determines the format.
        names: one per point.
        points_lps_mm: (P, 3), LPS mm.
        template: the markups file from which these points were read. Its content is preserved (colours, descriptions,
            display, coordinate system, order, points that were never placed); only positions are replaced.

    Raises:
        InputError: another extension, names and points that do not match, or a template with other points.
        OutputError: the file cannot be written.
    """
    path = Path(path)
    points = PointList(tuple(names), np.asarray(points_lps_mm, dtype=np.float64))
    if path.suffix.lower() == ".json":
        document = _new_document(points, path) if template is None else _with_positions(Path(template), points)
        text = json.dumps(document, indent=4, ensure_ascii=False) + "\n"
    elif path.suffix.lower() == ".csv" and template is None:
        text = _table(points)
    else:
        needed = ".mrk.json or .csv" if template is None else ".mrk.json, as its template"
        raise InputError(f"'{path.name}' cannot be written as a point list: its name must end in {needed}.")
    write_text(path, text)


def _table(points: PointList) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["label", "l", "p", "s"])  # as Slicer names them
    writer.writerows(
        [safe_cell(name), *point] for name, point in zip(points.names, points.points_lps_mm.tolist(), strict=True)
    )
    return buffer.getvalue()


def _new_document(points: PointList, path: Path) -> Json:
    markup = {
        "type": "Fiducial",
        "name": path.name.split(".")[0],
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "locked": False,
        "fixedNumberOfControlPoints": False,
        "labelFormat": "%N-%d",
        "lastUsedControlPointNumber": len(points),
        "controlPoints": [
            {
                "id": str(number),
                "label": name,
                "description": "",
                "associatedNodeID": "",
                "position": position,
                "orientation": list(RAS_AXES_LPS),
                "selected": True,
                "locked": False,
                "visibility": True,
                "positionStatus": "defined",
            }
            for number, (name, position) in enumerate(zip(points.names, points.points_lps_mm.tolist(), strict=True), 1)
        ],
    }
    return {"@schema": SCHEMA, "markups": [markup]}


def _with_positions(template: Path, points: PointList) -> Json:
    """The template's document with new positions."""
    if template.suffix.lower() != ".json":
        raise InputError(f"The template '{template.name}' is not a .mrk.json file.")
    document = copy.deepcopy(_parse(_read_text(template), template))
    markups = _markups_in(document, template)
    placed_points = list(_placed_points(markups, template))
    labels = tuple(_label(point, template) for _, point in placed_points)
    if labels != points.names:
        raise InputError(
            f"The template '{template.name}' contains other points ({', '.join(labels) or 'none'}) than those to be "
            f"written ({', '.join(points.names) or 'none'})."
        )
    centres = {id(markup): _mean_position(markup, template) for markup in markups}
    for (markup, point), new_position in zip(placed_points, points.points_lps_mm, strict=True):
        point["position"] = lps_in(_system(markup, template), new_position).tolist()
    for markup in markups:
        _move_centre(markup, centres[id(markup)], template)
    return document


def _mean_position(markup: Json, path: Path) -> Floats | None:
    positions = [_position(point, path) for _, point in _placed_points([markup], path)]
    return np.mean(positions, axis=0) if positions else None


def _move_centre(markup: Json, old_mean: Floats | None, path: Path) -> None:
    """Move the separately stored centre of planes and regions of interest along with their points."""
    new_mean = _mean_position(markup, path)
    centre = markup.get("center")
    if old_mean is not None and new_mean is not None and isinstance(centre, list) and len(centre) == 3:
        markup["center"] = (np.asarray(centre, dtype=np.float64) + new_mean - old_mean).tolist()
