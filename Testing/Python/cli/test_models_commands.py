"""`tell2reg models` as a user types it: what it says, what it leaves, how it ends."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from Tell2RegLib.cli.main import app
from Tell2RegLib.models.catalogue import models_folder as folders
from Tell2RegLib.models.catalogue.entries import load_catalog
from Tell2RegLib.models.catalogue.installed import Store
from Testing.Python.model_server import DATA, OTHER, Server, an_empty_store, status
from Testing.Python.small import ROOT, environment

COMMANDS = {
    "list": [],
    "install": [],
    "verify": [],
    "import": ["--as", "--unverified"],
    "remove": [],
    "where": ["--set"],
}

posix = pytest.mark.skipif(os.name != "posix", reason="Needs a system with signals (not Windows).")


@pytest.fixture
def store(tmp_path: Path, a_server: Server, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The user's store: empty, and the server has all three models of the set 'fast'."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    return an_empty_store(tmp_path / "models", a_server, monkeypatch)


def run(*words: str | Path):
    return CliRunner().invoke(app, ["models", *(str(word) for word in words)])


def json_of(*words: str | Path) -> Any:
    """What a command says with --json; it must end well."""
    done = run(*words, "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def problem(*words: str | Path) -> str:
    """The one sentence of a command that ends with 1."""
    done = run(*words)
    assert done.exit_code == 1, done.output
    assert "Traceback" not in done.stderr
    assert "Unexpected" not in done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert re.fullmatch(r"['A-Z].*\.", lines[0]), lines[0]
    return lines[0]


def states(listing: Any) -> dict[str, str]:
    return {model["name"]: model["status"] for model in listing["models"] if model["kind"] == "download"}


# --- 0 ---


def test_the_list_says_what_there_is(store: Store) -> None:
    listing = json_of("list")
    assert set(states(listing).values()) == {"missing"}
    assert [item["name"] for item in listing["sets"]] == ["demo", "fast", "paper", "medical"]
    paper = listing["sets"][2]
    assert (paper["status"], paper["size"]) == ("missing", "3.5 GB")
    sam = next(model for model in listing["models"] if model["name"] == "sam-vit-h")
    assert sam["licence"] == "Apache-2.0"
    assert sam["memory_gb"] == 7
    assert sam["size"] == "2.6 GB"
    assert sam["citation"]
    assert listing["folder"] == str(store.folder)
    shown = run("list")
    assert shown.exit_code == 0
    for model in listing["models"]:
        assert model["name"] in shown.stdout
    for text in ("missing", "2.6 GB", "7 GB", "Apache-2.0", "CC-BY-4.0", "research use only", str(store.folder)):
        assert text in shown.stdout, text
    assert not store.folder.exists(), "looking changes nothing"


def test_a_set_is_installed_verified_and_removed(store: Store, a_server: Server) -> None:
    done = json_of("install", "fast")
    assert done["status"] == "ok"
    assert [model["status"] for model in done["models"]] == ["verified"] * 3
    assert len(a_server.asked) == 3
    shown = run("install", "fast", "sam-vit-b")
    assert shown.exit_code == 0
    assert len(a_server.asked) == 3
    assert shown.stdout.count("sam-vit-b: verified, 300 kB, Apache-2.0, about 2 GB of memory") == 1
    assert "research use only" in shown.stdout
    assert next(item for item in json_of("list")["sets"] if item["name"] == "fast")["status"] == "installed"
    checked = run("verify")
    assert checked.exit_code == 0
    assert checked.stdout.count("verified") == 3
    gone = json_of("remove", "fast")
    assert set(gone["removed"]) == {"groundingdino-swin-t", "bert-vocabulary", "sam-vit-b"}
    assert gone["bytes"] >= 3 * len(DATA)
    assert set(states(json_of("list")).values()) == {"missing"}


def test_removing_a_set_keeps_what_another_one_needs(store: Store) -> None:
    run("install", "fast")
    for name in ("groundingdino-swin-b", "medsam"):
        store.path(store.catalog.model(name)).write_bytes(b"x")
    assert set(json_of("remove", "fast")["removed"]) == {"groundingdino-swin-t", "sam-vit-b"}
    assert set(json_of("remove", "medical")["removed"]) == {"groundingdino-swin-b", "bert-vocabulary", "medsam"}
    assert "Nothing of the set 'fast'" in problem("remove", "fast")


def test_one_model_is_removed_by_its_name(store: Store) -> None:
    run("install", "sam-vit-b")
    shown = run("remove", "sam-vit-b")
    assert shown.exit_code == 0
    assert "Removed sam-vit-b" in shown.stdout


def test_a_file_is_imported(store: Store, tmp_path: Path) -> None:
    (tmp_path / "brought.bin").write_bytes(DATA)
    done = json_of("import", tmp_path / "brought.bin", "--as", "bert-vocabulary")
    assert done["models"][0]["name"] == "bert-vocabulary"
    assert done["models"][0]["status"] == "verified"
    shown = run("import", tmp_path / "brought.bin")
    assert shown.exit_code == 0
    assert "verified" in shown.stdout


def test_what_is_not_verified_is_said(store: Store, tmp_path: Path) -> None:
    (tmp_path / "words").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nprostate\n")
    shown = run("import", tmp_path / "words", "--as", "bert-vocabulary", "--unverified")
    assert shown.exit_code == 0
    assert "bert-vocabulary: unverified" in shown.stdout
    assert "not in the catalogue; it was imported with --unverified" in shown.stdout
    assert states(json_of("list"))["bert-vocabulary"] == "unverified"
    run("install", "fast")
    sets = {item["name"]: item["status"] for item in json_of("list")["sets"]}
    assert sets["fast"] == "unverified"


def test_where_tells_and_chooses(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "settings_file", lambda: tmp_path / "settings" / "settings.json")
    shown = run("where")
    assert shown.stdout.strip() == str(store.folder)
    assert folders.VARIABLE in shown.stderr
    chosen = run("where", "--set", tmp_path / "mine")
    assert chosen.stdout.strip() == str(store.folder)
    assert "is unset" in chosen.stderr
    monkeypatch.delenv(folders.VARIABLE)
    assert json_of("where")["folder"] == str(tmp_path / "mine")
    assert json_of("list")["folder"] == str(tmp_path / "mine")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_every_option(name: str) -> None:
    done = CliRunner().invoke(app, ["models", name, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})
    assert done.exit_code == 0
    assert {*COMMANDS[name], "--json", "--debug", "--help"} <= set(re.findall(r"--[a-z-]+", done.stdout))


def test_every_command_on_the_page_can_be_typed() -> None:
    group = typer.main.get_command(app).commands["models"]  # type: ignore[attr-defined]
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    lines = re.findall(r"^    (tell2reg models .*)$", page, re.MULTILINE)
    assert {shlex.split(line)[2] for line in lines} == set(COMMANDS)
    for line in lines:
        _, _, name, *words = shlex.split(line)
        group.commands[name].make_context(name, words)


# --- 1 ---


def test_problems_are_told_in_one_sentence(store: Store, a_server: Server, tmp_path: Path) -> None:
    assert "no model and no set 'sam'" in problem("install", "sam")
    assert "no model and no set 'sam'" in problem("remove", "sam")
    assert "no model and no set 'sam'" in problem("verify", "sam")
    assert "nothing to remove" in problem("remove", "sam-vit-b")
    assert "part of Tell2Reg" in problem("remove", "demo-detector")
    assert "not installed" in problem("verify", "sam-vit-b")
    assert "There is no file" in problem("import", tmp_path / "absent")
    a_server.plan.append(status(404))
    assert "answers 404" in problem("install", "sam-vit-b")
    (tmp_path / "text").write_text("Dear colleague, here they are.")
    assert "not a file of weights" in problem("import", tmp_path / "text")
    assert "is a file" in problem("where", "--set", tmp_path / "text")


def test_every_damaged_model_is_told_and_the_others_are_shown(store: Store) -> None:
    run("install", "fast")
    store.path(store.catalog.model("sam-vit-b")).write_bytes(OTHER)
    store.path(store.catalog.model("bert-vocabulary")).write_bytes(b"")
    done = run("verify", "fast")
    assert done.exit_code == 1
    assert "groundingdino-swin-t: verified" in done.stdout
    assert "'sam-vit-b' is damaged" in done.stderr
    assert "'bert-vocabulary' is damaged" in done.stderr
    detected = run("verify", "fast", "--json")
    assert detected.exit_code == 1
    record = json.loads(detected.stdout)
    assert record["status"] == "failed"
    assert len(record["problems"]) == 2
    assert states(record)["sam-vit-b"] == "damaged"
    assert run("install", "fast").exit_code == 0
    assert run("verify", "fast").exit_code == 0


# --- 2 and 130 ---


@pytest.mark.parametrize("words", [[], ["install"], ["import"], ["remove"], ["lists"], ["list", "--colour"]], ids=str)
def test_wrong_usage_ends_with_2(words: list[str], store: Store) -> None:
    assert run(*words).exit_code == 2


START = """
import sys
from dataclasses import replace
from pathlib import Path
from Tell2RegLib.models.catalogue import installed
from Tell2RegLib.models.catalogue.entries import load_catalog
real, folder = load_catalog(), Path(sys.argv[2])
models = tuple(replace(m, urls=(sys.argv[1],)) if m.name == "sam-vit-b" else m for m in real.models)
Store = installed.Store
installed.Store = lambda: Store(folder, replace(real, models=models))
sys.argv[1:] = ["models", "install", "sam-vit-b"]
from Tell2RegLib.cli.main import main
main()
"""


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_download_ends_with_130_and_says_that_it_goes_on(
    number: int, a_server: Server, tmp_path: Path
) -> None:
    model = load_catalog().model("sam-vit-b")
    gate = threading.Event()
    part = tmp_path / f"{model.file}.part"

    def answer(handler: Any) -> None:
        handler.start(200, ETag='"one"', Content_Length=model.bytes)
        handler.send(DATA[:1000])
        gate.wait(30)

    a_server.plan.append(answer)
    process = subprocess.Popen(
        [sys.executable, "-c", START, a_server.url(), str(tmp_path)],
        cwd=ROOT,
        env={**environment(), "no_proxy": "127.0.0.1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    for _ in range(12000):
        if part.is_file() and part.stat().st_size == 1000:
            break
        threading.Event().wait(0.01)
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    gate.set()
    assert process.returncode == 130, err
    assert out == ""
    assert err == "Cancelled. The partial download is kept; run the same command to resume.\n"
    assert part.stat().st_size == 1000
    assert not (tmp_path / model.file).exists()
