"""Reads a table of cases: one row per pair of volumes, with its files, patients, options and labels.

All faults of a table are reported at once, one sentence each, with the line, the column and the value.
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from Tell2RegLib.cases.columns import (
    ALL_PAIRS,
    CASE,
    FILES,
    LABEL_NAMES,
    ORIENTATIONS,
    PAIRS_OF_FILES,
    PATIENT,
    POINTS,
    PROMPT,
    REGION_NAMES,
    REGIONS,
    REQUIRED,
    RESAMPLE,
    SEPARATOR,
    SERIES,
    SETTINGS,
    TRUE_REGIONS,
    VOLUMES,
    OptionColumn,
    known_columns,
    option_columns,
    plain_column,
    slip_of,
)
from Tell2RegLib.errors import InputError
from Tell2RegLib.evaluation.settings import TrustSettings
from Tell2RegLib.fitting.settings import FitSettings
from Tell2RegLib.pipeline.find_options import FindOptions
from Tell2RegLib.support.regular_files import check_file_or_folder, check_regular_file
from Tell2RegLib.support.settings import value_from_text, yes_or_no

_NOT_IN_NAMES = '\\/:*?"<>|'
"""Characters that no case's name may hold: results of a case go into a folder of its name."""
_FIELD_OF = {LABEL_NAMES: "label_names"}
"""Fields of a case with another name than their column."""


@dataclass(frozen=True)
class Case:
    """Two volumes and what belongs to them.

    Args:
        name: unique in its table; fit for the name of a folder.
        patients: at least one; cases that share a patient are never split (`groups`).
        fixed, moving: the volumes.
        fixed_regions, moving_regions: regions to register by.
        fixed_points, moving_points: corresponding landmarks.
        fixed_true_regions, moving_true_regions: regions to compare with.
        initial_transform, calibration: the expected orientation, or a calibration that gives it.
        label_names: names of the labels of plain label maps.
        series: which DICOM series to read, fixed and moving.
        region_names: the regions to read; all when empty.
        resample_regions: resample regions that are not on the grid of their volume.
        all_pairs: use every pair in full.
        prompts: what to detect instead of given regions.
        search, fit, trust: values of `FindOptions`, `FitSettings` and `TrustSettings` that the table sets.
        labels: the other columns, to compare cases by.
        line: its line in the table, from 1.
    """

    name: str
    patients: tuple[str, ...]
    fixed: Path
    moving: Path
    fixed_regions: Path | None = None
    moving_regions: Path | None = None
    fixed_points: Path | None = None
    moving_points: Path | None = None
    fixed_true_regions: Path | None = None
    moving_true_regions: Path | None = None
    initial_transform: Path | None = None
    calibration: Path | None = None
    label_names: Path | None = None
    series: tuple[str, str] = ("", "")
    region_names: tuple[str, ...] = ()
    resample_regions: bool = False
    all_pairs: bool = False
    prompts: tuple[str, ...] = ()
    search: Mapping[str, Any] = field(default_factory=dict)
    fit: Mapping[str, Any] = field(default_factory=dict)
    trust: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    line: int = 0

    @property
    def files(self) -> dict[str, Path]:
        """The files of the case by their columns."""
        paths = {column: getattr(self, _FIELD_OF.get(column, column)) for column in FILES}
        return {column: path for column, path in paths.items() if path is not None}


@dataclass(frozen=True)
class CaseTable:
    """The cases of a table.

    Args:
        path: the file.
        cases: at least one, in the order of the table.
        labels: names of the columns to compare by.
        warnings: sentences about columns that look like a slip of a known one.
    """

    path: Path
    cases: tuple[Case, ...]
    labels: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """The table and every file of its cases."""
        return (self.path, *(path for case in self.cases for path in case.files.values()))


