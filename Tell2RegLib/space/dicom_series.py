"""Several DICOM series in one folder: they are listed, and one is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from Tell2RegLib.errors import InputError

SERIES_DESCRIPTION = "0008|103e"
MOST_LISTED = 12


def choose_series(folder: Path, series_ids: Sequence[str], chosen: str) -> str:
    """The ID of one of several series.

    Args:
        folder: the folder.
        series_ids: as GDCM gives them.
        chosen: number from 1 in the list below, description or (beginning with it) UID; empty for none.

    Raises:
        InputError: none was chosen, or not exactly one fits; the message lists all.
    """
    wanted = chosen.strip().casefold()
    if wanted.isdecimal() and len(wanted) < 10 and 1 <= int(wanted) <= len(series_ids):
        return series_ids[int(wanted) - 1]
    descriptions = [_description(folder, series_id) for series_id in series_ids]
    matches = [
        series_id
        for series_id, (text, _) in zip(series_ids, descriptions, strict=True)
        if wanted and (text.casefold() == wanted or (len(wanted) > 9 and series_id.startswith(chosen.strip())))
    ]
    if len(matches) == 1:
        return matches[0]
    listed = "; ".join(
        f"{number}: '{text or 'no description'}', {count} image{'s' if count != 1 else ''}"
        for number, (text, count) in enumerate(descriptions[:MOST_LISTED], 1)
    )
    more = f"; and {len(series_ids) - MOST_LISTED} more" if len(series_ids) > MOST_LISTED else ""
    problem = "and one must be chosen" if not chosen else f"and '{chosen}' is not exactly one of them"
    raise InputError(
        f"The folder '{folder}' contains {len(series_ids)} DICOM series, {problem} (--fixed-series, --moving-series, "
        f"--series): {listed}{more}."
    )


def _description(folder: Path, series_id: str) -> tuple[str, int]:
    """Description and number of images of a series."""
    import SimpleITK as sitk

    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), series_id)
    reader = sitk.ImageFileReader()
    with suppress(RuntimeError, IndexError):
        reader.SetFileName(files[0])
        reader.ReadImageInformation()
        if reader.HasMetaDataKey(SERIES_DESCRIPTION):
            text = reader.GetMetaData(SERIES_DESCRIPTION)
            return " ".join(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").split()), len(files)
    return "", len(files)
