"""Downloads one file over HTTP to a partial file, and resumes an earlier attempt.

The standard library's urllib does it: it follows the system's and the environment's proxy settings, checks
certificates, needs no further package in Slicer, and what is missing from it (resuming, retrying, limits) is ours to
decide and to test anyway.
"""

from __future__ import annotations

import http.client
import json
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from Tell2RegLib.errors import OutputError
from Tell2RegLib.models.catalogue.entries import LOCAL_HOSTS, is_allowed
from Tell2RegLib.models.catalogue.models_folder import write_json
from Tell2RegLib.support.version import __version__

BLOCK = 1 << 18
RETRY_STATUS = (408, 425, 429, 500, 502, 503, 504)
"""HTTP status codes after which a retry may succeed."""


class Interrupted(Exception):
    """The transfer was interrupted; a retry may resume it."""


class Refused(Exception):
    """This address does not provide the file; a retry is useless."""


@dataclass(frozen=True, kw_only=True)
class Notes:
    """The origin of the bytes in a partial file, so that different versions are never mixed.

    Args:
        url: the address.
        validator: the server's mark of that version: a strong ETag or a date; empty where it gave none.
    """

    url: str
    validator: str = ""


@dataclass(frozen=True, kw_only=True)
class PartialFile:
    """A download in progress: its limits, and its files.

    Args:
        data: the bytes so far.
        notes: where they come from.
        bytes: how many there must be in all; none where unknown.
        about_bytes: roughly how many; where `bytes` is unknown, more than twice as many are refused.
        timeout_s: how long a server may be silent.
        progress: called with (bytes so far, bytes in all or 0 where unknown); raises Cancelled to stop.
        space: called with the number of bytes still to come, before the first is written; raises where they do not fit.
    """

    data: Path
    notes: Path
    bytes: int | None
    about_bytes: int
    timeout_s: float
    progress: Callable[[int, int], None]
    space: Callable[[int], None]

    @property
    def size(self) -> int:
        """Number of bytes so far."""
        return self.data.stat().st_size if self.data.is_file() else 0

    @property
    def max_bytes(self) -> int:
        """Maximum number of bytes of the file."""
        return 2 * self.about_bytes if self.bytes is None else self.bytes

    def discard(self) -> None:
        """Delete the partial file, to start again."""
        self.data.unlink(missing_ok=True)
        self.notes.unlink(missing_ok=True)


def transfer(url: str, part: PartialFile) -> None:
    """Download the missing bytes of a file.

    Raises:
        Interrupted: what has come so far stays in the part file.
        Refused: the address is of no use.
        OutputError: the disk is full or cannot be written.
        Cancelled: from `part.progress`.
    """
    if not is_allowed(url):
        raise Refused("is no https address")
    validator = _validator_of(url, part)
    if part.bytes is not None and part.size == part.bytes:
        return
    request = urllib.request.Request(url, headers=_headers(part.size, validator))
    try:
        with _opener(url).open(request, timeout=part.timeout_s) as response:
            _receive(response, url, part)
    except urllib.error.HTTPError as error:
        with error:
            _judge_answer(error, part)
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise Refused(f"shows a certificate that is not trusted ({error.reason.verify_message})") from error
        raise Interrupted(f"cannot be reached ({error.reason})") from error
    except (OSError, http.client.HTTPException) as error:
        raise Interrupted(f"breaks off ({error or type(error).__name__})") from error


def _validator_of(url: str, part: PartialFile) -> str:
    """The mark of the version that the part file holds; a part of anything else is dropped."""
    with suppress(OSError, ValueError, TypeError):
        notes = Notes(**json.loads(part.notes.read_text(encoding="utf-8")))
        if notes.url == url and (part.bytes is None or part.size <= part.bytes):
            return notes.validator
    part.discard()
    return ""


def _headers(size: int, validator: str) -> dict[str, str]:
    headers = {"User-Agent": f"tell2reg/{__version__}", "Accept-Encoding": "identity"}
    if size:
        headers["Range"] = f"bytes={size}-"
        if validator:
            headers["If-Range"] = validator
    return headers


