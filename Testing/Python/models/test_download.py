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
from Testing.Python.models.places import Place, is_whole

# --- what goes well ---


def test_a_model_is_downloaded_checked_and_remembered(here: Place) -> None:
    record = here.install()
    assert record.sha256 == here.model.sha256
    assert is_whole(here)
    stages = [stage for stage, _, _ in here.told]
    assert stages[0] == "download"
    assert stages[-1] == "verify"
    assert here.told[stages.index("verify") - 1] == ("download", len(DATA), len(DATA))
    _, headers = here.server.asked[0]
    assert headers["User-Agent"].startswith("tell2reg/")
    assert headers["Accept-Encoding"] == "identity"
    assert here.pauses == []


def test_what_is_there_is_not_downloaded_again(here: Place) -> None:
    here.install()
    here.install()
    assert len(here.server.asked) == 1


def test_what_was_put_there_by_hand_is_taken_if_it_is_right(here: Place) -> None:
    here.path.parent.mkdir()
    here.path.write_bytes(DATA)
    here.install()
    assert here.server.asked == []


def test_a_damaged_file_is_replaced(here: Place) -> None:
    here.path.parent.mkdir()
    here.path.write_bytes(OTHER)
    here.install()
    assert is_whole(here)


def test_a_file_of_unknown_size_and_hash_is_checked_by_md5_and_content(tmp_path: Path, a_server: Server) -> None:
    known = {"bytes": None, "sha256": None, "md5": hashlib.md5(DATA).hexdigest()}
    position = Place(tmp_path / "models", a_server, name="medsam", **known)
    with pytest.raises(ModelError, match="not a file of weights"):
        position.install()
    assert position.left() == set()


# --- cut off, and going on ---


def test_a_cut_connection_is_gone_on_from(here: Place) -> None:
    here.server.plan.extend([cut(100_000), cut(100_000)])
    here.install()
    assert is_whole(here)
    assert here.ranges() == [None, "bytes=100000-", "bytes=200000-"]
    assert [headers.get("If-Range") for _, headers in here.server.asked] == [None, '"one"', '"one"']


def test_pauses_grow_and_patience_ends(here: Place) -> None:
    here.server.plan.extend([cut(1000)] + [cut(0)] * 10)
    with pytest.raises(ModelError, match=r"127\.0\.0\.1 stops after 1,000 of 300,000 bytes") as caught:
        here.install(tries=4)
    assert "tell2reg models import FILE" in str(caught.value)
    assert len(here.server.asked) == 4
    assert sum(here.pauses) == pytest.approx(1 + 2 + 4)
    assert here.left() == {"X.part", "X.part.json"}
    here.server.plan.clear()
    here.install()
    assert is_whole(here)
    assert here.ranges()[-1] == "bytes=1000-"


def test_a_later_day_goes_on_from_the_same_place(here: Place) -> None:
    here.server.plan.append(cut(123_456))
    with pytest.raises(ModelError):
        here.install(tries=1)
    here.install()
    assert is_whole(here)
    assert here.ranges() == [None, "bytes=123456-"]


def test_a_file_that_changed_meanwhile_is_begun_anew(here: Place) -> None:
    """What the server had before was OTHER; its beginning must not end up in the file."""
    here.server.data, here.server.etag = OTHER, '"zero"'
    here.server.plan.append(cut(100_000))
    with pytest.raises(ModelError):
        here.install(tries=1)
    here.server.data, here.server.etag = DATA, '"one"'
    here.install()
    assert is_whole(here)
    assert here.ranges() == [None, "bytes=100000-"]


def test_a_part_of_another_address_is_not_gone_on_from(here: Place) -> None:
    here.server.plan.append(cut(100_000))
    with pytest.raises(ModelError):
        here.install(tries=1)
    notes = part_files(here.path)[1]
    notes.write_text(json.dumps({**json.loads(notes.read_text()), "url": "https://example.org/x"}))
    here.install()
    assert is_whole(here)
    assert here.ranges() == [None, None]


@pytest.mark.parametrize("notes", ["", "{", "[]", '{"url": 3}'], ids=["none", "broken", "list", "wrong"])
def test_a_part_of_unknown_origin_is_not_gone_on_from(notes: str, here: Place) -> None:
    here.path.parent.mkdir()
    here.part.write_bytes(OTHER[:1000])
    if notes:
        part_files(here.path)[1].write_text(notes)
    here.install()
    assert is_whole(here)
    assert here.ranges() == [None]


def test_a_wrong_part_without_a_mark_costs_one_more_try(here: Place) -> None:
    """The server names no version, so only the hash can tell that the part was another one's."""
    here.path.parent.mkdir()
    here.part.write_bytes(OTHER[:1000])
    part_files(here.path)[1].write_text(json.dumps({"url": here.server.url(), "validator": ""}))
    here.install()
    assert is_whole(here)
    assert here.ranges() == ["bytes=1000-", None]


def test_a_server_that_ignores_ranges_is_begun_anew(here: Place) -> None:
    here.server.plan.extend([cut(100_000), without_ranges])
    here.install()
    assert is_whole(here)


def test_a_server_that_goes_on_elsewhere_is_begun_anew(here: Place) -> None:
    here.server.plan.extend([cut(100_000), wrong_range, well])
    here.install()
    assert is_whole(here)
    assert here.ranges() == [None, "bytes=100000-", None]


def test_a_part_that_is_whole_is_not_asked_for_again(here: Place) -> None:
    here.path.parent.mkdir()
    here.part.write_bytes(DATA)
    part_files(here.path)[1].write_text(json.dumps({"url": here.server.url(), "validator": '"one"'}))
    here.install()
    assert is_whole(here)
    assert here.server.asked == []


def test_a_part_that_is_too_long_is_dropped(here: Place) -> None:
    here.path.parent.mkdir()
    here.part.write_bytes(DATA + b"x")
    part_files(here.path)[1].write_text(json.dumps({"url": here.server.url(), "validator": '"one"'}))
    here.install()
    assert is_whole(here)


def test_of_unknown_size_the_server_says_when_it_is_whole(tmp_path: Path, a_server: Server) -> None:
    position = Place(tmp_path / "models", a_server, bytes=None)
    position.path.parent.mkdir()
    position.part.write_bytes(DATA)
    part_files(position.path)[1].write_text(json.dumps({"url": a_server.url(), "validator": '"one"'}))
    position.install()
    assert is_whole(position)
    assert position.ranges() == ["bytes=300000-"]


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
    position = Place(tmp_path / "models", a_server, bytes=None)
    a_server.plan.append(answer)
    with pytest.raises(ModelError, match=message):
        position.install()
    assert position.left() == set()
    assert max((done for _, done, _ in position.told), default=0) <= 2 * len(DATA)


def test_of_unknown_size_a_little_more_than_expected_is_taken(tmp_path: Path, a_server: Server) -> None:
    position = Place(tmp_path / "models", a_server, bytes=None, about_bytes=int(0.6 * len(DATA)))
    a_server.plan.append(without_length(DATA))
    position.install()
    assert is_whole(position)
