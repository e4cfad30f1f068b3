"""Fields of MetaImage and NRRD headers, which are text: one "key = value" or "key: value" in each line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

META_ENDINGS = (".mha", ".mhd")
NRRD_ENDINGS = (".nrrd", ".nhdr")
HEADER_BYTES, LINE_BYTES = 1 << 26, 1 << 16
"""Maximum number of bytes of a header and of a line; a segmentation has some ten lines per region."""


@dataclass(frozen=True)
class TextHeader:
    """The header of a MetaImage or NRRD file.

    Args:
        fields: values by key; of a repeated key the last one, as ITK reads MetaImage. NRRD's free "key:=value" pairs
            are left out. Bytes that are not UTF-8 are kept as surrogates, as in paths.
        size_bytes: position of the first byte after the header.
        has_repeated: whether a key occurs more than once.
    """

    fields: Mapping[str, str]
    size_bytes: int
    has_repeated: bool = False


def read_text_header(path: Path) -> TextHeader:
    """The header of a MetaImage file, up to `ElementDataFile`, or else of an NRRD file, up to the first empty line."""
    separator, last_key = ("=", "ElementDataFile") if path.suffix.lower() in META_ENDINGS else (":", "")
    fields: dict[str, str] = {}
    has_repeated = False
    with path.open("rb") as stream:
        while stream.tell() < HEADER_BYTES:
            line = stream.readline(LINE_BYTES)
            key, _, value = line.decode("utf-8", "surrogateescape").partition(separator)
            if separator == "=" or not value.startswith("="):
                has_repeated |= key.strip() in fields and not key.startswith("#")
                fields[key.strip()] = value.strip()
            if not line or key.strip() == last_key:
                break
        return TextHeader(fields, stream.tell(), has_repeated)
