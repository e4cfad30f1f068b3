"""Damages the bytes of a file: flipped bits, missing and repeated pieces, other numbers and words."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable
from contextlib import suppress
from random import Random

HOSTILE_NUMBERS = (
    *(b"0", b"-1", b"1", b"2", b"7", b"255", b"256", b"65535", b"65536", b"2147483647", b"-2147483648", b"4294967295"),
    *(b"9223372036854775807", b"18446744073709551616", b"99999999999999999999999", b"1e308", b"-1e400", b"nan", b"inf"),
    *(b"0.0", b"-0", b"1e-320", b"00001", b"1_0", b"0x10", b"3.5", b"", b" ", b"1 1", b"%d", b"-9999999999"),
)
HOSTILE_WORDS = (
    *(
        b"",
        b"A" * 300,
        b"A" * 70000,
        b"\xff\xfe",
        b"\0",
        b"../../etc/passwd",
        b"/dev/zero",
        b"%s%s%n",
        b"null",
        b"[]",
        b"{}",
    ),
    *(
        b"true",
        b"LIST",
        b"LOCAL",
        b"raw",
        b"gzip",
        b"none",
        b"(1,0,0)",
        b"\xe2\x80\xae",
        b'"',
        b"\r",
        b"\x1b[2J",
        b"NaN",
    ),
)
EXTREMES = (
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\x80\0\0\0",
    b"\0\0\0\x80",
    b"\0\0\xc0\x7f",
)
NUMBER = re.compile(rb"-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")
WORD = re.compile(rb"[A-Za-z_][A-Za-z_0-9-]*")
HEADER_BYTES, TEXT_BYTES = 400, 16384
"""Half of all changes are made in the first of these bytes; numbers and words are changed in the second."""


def mutated(data: bytes, random: Random) -> bytes:
    """The bytes with one to three changes."""
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        data = random.choice(MUTATIONS)(data, random)
    return data


def mutated_inside(data: bytes, random: Random) -> bytes:
    """As `mutated`; of a file compressed with gzip or zlib, what it holds is changed and compressed again."""
    with suppress(OSError, EOFError, zlib.error):
        if data[:2] == b"\x1f\x8b":
            return gzip.compress(mutated(gzip.decompress(data), random), 1, mtime=0)
    return mutated(data, random)


def _position(data: bytes, random: Random) -> int:
    end = min(HEADER_BYTES, len(data)) if random.random() < 0.5 else len(data)
    return random.randrange(end) if end else 0


def _flip_bits(data: bytes, random: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 8)) if data else 0):
        changed[_position(data, random)] ^= 1 << random.randrange(8)
    return bytes(changed)


def _truncate(data: bytes, random: Random) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _piece(data: bytes, random: Random) -> tuple[int, int]:
    begin = _position(data, random)
    return begin, min(len(data), begin + random.choice((1, 2, 4, 16, 50, 200, 5000)))


def _remove(data: bytes, random: Random) -> bytes:
    begin, end = _piece(data, random)
    return data[:begin] + data[end:]


def _repeat(data: bytes, random: Random) -> bytes:
    begin, end = _piece(data, random)
    return data[:end] + data[begin:end] * random.choice((1, 1, 2, 50)) + data[end:]


def _zero(data: bytes, random: Random) -> bytes:
    begin, end = _piece(data, random)
    return data[:begin] + random.choice((b"\0", b"\xff", b" ")) * (end - begin) + data[end:]


def _extreme(data: bytes, random: Random) -> bytes:
    begin = _position(data, random)
    if random.random() < 0.7:
        begin -= begin % 4
    value = random.choice(EXTREMES)[: random.choice((2, 4, 4))]
    return data[:begin] + value + data[begin + len(value) :]


def _insert(data: bytes, random: Random) -> bytes:
    begin = _position(data, random)
    return data[:begin] + random.randbytes(random.choice((1, 3, 16))) + data[begin:]


def _replaced(data: bytes, pattern: re.Pattern[bytes], values: tuple[bytes, ...], random: Random) -> bytes:
    matches = list(pattern.finditer(data, 0, TEXT_BYTES))
    if not matches:
        return _flip_bits(data, random)
    match = random.choice(matches)
    return data[: match.start()] + random.choice(values) + data[match.end() :]


def _change_number(data: bytes, random: Random) -> bytes:
    return _replaced(data, NUMBER, HOSTILE_NUMBERS, random)


def _change_word(data: bytes, random: Random) -> bytes:
    return _replaced(data, WORD, HOSTILE_WORDS, random)


def _change_line(data: bytes, random: Random) -> bytes:
    """Remove, repeat or move a line of the header."""
    head, tail = data[:TEXT_BYTES].split(b"\n"), data[TEXT_BYTES:]
    index = random.randrange(len(head))
    line = head.pop(index)
    for _ in range(random.choice((0, 1, 2))):
        head.insert(random.randrange(len(head) + 1), line)
    return b"\n".join(head) + tail


MUTATIONS: tuple[Callable[[bytes, Random], bytes], ...] = (
    *(_flip_bits, _flip_bits, _truncate, _remove, _repeat, _zero, _extreme, _extreme, _insert),
    *(_change_number, _change_number, _change_number, _change_word, _change_line),
)