def read_cases(path: str | Path, *, need_regions: bool = False, need_truth: bool = False) -> CaseTable:
    """Read a table of cases (CSV, UTF-8, comma-separated, with a header line).

    Columns: `case`, `patient` and `prompt` (several separated by ";"), `fixed`, `moving`, `fixed_regions`,
    `moving_regions`, `fixed_points`, `moving_points`, `fixed_true_regions`, `moving_true_regions`,
    `initial_transform`, `calibration`, `labels`, and every option of `tell2reg register` by its name,
    such as `smoothness`. Other columns are labels. Case, order, dashes and underscores do not matter in names of
    columns. Relative paths are relative to the table; an empty cell means none.

    Args:
        path: the table.
        need_regions: require regions from files in every row.
        need_truth: require landmarks or true regions in every row.

    Raises:
        InputError: every fault of the table, one sentence per line.
    """
    path = Path(path)
    header, rows = _rows(path)
    columns = [plain_column(name) for name in header]
    faults = list(_header_faults(header, columns))
    if not rows:
        faults.append("The table has no cases; add one line for each below the header.")
    cases = []
    for row in rows:
        reader = _RowReader(row, path.parent)
        if len(row.values) != len(header):
            reader.fault(
                f"there are {len(row.values)} values for {len(header)} columns; quote values that contain commas."
            )
        else:
            cases.append(reader.case(dict(zip(columns, row.values, strict=True)), header))
            reader.check_needs(cases[-1], need_regions, need_truth)
        faults += reader.faults
    faults += _repeated_names(cases)
    labels = tuple(name.strip() for name in header if plain_column(name) not in known_columns())
    warnings = tuple(_warnings(labels, columns))
    if faults:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise InputError("\n".join([f"'{path}' cannot be used as a table of cases ({count}):", *faults, *warnings]))
    return CaseTable(path, tuple(cases), labels, warnings)


# --- the file ---


MOST_LETTERS = 80
"""Of a column's name in a message."""


@dataclass(frozen=True)
class _Row:
    line: int
    values: tuple[str, ...]


def _rows(path: Path) -> tuple[list[str], list[_Row]]:
    """The header and the rows that are not empty, each with the number of its first line."""
    check_regular_file(path, "There is no table '{path}'. Check the path.")
    rows = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader, line = csv.reader(stream, strict=True), 1
            for values in reader:
                if any(value.strip() for value in values):
                    rows.append(_Row(line, tuple(value.strip() for value in values)))
                line = reader.line_num + 1
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"'{path}' cannot be read as a table: save it as CSV, UTF-8, with commas ({error})."
        ) from error
    if not rows:
        raise InputError(f"'{path}' is empty: a table of cases starts with a line of column names.")
    return list(rows[0].values), rows[1:]


def _header_faults(header: Sequence[str], columns: Sequence[str]) -> Iterator[str]:
    for name, count in Counter(columns).items():
        if not name:
            yield "A column has no name in the header; name or remove it."
        elif count > 1:
            yield f"The column '{name}' occurs {count} times; keep one."
    for name in REQUIRED:
        if name not in columns:
            slips = [written for written in header if slip_of(written) == name and plain_column(written) != name]
            meant = (
                f" '{slips[0]}' looks like it: rename that column."
                if slips
                else f" Add it; the columns are {', '.join(name[:MOST_LETTERS] for name in header)}."
            )
            yield f"There is no column '{name}'.{meant}"


def _repeated_names(cases: Sequence[Case]) -> Iterator[str]:
    lines: dict[str, list[Case]] = {}
    for case in cases:
        lines.setdefault(case.name.casefold(), []).append(case)
    for same in lines.values():
        if len(same) > 1 and same[0].name:
            listed = ", ".join(str(case.line) for case in same)
            yield f"Lines {listed}: the case is called '{same[0].name}' each time; give every case a name of its own."


def _warnings(labels: Sequence[str], columns: Sequence[str]) -> Iterator[str]:
    for name in labels:
        meant = slip_of(name)
        is_fault = meant in REQUIRED and meant not in columns
        if meant and not is_fault:
            yield f"The column '{name}' is used as a label only; to set '{meant}', rename it."


# --- one row ---


