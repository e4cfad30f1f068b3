"""Downloads from a server that behaves as real ones do on a bad day: whole and checked, or not at all."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from Tell2RegLib.errors import ModelError
from Tell2RegLib.models.catalogue.installed import part_files
from Testing.Python.model_server import (
    DATA,
    OTHER,
    Answer,
    Server,
    cut,
    of_length,
    well,
    without_length,
    without_ranges,
    wrong_range,
)
from Testing.Python.models.installation import Installation, is_whole

# --- what goes well ---


def test_a_model_is_downloaded_checked_and_remembered(installation: Installation) -> None:
    record = installation.install()
    assert record.sha256 == installation.model.sha256
    assert is_whole(installation)
    stages = [stage for stage, _, _ in installation.reports]
    assert stages[0] == "download"
    assert stages[-1] == "verify"
    assert installation.reports[stages.index("verify") - 1] == ("download", len(DATA), len(DATA))
    _, headers = installation.server.asked[0]
    assert headers["User-Agent"].startswith("tell2reg/")
    assert headers["Accept-Encoding"] == "identity"
    assert installation.pauses == []


def test_what_is_there_is_not_downloaded_again(installation: Installation) -> None:
    installation.install()
    installation.install()
    assert len(installation.server.asked) == 1


def test_what_was_put_there_by_hand_is_taken_if_it_is_right(installation: Installation) -> None:
    installation.path.parent.mkdir()
    installation.path.write_bytes(DATA)
    installation.install()
    assert installation.server.asked == []


def test_a_damaged_file_is_replaced(installation: Installation) -> None:
    installation.path.parent.mkdir()
    installation.path.write_bytes(OTHER)
    installation.install()
    assert is_whole(installation)


def test_a_file_of_unknown_size_and_hash_is_checked_by_md5_and_content(tmp_path: Path, a_server: Server) -> None:
    known = {"bytes": None, "sha256": None, "md5": hashlib.md5(DATA).hexdigest()}
    installation = Installation(tmp_path / "models", a_server, name="medsam", **known)
    with pytest.raises(ModelError, match="not a file of weights"):
        installation.install()
    assert installation.left() == set()


# --- cut off, and going on ---


def test_a_cut_connection_is_gone_on_from(installation: Installation) -> None:
    installation.server.plan.extend([cut(100_000), cut(100_000)])
    installation.install()
    assert is_whole(installation)
    assert installation.ranges() == [None, "bytes=100000-", "bytes=200000-"]
    assert [headers.get("If-Range") for _, headers in installation.server.asked] == [None, '"one"', '"one"']


def test_pauses_grow_and_patience_ends(installation: Installation) -> None:
    installation.server.plan.extend([cut(1000)] + [cut(0)] * 10)
    with pytest.raises(ModelError, match=r"127\.0\.0\.1 stops after 1,000 of 300,000 bytes") as caught:
        installation.install(tries=4)
    assert "tell2reg models import FILE" in str(caught.value)
    assert len(installation.server.asked) == 4
    assert sum(installation.pauses) == pytest.approx(1 + 2 + 4)
    assert installation.left() == {"X.part", "X.part.json"}
    installation.server.plan.clear()
    installation.install()
    assert is_whole(installation)
    assert installation.ranges()[-1] == "bytes=1000-"


def test_a_later_day_goes_on_from_the_same_place(installation: Installation) -> None:
    installation.server.plan.append(cut(123_456))
    with pytest.raises(ModelError):
        installation.install(tries=1)
    installation.install()
    assert is_whole(installation)
    assert installation.ranges() == [None, "bytes=123456-"]


def test_a_file_that_changed_meanwhile_is_begun_anew(installation: Installation) -> None:
    """What the server had before was OTHER; its beginning must not end up in the file."""
    installation.server.data, installation.server.etag = OTHER, '"zero"'
    installation.server.plan.append(cut(100_000))
    with pytest.raises(ModelError):
        installation.install(tries=1)
    installation.server.data, installation.server.etag = DATA, '"one"'
    installation.install()
    assert is_whole(installation)
    assert installation.ranges() == [None, "bytes=100000-"]


def test_a_part_of_another_address_is_not_gone_on_from(installation: Installation) -> None:
    installation.server.plan.append(cut(100_000))
    with pytest.raises(ModelError):
        installation.install(tries=1)
    notes = part_files(installation.path)[1]
    notes.write_text(json.dumps({**json.loads(notes.read_text()), "url": "https://example.org/x"}))
    installation.install()
    assert is_whole(installation)
    assert installation.ranges() == [None, None]


@pytest.mark.parametrize("notes", ["", "{", "[]", '{"url": 3}'], ids=["none", "broken", "list", "wrong"])
def test_a_part_of_unknown_origin_is_not_gone_on_from(notes: str, installation: Installation) -> None:
    installation.path.parent.mkdir()
    installation.part.write_bytes(OTHER[:1000])
    if notes:
        part_files(installation.path)[1].write_text(notes)
    installation.install()
    assert is_whole(installation)
    assert installation.ranges() == [None]


def test_a_wrong_part_without_a_mark_costs_one_more_try(installation: Installation) -> None:
    """The server names no version, so only the hash can tell that the part was another one's."""
    installation.path.parent.mkdir()
    installation.part.write_bytes(OTHER[:1000])
    part_files(installation.path)[1].write_text(json.dumps({"url": installation.server.url(), "validator": ""}))
    installation.install()
    assert is_whole(installation)
    assert installation.ranges() == ["bytes=1000-", None]


