"""Follows the sections of a legacy .vtk file of polygonal data to its end, and compares their lengths."""

from __future__ import annotations

import math
import re

import numpy as np

from Tell2RegLib.errors import InputError

TYPES = {
    **{"unsigned_char": "u1", "char": "i1", "signed_char": "i1", "unsigned_short": "u2", "short": "i2"},
    **{"unsigned_int": "u4", "int": "i4", "float": "f4", "double": "f8", "vtkidtype": "i4"},
    **{"unsigned_long": "u8", "long": "i8", "vtktypeint64": "i8", "vtktypeuint64": "u8"},
}
"""NumPy types, by VTK's names in lower case."""
CELLS = ("vertices", "lines", "polygons", "triangle_strips")
SIZES = {"vectors": 3, "normals": 3, "tensors": 9, "tensors6": 6, "global_ids": 1, "pedigree_ids": 1, "edge_flags": 1}
"""Values per point or cell, by section `NAME name type`."""
MAX_VALUES = 1 << 40
METADATA = re.compile(rb"METADATA\r?\n.*?(?:\r?\n\r?\n|$)", re.DOTALL)
ADVICE = "Copy or export it again."


class _Sections:
    """A position in a legacy file.

    Args:
        data: the file.
    """

    def __init__(self, data: bytes) -> None:
        version, _, self._form, _, *_ = [line.strip() for line in data.split(b"\n", 4)] + [b""] * 4
        if not re.match(rb"# vtk DataFile Version \d", version) or self._form not in (b"ASCII", b"BINARY"):
            raise ValueError("no legacy VTK file")
        self._is_modern = int(version.split()[-1].split(b".")[0]) >= 5
        self._data, self._position = data, len(b"\n".join(data.split(b"\n", 3)[:3])) + 1
        self._count = 0

    def check(self) -> None:
        """Follow all sections."""
        if self._words() != ["dataset", "polydata"]:
            raise ValueError("no polygonal data")
        sections: list[str] = []
        while words := self._words():
            sections.append(words[0])
            if not self._section(words[0], words[1:]):
                break
        is_cut = not self._data.endswith(b"\n")
        if is_cut or not set(CELLS) & set(sections) or sections[-1] in ("point_data", "cell_data"):
            raise InputError(f"is truncated: it ends after '{sections[-1] if sections else 'dataset'}'. {ADVICE}")

    def _section(self, name: str, words: list[str]) -> bool:
        """Follow a section; False if the rest cannot be followed."""
        if name == "points":
            self._values(3 * _count(words[0]), words[1])
        elif name in CELLS:
            self._cells(_count(words[0]), _count(words[1]))
        elif name in ("point_data", "cell_data"):
            self._count = _count(words[0])
        elif name == "field":
            return all(self._array() for _ in range(_count(words[1])))
        elif name == "scalars":
            if self._words()[:1] != ["lookup_table"]:
                raise InputError(f"is truncated or damaged: scalars have no lookup table. {ADVICE}")
            self._values(self._count * (_count(words[2]) if len(words) > 2 else 1), words[1])
        elif name == "lookup_table":
            self._values(4 * _count(words[1]), "unsigned_char")
        elif name == "color_scalars":
            self._values(self._count * _count(words[1]), "unsigned_char")
        elif name == "texture_coordinates":
            self._values(self._count * _count(words[1]), words[2])
        elif name in SIZES:
            self._values(self._count * SIZES[name], words[1])
        elif name != "metadata":
            raise InputError(f"is damaged: its section '{name[:40]}' is not known. {ADVICE}")
        return True

    def _cells(self, first: int, second: int) -> None:
        if not self._is_modern:
            self._values(second, "int")
            return
        for name, count in (("offsets", first), ("connectivity", second)):
            words = self._words()
            if words[:1] != [name]:
                raise InputError(f"is truncated or damaged: its faces have no {name}. {ADVICE}")
            self._values(count, words[1])

    def _array(self) -> bool:
        words = self._words()
        if not words or words[0] == "null_array":
            return bool(words)
        if words[3] not in TYPES:  # text, bits and the like
            return False
        self._values(_count(words[1]) * _count(words[2]), words[3])
        return True

    def _words(self) -> list[str]:
        """The words of the next line that is not empty, after metadata; none at the end."""
        while self._position < len(self._data):
            if metadata := METADATA.match(self._data, self._position):
                self._position = metadata.end()
                continue
            end = self._data.find(b"\n", self._position)
            end = len(self._data) if end < 0 else end
            line, self._position = self._data[self._position : end], end + 1
            if words := line.decode("utf-8", "replace").lower().split():
                return words
        return []

    def _values(self, count: int, kind: str) -> None:
        """Skip the values of a section."""
        if count > MAX_VALUES:
            raise InputError(f"is damaged: a section should hold {count} values. {ADVICE}")
        if self._form == b"BINARY":
            end = self._position + count * np.dtype(TYPES[kind]).itemsize
            if end > len(self._data):
                raise InputError(f"is truncated: it has {len(self._data)} of {end} bytes or more. {ADVICE}")
            if end < len(self._data) and self._data[end : end + 1] not in (b"\n", b"\r"):
                raise InputError(f"is damaged: {count} values end in the middle of others. {ADVICE}")
            self._position = end
            return
        for word in self._text_values(count):
            if not math.isfinite(float(word)):
                raise InputError(f"is damaged: it contains the value '{word[:20]!r}'. {ADVICE}")

    def _text_values(self, count: int) -> list[bytes]:
        """The next words, over any number of lines."""
        words: list[bytes] = []
        while len(words) < count:
            if self._position >= len(self._data):
                raise InputError(f"is truncated: a section holds {len(words)} of {count} values. {ADVICE}")
            end = self._data.find(b"\n", self._position)
            end = len(self._data) if end < 0 else end
            words += self._data[self._position : end].split()
            self._position = end + 1
        if len(words) > count:
            raise InputError(f"is damaged: a section holds {len(words)} values, but states {count}. {ADVICE}")
        return words


def check_legacy_vtk(data: bytes) -> None:
    """Refuse a legacy .vtk file with a section that is shorter or longer than stated.

    Raises:
        InputError: truncated or damaged.
        ValueError, IndexError, KeyError: no such file.
    """
    _Sections(data).check()


def _count(text: str) -> int:
    count = int(text)
    if count < 0:
        raise InputError(f"is damaged: a section should hold {count} values. {ADVICE}")
    return count
