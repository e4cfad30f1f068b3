"""Tells image files with a plain header from all others.

A header is plain if every field is known, has the expected form, and agrees with the size of the file. Some damaged
headers corrupt the memory of the process in which ITK reads them; plain ones are read in this process, which costs no
time, others in one of their own (`foreign_files`). Whether the values are right is checked elsewhere (`image_headers`,
`compressed_data`).
"""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

from Tell2RegLib.support.regular_files import check_regular_file
from Tell2RegLib.support.text_headers import META_ENDINGS, NRRD_ENDINGS, read_text_header

MAX_DIMENSIONS = 5
MAX_COMPONENTS = 4096
"""Of a voxel; a segmentation has one per layer."""
MAX_VALUES_BYTES = 1 << 44
LARGEST = 1e9
NUMBER = r"[-+]?(?:\d{1,9}\.?\d*|\.\d+)(?:[eE](?:-\d{1,3}|\+?0?\d))?"
"""Of at most nine digits before its exponent, which is at most 9: with larger directions, ITK may never end."""
COUNT = r"\d{1,12}"
BOOL = r"(?i:true|false|0|1)"

GZIP_MAGIC = b"\x1f\x8b"


def has_plain_header(path: Path) -> bool:
    """Whether a NIfTI, MetaImage or NRRD file has a plain header; no other format has one.

    Raises:
        InputError: the data file that the header names is no regular file.
    """
    name = path.name.lower()
    if name.endswith((".nii", ".nii.gz")):
        return _is_plain_nifti(path)
    if name.endswith(META_ENDINGS):
        return _is_plain_meta(path)
    return name.endswith(NRRD_ENDINGS) and _is_plain_nrrd(path)


def _have_forms(fields: Mapping[str, str], forms: Mapping[str, str]) -> bool:
    return all(key in forms and re.fullmatch(forms[key], value) for key, value in fields.items())


def _repeated(pattern: str, count: int) -> str:
    return rf"\s*(?:{pattern})(?:\s+(?:{pattern})){{{count - 1}}}\s*"


# --- NIfTI-1, in one file ---


NIFTI_HEADER_BYTES = 348
NIFTI_EXTENSION_BYTES = 1 << 20
"""Maximum bytes before the values."""
NIFTI_BITS = {2: 8, 4: 16, 8: 32, 16: 32, 64: 64, 128: 24, 256: 8, 512: 16, 768: 32, 1024: 64, 1280: 64, 2304: 32}
"""Bits of a voxel by data type; complex, long and single-bit types are not plain."""
NIFTI_INTENTS = {*range(25), 1001, 1002, 1006, 1007, 1008, 1009, 1010, 1011}
"""Intents without a shape of their own; of symmetric matrices (1005), the number of values follows another rule."""


def nifti_bytes(path: Path) -> int | None:
    """Bytes, uncompressed, that a NIfTI-1 file with a plain header needs; None for any other file."""
    with path.open("rb") as stream:
        is_packed = stream.read(2) == GZIP_MAGIC
    try:
        with gzip.open(path) if is_packed else path.open("rb") as stream:
            header = stream.read(NIFTI_HEADER_BYTES + 4)
            if len(header) < NIFTI_HEADER_BYTES + 4 or header[344:348] != b"n+1\0":
                return None
            order = next((order for order in "<>" if struct.unpack_from(f"{order}i", header)[0] == 348), None)
            offset = None if order is None else _nifti_offset(header, order)
            if order is None or offset is None:
                return None
            extensions = stream.read(offset - len(header)) if header[348] else b""
    except (OSError, EOFError, zlib.error):
        return None
    if header[348] and not _are_nifti_extensions(extensions, order, offset - len(header)):
        return None
    value_bytes = _nifti_value_bytes(header, order)
    return None if value_bytes is None else offset + value_bytes


def _is_plain_nifti(path: Path) -> bool:
    return nifti_bytes(path) is not None


def _nifti_offset(header: bytes, order: str) -> int | None:
    """Where the values begin."""
    (offset,) = struct.unpack_from(f"{order}f", header, 108)
    is_plain = math.isfinite(offset) and offset == int(offset) and 352 <= offset <= NIFTI_EXTENSION_BYTES
    return int(offset) if is_plain else None


