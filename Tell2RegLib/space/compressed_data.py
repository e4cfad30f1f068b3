"""Checks the compressed values of image files: checksum and length, before ITK reads them.

ITK takes as many values from a compressed stream as it needs and compares no checksum: a single flipped bit changes
voxels silently. These checks read the stream to its end: gzip (NIfTI, GIPL, NRRD) and zlib (MetaImage) end with a
checksum.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from Tell2RegLib.errors import InputError
from Tell2RegLib.support.complete_file import analyze_values, data_files
from Tell2RegLib.support.text_headers import META_ENDINGS, NRRD_ENDINGS, read_text_header

BLOCK_BYTES = 1 << 20
"""Compressed bytes to read at a time."""
ZLIB_OR_GZIP = 32 + zlib.MAX_WBITS
"""Argument of zlib that recognises both headers, as ITK does."""
GZIP_MAGIC = b"\x1f\x8b"
NRRD_BYTES = {"char": 1, "short": 2, "int": 4, "long": 8, "float": 4, "double": 8}
"""Bytes of a value by words of NRRD's type names; `long long` is also `long`."""
META_BYTES = {"CHAR": 1, "SHORT": 2, "INT": 4, "LONG_LONG": 8, "LONG": 4, "FLOAT": 4, "DOUBLE": 8}
"""Bytes of a value by words of MetaImage's type names; the first that fits counts."""


@dataclass(frozen=True)
class CompressedValues:
    """Where the compressed values of an image are.

    Args:
        path: the file.
        offset: first byte of the stream.
        value_bytes: length of the uncompressed values; None if unknown.
        stream_bytes: length of the stream; None if unknown.
    """

    path: Path
    offset: int = 0
    value_bytes: int | None = None
    stream_bytes: int | None = None


def check_compressed_values(path: Path) -> dict[Path, int]:
    """Read the compressed values of an image, if it has any, and compare their checksum and length.

    Returns:
        The uncompressed bytes by compressed file.

    Raises:
        InputError: the values are damaged or truncated.
    """
    name = path.name.lower()
    if name.endswith(META_ENDINGS):
        values = _meta_values(path)
    elif name.endswith(NRRD_ENDINGS):
        values = _nrrd_values(path)
    else:
        values = [CompressedValues(file) for file in (path, *analyze_values(path)) if _is_gzip(file)]
    return {stream.path: _check(stream, path) for stream in values}


def _is_gzip(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(2) == GZIP_MAGIC


# --- where the values are ---


def _meta_values(path: Path) -> list[CompressedValues]:
    header = read_text_header(path)
    fields = header.fields
    if fields.get("CompressedData", "").lower() not in ("true", "1"):
        return []
    value_bytes = _bytes_of(fields.get("DimSize", ""), fields.get("ElementType", ""), META_BYTES)
    channels = fields.get("ElementNumberOfChannels", "1")
    if value_bytes is not None and channels.isdecimal():
        value_bytes *= int(channels)
    size = fields.get("CompressedDataSize", "")
    stream_bytes = int(size) if size.isdecimal() and int(size) else None
    if fields.get("ElementDataFile", "").upper() == "LOCAL":
        return [CompressedValues(path, header.size_bytes, value_bytes, stream_bytes)]
    return [CompressedValues(file, 0, value_bytes, stream_bytes) for file in data_files(path)]


def _nrrd_values(path: Path) -> list[CompressedValues]:
    header = read_text_header(path)
    fields = header.fields
    if fields.get("encoding", "").lower() not in ("gzip", "gz"):
        return []
    skipped = any(fields.get(key, "0") != "0" for key in ("line skip", "lineskip", "byte skip", "byteskip"))
    value_bytes = None if skipped else _bytes_of(fields.get("sizes", ""), fields.get("type", ""), NRRD_BYTES)
    if not {"data file", "datafile"} & fields.keys():
        return [] if skipped else [CompressedValues(path, header.size_bytes, value_bytes)]
    files = [file for file in data_files(path) if not skipped or _is_gzip(file)]
    return [CompressedValues(file, 0, value_bytes) for file in files]


def _bytes_of(sizes: str, kind: str, bytes_of_types: Mapping[str, int]) -> int | None:
    """The length of the values of an image; None where the header is unusual."""
    numbers = sizes.split()
    value_bytes = next((size for word, size in bytes_of_types.items() if re.search(rf"(?<![a-z]){word}", kind)), None)
    if fixed := re.search(r"int(\d+)", kind):  # NRRD's int16_t and the like
        value_bytes = int(fixed[1]) // 8
    if value_bytes is None or not numbers or not all(number.isdecimal() for number in numbers):
        return None
    return value_bytes * math.prod(int(number) for number in numbers)


# --- the stream ---


def _check(values: CompressedValues, path: Path) -> int:
    """The number of uncompressed bytes, after all checks; `path` is the image in the messages."""
    try:
        with values.path.open("rb") as stream:
            stream.seek(values.offset)
            size, used = _read_through(stream, values.value_bytes)
    except zlib.error as error:
        raise InputError(
            f"'{path}' is damaged: the checksum of its compressed values does not match. Copy or download it again."
        ) from error
    except EOFError as error:
        raise InputError(
            f"'{path}' is truncated: its compressed values have no end. Copy or download it again."
        ) from error
    if values.value_bytes not in (None, size):
        raise InputError(
            f"'{path}' is damaged: it contains {size} bytes of values, but its header needs {values.value_bytes}. "
            "Copy or download it again."
        )
    if values.stream_bytes not in (None, used):
        raise InputError(
            f"'{path}' is damaged: its compressed values have {used} bytes, but its header states "
            f"{values.stream_bytes}. Copy or download it again."
        )
    return size


def _read_through(stream: BinaryIO, limit_bytes: int | None) -> tuple[int, int]:
    """Uncompressed and compressed bytes of a stream, of several gzip members too; stops beyond the limit.

    Raises:
        zlib.error: damaged.
        EOFError: it has no end.
    """
    size = used = 0
    inflate = zlib.decompressobj(ZLIB_OR_GZIP)
    block = stream.read(BLOCK_BYTES)
    while block or not inflate.eof:
        if not block:
            raise EOFError
        if inflate.eof:
            if not block.startswith(GZIP_MAGIC):  # padding, or what follows the values
                break
            inflate = zlib.decompressobj(ZLIB_OR_GZIP)
        size += len(inflate.decompress(block, BLOCK_BYTES))
        if limit_bytes is not None and size > limit_bytes:
            return size, used
        remaining = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
        used += len(block) - len(remaining)
        block = remaining or stream.read(BLOCK_BYTES)
    return size, used