class _OnlyToSafety(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https; to this machine only when the first address was there too."""

    def __init__(self, url: str) -> None:
        self._from_here = urlsplit(url).hostname in LOCAL_HOSTS

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        to_here = urlsplit(newurl).hostname in LOCAL_HOSTS
        if not is_allowed(newurl) or (to_here and not self._from_here):
            fp.close()
            raise Refused(f"leads to '{newurl}', which is no safe address")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener(url: str) -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_OnlyToSafety(url))


def _judge_answer(error: urllib.error.HTTPError, part: PartialFile) -> None:
    """Turn an HTTP error into `Interrupted` or `Refused`."""
    if error.code == 416:
        if error.headers.get("Content-Range", "") == f"bytes */{part.size}":
            return  # there is no more: it is whole
        part.discard()
        raise Interrupted("has another version by now")
    if error.code in RETRY_STATUS:
        raise Interrupted(f"answers {error.code} {error.reason}")
    if 300 <= error.code < 400:
        raise Refused("leads round in a circle, or to no address of the web")
    raise Refused(f"answers {error.code} {error.reason}")


def _receive(response: Any, url: str, part: PartialFile) -> None:
    """Append the server's data to the partial file, or replace it."""
    start, total = _body_start(response, part)
    if total is not None and (total > part.max_bytes or part.bytes not in (None, total)):
        part.discard()
        kind = response.headers.get_content_type()
        expected = f"about {part.about_bytes:,}" if part.bytes is None else f"{part.bytes:,}"
        raise Refused(f"offers {total:,} bytes ({kind}) instead of {expected}")
    expected_bytes = part.bytes if part.bytes is not None else total
    part.space((expected_bytes or part.about_bytes) - start)
    _note(url, response, part)
    with _opened(part.data, "ab" if start else "wb") as stream:
        _copy(response, stream, start, expected_bytes, part)
    if expected_bytes is not None and part.size < expected_bytes:
        raise Interrupted(f"stops after {part.size:,} of {expected_bytes:,} bytes")


def _body_start(response: Any, part: PartialFile) -> tuple[int, int | None]:
    """Offset of the response body in the file, and the size of the whole file if the server reports it."""
    if response.status == 206:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if match is None or int(match[1]) != part.size:
            part.discard()
            raise Interrupted("sends another part than it was asked for")
        return part.size, None if match[2] == "*" else int(match[2])
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise Refused("packs what it sends")
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


def _note(url: str, response: Any, part: PartialFile) -> None:
    etag = response.headers.get("ETag", "")
    validator = etag if etag.startswith('"') else response.headers.get("Last-Modified", "")
    try:
        write_json(part.notes, asdict(Notes(url=url, validator=validator)))
    except OSError as error:
        raise _cannot_write(part.notes, error) from error


def _opened(path: Path, mode: str) -> IO[bytes]:
    try:
        return path.open(mode, buffering=0)
    except OSError as error:
        raise _cannot_write(path, error) from error


def _copy(response: Any, stream: IO[bytes], start: int, expected_bytes: int | None, part: PartialFile) -> None:
    done, expected_end = start, None if response.length is None else start + response.length
    max_bytes = expected_bytes or part.max_bytes
    part.progress(done, expected_bytes or 0)
    while done != expected_end and (block := response.read1(BLOCK)):
        if done + len(block) > max_bytes:
            stream.close()
            part.discard()
            raise Refused(f"sends more than the {max_bytes:,} bytes that the file can have")
        try:
            stream.write(block)
        except OSError as error:
            raise _cannot_write(part.data, error) from error
        done += len(block)
        part.progress(done, expected_bytes or 0)


def _cannot_write(path: Path, error: OSError) -> OutputError:
    return OutputError(f"'{path}' cannot be written: {error.strerror or error}. What has come so far is kept.")