def _are_nifti_extensions(data: bytes, order: str, size: int) -> bool:
    position = 0
    while len(data) == size and position + 8 <= size:
        (extension_bytes,) = struct.unpack_from(f"{order}i", data, position)
        if extension_bytes < 16 or extension_bytes % 16:
            return False
        position += extension_bytes
    return position == size


def _nifti_value_bytes(header: bytes, order: str) -> int | None:
    count, *sizes = struct.unpack_from(f"{order}8h", header, 40)
    intent, kind, bits = struct.unpack_from(f"{order}3h", header, 68)
    codes = struct.unpack_from(f"{order}2h", header, 252)
    floats = [
        *struct.unpack_from(f"{order}8f", header, 76),  # spacings
        *struct.unpack_from(f"{order}2f", header, 112),  # slope and intercept
        *struct.unpack_from(f"{order}18f", header, 256),  # position
    ]
    is_plain = (
        1 <= count <= MAX_DIMENSIONS
        and min(sizes[:count]) > 0
        and (count < 5 or sizes[4] <= MAX_COMPONENTS)
        and NIFTI_BITS.get(kind) == bits
        and intent in NIFTI_INTENTS
        and all(0 <= code <= 5 for code in codes)
        and all(abs(value) <= LARGEST for value in floats)
    )
    value_bytes = math.prod(sizes[: max(count, 0)]) * bits // 8
    return value_bytes if is_plain and value_bytes <= MAX_VALUES_BYTES else None


# --- MetaImage ---


META_BYTES = {
    **dict.fromkeys(("MET_CHAR", "MET_UCHAR"), 1),
    **dict.fromkeys(("MET_SHORT", "MET_USHORT"), 2),
    **dict.fromkeys(("MET_INT", "MET_UINT", "MET_FLOAT"), 4),
    **dict.fromkeys(("MET_LONG_LONG", "MET_ULONG_LONG", "MET_DOUBLE"), 8),
}
"""Bytes of a value; the size of MET_LONG depends on the system."""


def _meta_forms(dimensions: int) -> dict[str, str]:
    vector = _repeated(NUMBER, dimensions)
    return {
        "ObjectType": "Image",
        "NDims": r"[2-4]",
        "BinaryData": "(?i:true)",
        **dict.fromkeys(("BinaryDataByteOrderMSB", "ElementByteOrderMSB", "CompressedData"), BOOL),
        **dict.fromkeys(("CompressedDataSize", "HeaderSize"), COUNT),
        "CompressionLevel": r"\d",
        **dict.fromkeys(("TransformMatrix", "Rotation", "Orientation"), _repeated(NUMBER, dimensions**2)),
        **dict.fromkeys(("Offset", "Position", "Origin", "CenterOfRotation"), vector),
        **dict.fromkeys(("ElementSpacing", "ElementSize"), vector),
        "DimSize": _repeated(COUNT, dimensions),
        "AnatomicalOrientation": rf"[RLAPSI?]{{{dimensions}}}",
        "ElementType": "|".join(META_BYTES),
        "ElementNumberOfChannels": r"[1-9]\d{0,3}",
        **dict.fromkeys(("ElementMin", "ElementMax"), NUMBER),
        "Modality": r"MET_MOD_[A-Z]{2,7}",
        **dict.fromkeys(("Comment", "Name", "ObjectSubType", "AcquisitionDate"), r"[ -~]{1,80}"),
        "ElementDataFile": r"[^\0%]{1,255}",
    }


def _is_plain_meta(path: Path) -> bool:
    header = read_text_header(path)
    fields = header.fields
    if header.has_repeated or not {"NDims", "DimSize", "ElementType", "ElementDataFile"} <= fields.keys():
        return False
    if fields["NDims"] not in ("2", "3", "4") or not _have_forms(fields, _meta_forms(int(fields["NDims"]))):
        return False
    sizes = [int(size) for size in fields["DimSize"].split()]
    channels = int(fields.get("ElementNumberOfChannels", "1"))
    value_bytes = math.prod(sizes) * channels * META_BYTES[fields["ElementType"]]
    if min(sizes) < 1 or value_bytes > MAX_VALUES_BYTES or fields["ElementDataFile"].split()[0] == "LIST":
        return False
    is_packed = fields.get("CompressedData", "False").lower() in ("true", "1")
    data_name = "" if fields["ElementDataFile"].upper() == "LOCAL" else fields["ElementDataFile"]
    return _holds_values(path, data_name, header.size_bytes, 0 if is_packed else value_bytes)