def test_a_server_that_ignores_ranges_is_begun_anew(installation: Installation) -> None:
    installation.server.plan.extend([cut(100_000), without_ranges])
    installation.install()
    assert is_whole(installation)


def test_a_server_that_goes_on_elsewhere_is_begun_anew(installation: Installation) -> None:
    installation.server.plan.extend([cut(100_000), wrong_range, well])
    installation.install()
    assert is_whole(installation)
    assert installation.ranges() == [None, "bytes=100000-", None]


def test_a_part_that_is_whole_is_not_asked_for_again(installation: Installation) -> None:
    installation.path.parent.mkdir()
    installation.part.write_bytes(DATA)
    part_files(installation.path)[1].write_text(json.dumps({"url": installation.server.url(), "validator": '"one"'}))
    installation.install()
    assert is_whole(installation)
    assert installation.server.asked == []


def test_a_part_that_is_too_long_is_dropped(installation: Installation) -> None:
    installation.path.parent.mkdir()
    installation.part.write_bytes(DATA + b"x")
    part_files(installation.path)[1].write_text(json.dumps({"url": installation.server.url(), "validator": '"one"'}))
    installation.install()
    assert is_whole(installation)


def test_of_unknown_size_the_server_says_when_it_is_whole(tmp_path: Path, a_server: Server) -> None:
    installation = Installation(tmp_path / "models", a_server, bytes=None)
    installation.path.parent.mkdir()
    installation.part.write_bytes(DATA)
    part_files(installation.path)[1].write_text(json.dumps({"url": a_server.url(), "validator": '"one"'}))
    installation.install()
    assert is_whole(installation)
    assert installation.ranges() == ["bytes=300000-"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (without_length(DATA * 3), "sends more than the 600,000 bytes that the file can have"),
        (of_length(3 * len(DATA)), r"offers 900,000 bytes \(.*\) instead of about 300,000"),
    ],
    ids=["without a length", "of that length"],
)
def test_of_unknown_size_more_than_twice_as_much_as_expected_is_refused(
    tmp_path: Path, a_server: Server, answer: Answer, message: str
) -> None:
    installation = Installation(tmp_path / "models", a_server, bytes=None)
    a_server.plan.append(answer)
    with pytest.raises(ModelError, match=message):
        installation.install()
    assert installation.left() == set()
    assert max((done for _, done, _ in installation.reports), default=0) <= 2 * len(DATA)


def test_of_unknown_size_a_little_more_than_expected_is_taken(tmp_path: Path, a_server: Server) -> None:
    installation = Installation(tmp_path / "models", a_server, bytes=None, about_bytes=int(0.6 * len(DATA)))
    a_server.plan.append(without_length(DATA))
    installation.install()
    assert is_whole(installation)
