"""Names for the values of a label map: from tables of other programs, and from the header of a NIfTI file.

JSON      {"1": "prostate"}, {"prostate": 1}, or such a table under "labels" (nnU-Net) or the name of a task
          (TotalSegmentator)
CSV       a header with a column for the value and one for the name (Slicer's colour tables, and others)
.ctbl     lines of value, name and colour (Slicer)
.txt      the same, or value, colour and a name in quotes (ITK-SNAP)
NIfTI     a table of labels in the header (TotalSegmentator, Connectome Workbench), read without being asked for
"""

from __future__ import annotations

import csv
import gzip
import json
import re
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from Tell2RegLib.errors import InputError
from Tell2RegLib.space.region import Region, plain_name
from Tell2RegLib.support.regular_files import check_regular_file

VALUE_COLUMNS = ("labelvalue", "label", "value", "id", "index", "key", "number")
NAME_COLUMNS = ("name", "structure", "region", "labelname", "text")
BACKGROUND = 0
LARGEST_TABLE = 1 << 20
"""Bytes; a table of names is far smaller."""

_QUOTED_AT_THE_END = re.compile(r'(\d{1,9})\s.*"([^"]*)"\s*')
_VALUE_NAME_COLOUR = re.compile(r"(\d{1,9})\s+(\S.*?)(?:\s+\d+){3,4}\s*")
_IN_NIFTI = re.compile(rb'<Label\s[^>]*Key="(\d{1,9})"[^>]*>\s*<!\[CDATA\[(.*?)\]\]>', re.DOTALL)


def read_label_names(path: str | Path) -> dict[int, str]:
    """The names in a table, by label value.

    Raises:
        InputError: missing, not such a table, or a value or name that occurs twice.
    """
    path = Path(path)
    check_regular_file(path, "'{path}' cannot be read: there is no such file. Check the path.")
    try:
        if path.stat().st_size > LARGEST_TABLE:
            raise InputError(f"'{path}' is too large for a table of label names.")
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"'{path}' is not a text file, so it is no table of label names.") from error
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror or error}.") from error
    readers = {".json": _from_json, ".csv": _from_csv}
    rows = readers.get(path.suffix.lower(), _from_lines)(text, path)
    names = {value: name.strip() for value, name in rows if value != BACKGROUND}
    if not names:
        raise InputError(
            f'\'{path}\' names no label. A table looks like {{"1": "prostate", "2": "bladder"}}; Slicer\'s colour '
            "tables (.ctbl, .csv) are read too."
        )
    _check_unique("the label", [str(value) for value, _ in rows], path)
    _check_unique("the name", list(names.values()), path)
    return names


def _check_unique(kind: str, values: Sequence[str], path: Path) -> None:
    twice = [value for value, count in Counter(values).items() if count > 1]
    if twice:
        raise InputError(f"'{path}' has {kind} '{twice[0]}' twice.")


def _from_json(text: str, path: Path) -> list[tuple[int, str]]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"'{path}' is not JSON: {error}.") from error
    while isinstance(content, dict) and not _is_table(content):
        tables = [content["labels"]] if "labels" in content else [v for v in content.values() if isinstance(v, dict)]
        if len(tables) != 1:
            break
        (content,) = tables
    if not isinstance(content, dict) or not _is_table(content):
        raise InputError(f'\'{path}\' is no table of label names: write it as {{"1": "prostate", "2": "bladder"}}.')
    return [_row(key, value) for key, value in content.items()]


def _is_table(content: Mapping[str, Any]) -> bool:
    return bool(content) and all(
        (key.isdecimal() and len(key) < 10 and isinstance(value, str))
        or (isinstance(value, int) and not isinstance(value, bool))
        for key, value in content.items()
    )


def _row(key: str, value: Any) -> tuple[int, str]:
    return (int(key), value) if isinstance(value, str) else (value, key)


def _from_csv(text: str, path: Path) -> list[tuple[int, str]]:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    try:
        rows = list(csv.reader(lines))
    except csv.Error as error:
        raise InputError(f"'{path}' is not a table: {error}.") from error
    header = [re.sub(r"[\W_]", "", cell).lower() for cell in rows[0]] if rows else []
    columns = []
    for choices in (VALUE_COLUMNS, NAME_COLUMNS):
        columns.append(next((header.index(choice) for choice in choices if choice in header), None))
    value_at, name_at = columns
    if value_at is None or name_at is None:
        raise InputError(f"'{path}' needs a header with the columns LabelValue and Name.")
    try:
        return [(int(row[value_at]), row[name_at]) for row in rows[1:]]
    except (ValueError, IndexError) as error:
        raise InputError(f"'{path}' has a row without a whole number as its label value, or without a name.") from error


def _from_lines(text: str, path: Path) -> list[tuple[int, str]]:
    rows = []
    for line in text.splitlines():
        line = line.strip()
        match = _QUOTED_AT_THE_END.fullmatch(line) or _VALUE_NAME_COLOUR.fullmatch(line)
        if match:
            rows.append((int(match[1]), match[2].replace("_", " ") if '"' not in line else match[2]))
        elif line and not line.startswith("#"):
            raise InputError(f"'{path}' has a line that is no label, name and colour: '{line[:60]}'.")
    return rows


def names_in_nifti(path: Path) -> dict[int, str]:
    """The names in the header of a NIfTI file; empty where there are none, and for other files."""
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        return {}
    header = b""
    with suppress(OSError, EOFError, zlib.error, gzip.BadGzipFile):
        with path.open("rb") as stream:
            is_zipped = stream.read(2) == b"\x1f\x8b"
        with gzip.open(path) if is_zipped else path.open("rb") as content:
            header = content.read(352)
            are_extensions = len(header) == 352 and bool(header[348])
            header = content.read(LARGEST_TABLE) if are_extensions else b""
    return {int(value): name.decode("utf-8", "replace").strip() for value, name in _IN_NIFTI.findall(header)}


def chosen_regions(regions: Sequence[Region], names: Sequence[str], source: str) -> tuple[Region, ...]:
    """The regions with these names, compared without case and separators, in the order of the regions.

    Raises:
        InputError: a name that no region has.
    """
    wanted = {plain_name(name) for name in names}
    available = {plain_name(region.name) for region in regions}
    missing = [name for name in names if plain_name(name) not in available]
    if missing:
        listed = ", ".join(region.name for region in regions[:20]) + (", ..." if len(regions) > 20 else "")
        raise InputError(f"'{source}' has no region '{missing[0]}'. It has: {listed}.")
    return tuple(region for region in regions if plain_name(region.name) in wanted)