def _holds_values(header: Path, data_name: str, offset: int, value_bytes: int) -> bool:
    """Whether the file with the values, which begin at `offset` of the header's own file, is long enough.

    Raises:
        InputError: it is no regular file.
    """
    data = header.parent / data_name if data_name else header
    missing = "'{path}' is not there, so the file with its values is missing. Copy it beside the header."
    check_regular_file(data, f"'{header}' cannot be read: {missing}")
    return data.stat().st_size >= value_bytes + (0 if data_name else offset)


# --- NRRD ---


NRRD_BYTES = {
    **dict.fromkeys(("signed char", "int8", "int8_t", "uchar", "unsigned char", "uint8", "uint8_t"), 1),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), 2),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), 2),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t", "uint", "unsigned int", "uint32", "uint32_t"), 4),
    **dict.fromkeys(("longlong", "long long", "long long int", "signed long long", "signed long long int"), 8),
    **dict.fromkeys(("int64", "int64_t", "ulonglong", "unsigned long long", "unsigned long long int"), 8),
    **dict.fromkeys(("uint64", "uint64_t", "double"), 8),
    "float": 4,
}


def _nrrd_forms(dimensions: int) -> dict[str, str]:
    vector = rf"\(\s*(?:{NUMBER})(?:\s*,\s*(?:{NUMBER})){{0,3}}\s*\)"
    number = rf"{NUMBER}|nan|NaN"
    per_axis = _repeated(r'"[^"\\\0]*"', dimensions)
    return {
        "type": "|".join(NRRD_BYTES),
        "dimension": r"[1-5]",
        "sizes": _repeated(COUNT, dimensions),
        "encoding": "raw|gzip|gz",
        "endian": "little|big",
        "space": r"[A-Za-z3-]{3,25}",
        "space dimension": r"[1-4]",
        "space directions": _repeated(f"{vector}|none", dimensions),
        "space origin": vector,
        "space units": r'"[^"\\\0]{0,20}"(?:\s+"[^"\\\0]{0,20}"){0,3}',
        "measurement frame": rf"{vector}(?:\s*{vector}){{0,3}}",
        "kinds": _repeated(r"[a-zA-Z0-9?-]{1,40}", dimensions),
        **dict.fromkeys(("centers", "centerings"), _repeated(r"cell|node|none|\?\?\?", dimensions)),
        **dict.fromkeys(("spacings", "thicknesses", "axis mins", "axis maxs"), _repeated(number, dimensions)),
        **dict.fromkeys(("labels", "units"), per_axis),
        **dict.fromkeys(("min", "max", "old min", "old max"), number),
        "content": r"[ -~]{0,200}",
        **dict.fromkeys(("data file", "datafile"), r"[^\0%]{1,255}"),
    }


def _is_plain_nrrd(path: Path) -> bool:
    with path.open("rb") as stream:
        if not re.fullmatch(rb"NRRD000[1-5]\r?\n", stream.readline(16)):
            return False
    header = read_text_header(path)
    fields = {key: value for key, value in header.fields.items() if key and not key.startswith(("NRRD000", "#"))}
    if header.has_repeated or not {"type", "dimension", "sizes", "encoding"} <= fields.keys():
        return False
    if not re.fullmatch("[1-5]", fields["dimension"]) or not _have_forms(fields, _nrrd_forms(int(fields["dimension"]))):
        return False
    data_name = fields.get("data file", fields.get("datafile", ""))
    sizes = [int(size) for size in fields["sizes"].split()]
    value_bytes = math.prod(sizes) * NRRD_BYTES[fields["type"]]
    if min(sizes) < 1 or value_bytes > MAX_VALUES_BYTES or data_name.split()[:1] == ["LIST"]:
        return False
    if "endian" not in fields and NRRD_BYTES[fields["type"]] > 1:
        return False
    if bool(data_name) != (path.suffix.lower() == ".nhdr"):
        return False
    return _holds_values(path, data_name, header.size_bytes, value_bytes if fields["encoding"] == "raw" else 0)
