"""The harness of `make fuzz` notices what it looks for, and a short run of it finds nothing."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
pytest.importorskip("vtkmodules", reason="surfaces are among the files: pip install -e .[slicer-tests]")
if os.name == "posix":
    from Tell2RegLib.errors import InputError
    from Testing.Reliability import fuzz, fuzz_child
    from Testing.Reliability.fuzz_child import DIFFERENT, REFUSED, SAME, SILENT, UNCAUGHT, UNCLEAR, damage, outcome_of
    from Testing.Reliability.fuzz_targets import Target
    from Testing.Reliability.mutations import MUTATIONS, mutated, mutated_inside


def test_a_hundred_damaged_files_end_in_a_sentence_or_sound(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert fuzz.main(["--mutants", "100", "--processes", "1", "--keep", str(tmp_path)]) == 0, capsys.readouterr().out
    assert "refused: " in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def refuse(text: str) -> None:
    raise InputError(text)


READERS = {
    SAME: (lambda path: "sound", False),
    DIFFERENT: (lambda path: "other", False),
    SILENT: (lambda path: "other", True),
    REFUSED: (lambda path: refuse("'a' is damaged."), True),
    UNCLEAR: (lambda path: refuse("'a' is damaged:\ntwo lines"), True),
    UNCAUGHT: (lambda path: {}["key"], True),
}


@pytest.mark.parametrize("outcome", READERS)
def test_every_outcome_is_told_apart(outcome: str) -> None:
    read, must_notice = READERS[outcome]
    assert outcome_of(Target("a", read, {}), repr("sound"), Path("a"), must_notice)[0] == outcome


def test_a_reader_that_may_raise_nothing_fails_with_any_error() -> None:
    target = Target("a", lambda path: refuse("'a' is damaged."), {}, error=False)
    assert outcome_of(target, "", Path("a"), False)[0] == UNCLEAR


def test_a_process_that_ends_is_a_crash_and_its_file_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "records").mkdir()
    (tmp_path / "ends.py").write_text("import os\nprint('ready', flush=True)\ninput()\nos.abort()\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(fuzz, "CHILD", "ends")
    figures = fuzz.fuzz(range(2), 1, tmp_path, tmp_path / "kept", processes=1)
    assert figures.outcomes[fuzz.CRASH] == 2
    assert "exit code -6" in figures.failures[0]


def test_only_damage_that_a_checksum_or_a_stated_length_covers_must_be_noticed(tmp_path: Path) -> None:
    whole = b"head" + bytes(range(200))
    must_notice = set()
    for seed in range(300):
        (tmp_path / "a").write_bytes(whole)
        is_covered = damage(Target("a", str, {"a": 4}), tmp_path, Random(seed))
        assert is_covered == (tmp_path / "a").read_bytes().startswith(b"head")
        must_notice.add(is_covered)
    assert must_notice == {True, False}


def test_damage_follows_from_its_seed() -> None:
    data = b"key = 12.5\nname = prostate\n" * 20
    assert [mutated(data, Random(n)) for n in range(50)] == [mutated(data, Random(n)) for n in range(50)]
    assert len({mutated(data, Random(n)) for n in range(50)}) > 40


def test_damage_works_on_any_bytes() -> None:
    for number, mutation in enumerate(MUTATIONS):
        for data in (b"", b"a", b"1", b"\n", bytes(9)):
            assert isinstance(mutation(data, Random(number)), bytes)
    assert mutated_inside(b"\x1f\x8bbroken", Random(1))


def test_the_limit_of_a_message_is_that_of_its_lines() -> None:
    long = Target("a", lambda path: refuse("x" * fuzz_child.MESSAGE_LENGTH), {}, lines=True)
    short = Target("a", lambda path: refuse("x\n" * fuzz_child.MESSAGE_LENGTH), {}, lines=True)
    assert outcome_of(long, "", Path("a"), False)[0] == UNCLEAR
    assert outcome_of(short, "", Path("a"), False)[0] == REFUSED