class _RowReader:
    """Turns one row into a case and collects its faults."""

    def __init__(self, row: _Row, folder: Path) -> None:
        self._line, self._folder = row.line, folder
        self.faults: list[str] = []

    def fault(self, text: str) -> None:
        """Note one fault, a sentence without the line."""
        self.faults.append(f"Line {self._line}: {text}")

    def case(self, cells: Mapping[str, str], header: Sequence[str]) -> Case:
        """The case of the row; whatever cannot be used is a fault and left out."""
        files = {column: self._file(column, cells[column]) for column in FILES if cells.get(column)}
        for column in REQUIRED:
            if column in cells and not cells[column].strip(SEPARATOR):
                self.fault(f"'{column}' is empty; fill it in.")
        for pair in PAIRS_OF_FILES:
            if len({column in files for column in pair}) == 2:
                given, missing = pair if pair[0] in files else pair[::-1]
                self.fault(f"'{given}' is given, but not '{missing}'; give both or neither.")
        if all(column in files for column in ORIENTATIONS):
            self.fault(
                f"'{ORIENTATIONS[0]}' and '{ORIENTATIONS[1]}' both set the expected orientation; give one of them."
            )
        options = self._options(cells)
        return Case(
            name=self._name(cells.get(CASE, "")),
            patients=_parts(cells.get(PATIENT, "")),
            prompts=_parts(cells.get(PROMPT, "")),
            series=(cells.get(SERIES[0], ""), cells.get(SERIES[1], "")),
            region_names=_parts(cells.get(REGION_NAMES, "").replace(",", SEPARATOR)),
            resample_regions=self._yes_or_no(RESAMPLE, cells.get(RESAMPLE, "")),
            all_pairs=self._yes_or_no(ALL_PAIRS, cells.get(ALL_PAIRS, "")),
            search=options[FindOptions],
            fit=options[FitSettings],
            trust=options[TrustSettings],
            labels={name: cells[plain_column(name)] for name in header if plain_column(name) not in known_columns()},
            line=self._line,
            **{volume: Path() for volume in VOLUMES}
            | {_FIELD_OF.get(column, column): files[column] for column in files},  # type: ignore[arg-type]
        )

    def check_needs(self, case: Case, need_regions: bool, need_truth: bool) -> None:
        """Note what a command needs and the case lacks."""
        given = case.files
        if case.prompts and (need_regions or any(column in given for column in REGIONS)):
            self.fault(f"'{PROMPT}' is '{'; '.join(case.prompts)}', but regions come from files here; leave it empty.")
        if need_regions and not any(column in given for column in REGIONS):
            self.fault(f"'{REGIONS[0]}' and '{REGIONS[1]}' are missing; give the regions to register by.")
        if need_truth and not any(column in given for column in (*POINTS, *TRUE_REGIONS)):
            self.fault(
                f"there is nothing to compare with; give '{POINTS[0]}' and '{POINTS[1]}', or '{TRUE_REGIONS[0]}' and "
                f"'{TRUE_REGIONS[1]}'."
            )

    def _name(self, name: str) -> str:
        invalid = "a dot in front" if name.startswith(".") else " ".join(sorted(set(name) & set(_NOT_IN_NAMES)))
        if invalid:
            self.fault(f"'{CASE}' is '{name}', which cannot name a folder; use a name without {invalid}.")
        return name

    def _file(self, column: str, text: str) -> Path:
        path = self._folder / text
        try:
            check_file_or_folder(path)
        except InputError as error:
            is_missing = "\0" in text or not os.path.lexists(path)
            reason = f"but there is no such file or folder in '{self._folder}'." if is_missing else f"but {error}"
            self.fault(f"'{column}' is '{text}', {reason}")
        if column in POINTS and path.is_dir():
            self.fault(f"'{column}' is '{text}', a folder; give a file of points.")
        return path

    def _yes_or_no(self, column: str, text: str) -> bool:
        try:
            return bool(text) and yes_or_no(text)
        except ValueError:
            self.fault(f"'{column}' is '{text}', but must be yes or no.")
            return False

    def _options(self, cells: Mapping[str, str]) -> dict[type, dict[str, Any]]:
        values: dict[type, dict[str, Any]] = {settings: {} for settings in SETTINGS}
        for name, columns in option_columns().items():
            if not cells.get(name):
                continue
            try:
                for column in columns:
                    values[column.settings][column.declared.name] = self._value(column, cells[name])
            except InputError as error:
                self.fault(str(error))
        for settings, chosen in values.items():
            try:
                settings(**chosen)  # bounds that must fit together
            except InputError as error:
                self.fault(str(error))
        return values

    def _value(self, column: OptionColumn, text: str) -> Any:
        value = value_from_text(column.settings, column.declared.name, text, shown_name=column.name)
        return self._folder / value if isinstance(value, Path) else value


def _parts(cell: str) -> tuple[str, ...]:
    """The values of a cell, each once, in their order."""
    return tuple(dict.fromkeys(part.strip() for part in cell.split(SEPARATOR) if part.strip()))
