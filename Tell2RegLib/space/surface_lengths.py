"""Compares what a surface file states with what it holds; VTK reads most truncated files without an error."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from Tell2RegLib.errors import InputError
from Tell2RegLib.space.vtk_lengths import check_legacy_vtk

ADVICE = "Copy or export it again."
PLY_TYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}
PLY_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">"}
HEADER_LINES = 1000
MAX_ELEMENTS = 1 << 31

Property = tuple[str, str]
"""NumPy types of a property of PLY: of the length, "" if it is no list, and of a value."""


def check_lengths(path: Path) -> None:
    """Refuse a surface file that holds less, or other, than it states.

    Raises:
        InputError: truncated or damaged.
    """
    checks: dict[str, Callable[[bytes], None]] = {
        ".stl": _check_stl,
        ".ply": _check_ply,
        ".obj": _check_obj,
        ".vtk": check_legacy_vtk,
        ".vtp": _check_vtp,
    }
    try:
        checks[path.suffix.lower()](path.read_bytes())
    except InputError as error:
        raise InputError(f"'{path}' {error}") from error
    except (ValueError, IndexError, KeyError, OverflowError) as error:
        raise InputError(f"'{path}' holds no surface that can be read.") from error


def _check_vtp(data: bytes) -> None:
    if b"<VTKFile" not in data[:4096]:
        raise ValueError("no .vtp file")
    if not data.rstrip().endswith(b"</VTKFile>"):
        raise InputError(f"is truncated: its last line is not '</VTKFile>'. {ADVICE}")


# --- STL ---


def _check_stl(data: bytes) -> None:
    if len(data) < 84 or (b"\0" not in data[:512] and not data.lstrip()[:5].lower() == b"solid"):
        raise ValueError("neither a header nor triangles")
    triangles = int.from_bytes(data[80:84], "little")
    if len(data) >= 84 and len(data) == 84 + 50 * triangles:
        return
    if not data.lstrip()[:5].lower() == b"solid" or b"\0" in data:
        raise InputError(
            f"is damaged: it has {len(data)} bytes, but its {triangles} triangles need {84 + 50 * triangles}. {ADVICE}"
        )
    lines = [line.split() for line in data.decode("ascii", "replace").lower().splitlines()]
    words = [line[0] for line in lines if line]
    facets = words.count("facet")
    if words[-1] != "endsolid" or words.count("endfacet") != facets or words.count("vertex") != 3 * facets:
        if not facets:
            raise ValueError("no facets")
        raise InputError(f"is truncated or damaged: {facets} facets have {words.count('vertex')} corners. {ADVICE}")
    np.array([line[1:4] for line in lines if line and line[0] == "vertex"], np.float64).reshape(-1, 3)


# --- PLY ---


def _check_ply(data: bytes) -> None:
    form, elements, begin = _ply_header(data)
    if form in PLY_ORDERS:
        view, position = memoryview(data), begin
        for count, properties in elements:
            position = _end_of_element(view, position, count, [_ordered(kind, PLY_ORDERS[form]) for kind in properties])
        if position > len(data):
            raise InputError(f"is truncated: it has {len(data)} of {position} bytes. {ADVICE}")
        if position < len(data):
            raise InputError(f"is damaged: it has {len(data)} bytes, but needs {position}. {ADVICE}")
        return
    lines = iter([line.split() for line in data[begin:].decode("ascii", "strict").splitlines() if line.strip()])
    for count, properties in elements:
        for _ in range(count):
            _check_ply_line(next(lines, []), properties)
    if next(lines, None) is not None:
        raise InputError(f"is damaged: it holds more lines than its header states. {ADVICE}")


def _ply_header(data: bytes) -> tuple[str, list[tuple[int, list[Property]]], int]:
    """Format, elements with their numbers and properties, and where the values begin."""
    end = re.search(rb"(?:^|\n)end_header\r?\n", data)
    if not data.startswith(b"ply") or end is None:
        raise ValueError("no PLY file")
    form, elements = "", []
    for words in (line.split() for line in data[: end.start()].decode("utf-8", "replace").splitlines()[1:HEADER_LINES]):
        if words[:1] == ["format"]:
            form = words[1]
        elif words[:1] == ["element"] and 0 <= int(words[2]) < MAX_ELEMENTS:
            elements.append((int(words[2]), list[Property]()))
        elif words[:2] == ["property", "list"]:
            elements[-1][1].append((PLY_TYPES[words[2]], PLY_TYPES[words[3]]))
        elif words[:1] == ["property"]:
            elements[-1][1].append(("", PLY_TYPES[words[1]]))
        elif words and words[0] not in ("comment", "obj_info"):
            raise ValueError("an unknown line")
    if form not in (*PLY_ORDERS, "ascii"):
        raise ValueError("an unknown format")
    return form, elements, end.end()


def _ordered(kind: Property, order: str) -> Property:
    return (kind[0] and order + kind[0], order + kind[1])


def _end_of_element(data: memoryview, position: int, count: int, properties: list[Property]) -> int:
    """Where the values of an element end; beyond the data if they are truncated."""
    if not any(length for length, _ in properties):
        return position + count * sum(np.dtype(value).itemsize for _, value in properties)
    if len(properties) == 1 and count:  # the usual list of corners: of triangles, at once
        (length, value) = properties[0]
        record = np.dtype([("length", length), ("corners", value, 3)])
        if position + count * record.itemsize <= len(data):
            lengths = np.frombuffer(data, record, count, position)["length"]
            if (lengths == 3).all():
                return position + count * record.itemsize
    for _ in range(count):
        for length, value in properties:
            values = 1
            if length:
                if position + np.dtype(length).itemsize > len(data):
                    raise InputError(f"is truncated: its faces are incomplete. {ADVICE}")
                values = int(np.frombuffer(data, length, 1, position)[0])
                position += np.dtype(length).itemsize
                if values < 0:
                    raise InputError(f"is damaged: a face has {values} corners. {ADVICE}")
            position += values * np.dtype(value).itemsize
    return position


def _check_ply_line(words: list[str], properties: list[Property]) -> None:
    position = 0
    for length, _ in properties:
        position += 1 + (int(words[position]) if length and position < len(words) else 0)
    if len(words) != position or not all(math.isfinite(float(word)) for word in words):
        raise InputError(f"is truncated or damaged: the line '{' '.join(words)[:60]}' is incomplete. {ADVICE}")


# --- OBJ ---


def _check_obj(data: bytes) -> None:
    lines = [line.split(b"#")[0].split() for line in data.replace(b"\\\n", b" ").splitlines()]
    counts = {kind: sum(line[:1] == [kind] for line in lines) for kind in (b"v", b"vt", b"vn")}
    if not counts[b"v"]:
        raise ValueError("no points")
    for line in lines:
        if line[:1] == [b"v"] and (len(line) < 4 or not all(math.isfinite(float(word)) for word in line[1:4])):
            raise InputError(
                f"is truncated or damaged: '{b' '.join(line).decode('ascii', 'replace')[:60]}' is no point. {ADVICE}"
            )
        if line[:1] in ([b"f"], [b"l"], [b"p"]):
            _check_corners(line, counts)


def _check_corners(line: list[bytes], counts: dict[bytes, int]) -> None:
    needed = {b"f": 3, b"l": 2, b"p": 1}[line[0]]
    for kind, number in _references(line[1:]):
        if not 1 <= (number if number > 0 else counts[kind] + 1 + number) <= counts[kind]:
            raise InputError(f"is damaged: a face refers to point {number} of {counts[kind]}. {ADVICE}")
    if len(line) <= needed:
        raise InputError(f"is truncated or damaged: a face has {len(line) - 1} corners. {ADVICE}")


def _references(words: list[bytes]) -> Iterator[tuple[bytes, int]]:
    for word in words:
        for kind, text in zip((b"v", b"vt", b"vn"), word.split(b"/"), strict=False):
            if text:
                yield kind, int(text)
