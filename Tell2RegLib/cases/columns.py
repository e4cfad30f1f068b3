"""The columns of a table of cases: names and files, and the options of `register` from their declarations."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from Tell2RegLib.evaluation.settings import TrustSettings
from Tell2RegLib.fitting.settings import FitSettings
from Tell2RegLib.pipeline.find_options import FindOptions
from Tell2RegLib.support.settings import Setting, offered_settings

CASE, PATIENT, PROMPT = "case", "patient", "prompt"
SEPARATOR = ";"
"""Between several patients, or several prompts, in one cell."""

VOLUMES = ("fixed", "moving")
REGIONS = ("fixed_regions", "moving_regions")
POINTS = ("fixed_points", "moving_points")
TRUE_REGIONS = ("fixed_true_regions", "moving_true_regions")
PAIRS_OF_FILES = (REGIONS, POINTS, TRUE_REGIONS)
SETTINGS = (FindOptions, FitSettings, TrustSettings)
"""The classes of settings that `register` offers."""
INITIAL_TRANSFORM, CALIBRATION = ORIENTATIONS = ("initial_transform", "calibration")
"""Files that set the expected orientation; a case has one of them at most."""
LABEL_NAMES = "labels"
FILES = (*VOLUMES, *REGIONS, *POINTS, *TRUE_REGIONS, *ORIENTATIONS, LABEL_NAMES)
SERIES = ("fixed_series", "moving_series")
REGION_NAMES, RESAMPLE, ALL_PAIRS = HANDLING = ("regions", "resample_regions", "all_pairs")
"""Options of `register` that are no settings: how files are read, and whether pairs are checked."""
REQUIRED = (CASE, PATIENT, *VOLUMES)
"""Columns of every table; none of their cells may be empty."""

_CLOSE = 0.8
"""Similarity of two names, 0..1, from which one is taken for a slip of the other."""


@dataclass(frozen=True)
class OptionColumn:
    """An option of `register` as a column.

    Args:
        settings: the class that declares it.
        declared: its declaration.
    """

    settings: type
    declared: Setting

    @property
    def name(self) -> str:
        """The column: the terminal's option without its dashes, such as "slice_step"."""
        return plain_column(self.declared.option)


def option_columns(groups: Iterable[type] = SETTINGS) -> Mapping[str, tuple[OptionColumn, ...]]:
    """Every option of `register` by its column; an option that two classes declare goes to both."""
    columns: dict[str, tuple[OptionColumn, ...]] = {}
    for settings in groups:
        for declared in offered_settings(settings):
            column = OptionColumn(settings, declared)
            columns[column.name] = (*columns.get(column.name, ()), column)
    return columns


def plain_column(name: str) -> str:
    """A column's name as it is compared: without case, dashes in front and outer spaces.

    >>> plain_column(" Fixed regions"), plain_column("--slice-step")
    ('fixed_regions', 'slice_step')
    """
    words: Any = name.strip().lstrip("-").casefold().replace("-", " ").replace("_", " ").split()
    return "_".join(words)


def known_columns() -> tuple[str, ...]:
    """All columns that mean something; others are labels."""
    return (CASE, PATIENT, *FILES, PROMPT, *SERIES, *HANDLING, *option_columns())


def slip_of(name: str) -> str:
    """The known column that an unknown one was probably meant to be; "" when none is close.

    >>> slip_of("fixed_region"), slip_of("smothness"), slip_of("hospital")
    ('fixed_regions', 'smoothness', '')
    """
    column = plain_column(name)
    reordered = [known for known in known_columns() if sorted(known.split("_")) == sorted(column.split("_"))]
    close = difflib.get_close_matches(column, known_columns(), n=1, cutoff=_CLOSE)
    return next(iter([*reordered, *close]), "")
