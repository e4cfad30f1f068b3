"""Downloads from servers that are wrong, onto disks that are full, and stopped on the way."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest

from Tell2RegLib.errors import Cancelled, ModelError, OutputError
from Tell2RegLib.models.catalogue import http_transfer as transfers
from Tell2RegLib.models.catalogue.download import Patience, install
from Tell2RegLib.models.catalogue.entries import Model
from Tell2RegLib.models.catalogue.installed import Store
from Testing.Python.model_server import (
    DATA,
    OTHER,
    Server,
    cut,
    of_length,
    portal,
    redirect,
    silent,
    status,
    well,
    without_length,
)
from Testing.Python.models.installation import Installation, is_whole
from Testing.Python.small import ROOT

posix = pytest.mark.skipif(os.name != "posix", reason="Needs a system with signals and file limits (not Windows).")

# --- servers that are wrong ---


@pytest.mark.parametrize("code", [500, 502, 503, 429, 408])
def test_an_overloaded_server_is_asked_again(code: int, installation: Installation) -> None:
    installation.server.plan.append(status(code))
    installation.install()
    assert is_whole(installation)
    assert len(installation.server.asked) == 2


WRONG = {
    "not found": (status(404), "answers 404"),
    "forbidden": (status(403), "answers 403"),
    "a page": (portal, r"offers 28 bytes \(text/html\) instead of 300,000"),
    "too short a length": (of_length(1000), "offers 1,000 bytes"),
    "too long a length": (of_length(400_000), "offers 400,000 bytes"),
    "more than the file": (without_length(DATA + b"x"), "sends more than the 300,000 bytes"),
    "wrong bytes": (without_length(OTHER), "another file than the catalogue describes"),
    "a redirect to http": (redirect("http://example.org/x"), "leads to 'http://example.org/x'"),
    "a redirect to a file": (redirect("file:///etc/passwd"), "no address of the web"),
    "a redirect to itself": (redirect("/weights.pth"), "in a circle"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_server_is_told_and_nothing_is_left(name: str, installation: Installation) -> None:
    answer, expected = WRONG[name]
    installation.server.plan.extend([answer] * 30)
    with pytest.raises(ModelError, match=expected) as caught:
        installation.install()
    assert "\n" not in str(caught.value)
    assert installation.left() == set()
    assert installation.pauses == []


def test_wrong_bytes_are_never_put_in_place_of_right_ones(installation: Installation) -> None:
    installation.install()
    os.utime(installation.path, ns=(1, 1))
    installation.server.plan.append(without_length(OTHER))
    installation.install()
    assert installation.path.read_bytes() == DATA


def test_a_body_without_length_that_ends_early_is_gone_on_from(installation: Installation) -> None:
    installation.server.plan.append(without_length(DATA[:5000]))
    installation.install()
    assert is_whole(installation)
    assert installation.ranges() == [None, "bytes=5000-"]


def test_the_next_address_is_asked_when_one_fails(tmp_path: Path, a_server: Server) -> None:
    urls = (a_server.url("/gone"), "http://127.0.0.1:9/closed", a_server.url("/weights.pth"))
    installation = Installation(tmp_path / "models", a_server, urls=urls)
    a_server.plan.append(status(404))
    installation.install(tries=2)
    assert is_whole(installation)
    assert [path for path, _ in a_server.asked] == ["/gone", "/weights.pth"]


def test_redirects_are_followed_and_keep_the_range(installation: Installation) -> None:
    installation.server.plan.extend([redirect("/there", 301), cut(1000), redirect("/there", 307), well])
    installation.install()
    assert is_whole(installation)
    assert [path for path, _ in installation.server.asked] == ["/weights.pth", "/there"] * 2
    assert installation.ranges() == [None, None, "bytes=1000-", "bytes=1000-"]


def test_a_silent_server_is_left(installation: Installation) -> None:
    gate = threading.Event()
    installation.server.plan.append(silent(gate, after=1000))
    installation.install(timeout_s=0.2)
    gate.set()
    assert is_whole(installation)
    assert installation.ranges() == [None, "bytes=1000-"]


def test_only_https_is_asked(tmp_path: Path, a_server: Server) -> None:
    installation = Installation(tmp_path / "models", a_server, urls=("http://192.0.2.1/x", "ftp://192.0.2.1/x"))
    with pytest.raises(ModelError, match=r"192\.0\.2\.1 is no https address"):
        installation.install()


def test_a_far_server_cannot_lead_to_this_machine() -> None:
    handler = transfers._OnlyToSafety("https://example.org/x")
    request = transfers.urllib.request.Request("https://example.org/x")
    body = SimpleNamespace(close=lambda: None)
    with pytest.raises(transfers.Refused, match="no safe address"):
        handler.redirect_request(request, body, 302, "", None, "http://127.0.0.1/secret")  # type: ignore[arg-type]
    to = handler.redirect_request(request, body, 302, "", {}, "https://cdn.example.org/x")  # type: ignore[arg-type]
    assert to is not None
    assert to.full_url == "https://cdn.example.org/x"


def test_the_proxy_of_the_environment_is_used(
    tmp_path: Path, a_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation = Installation(tmp_path / "models", a_server, urls=("http://localhost:9/weights.pth",))
    monkeypatch.setenv("http_proxy", a_server.url(""))
    installation.install()
    assert is_whole(installation)
    assert [path for path, _ in a_server.asked] == ["http://localhost:9/weights.pth"]


# --- disks ---


def test_space_is_looked_for_before_anything_is_written(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=len(DATA)))
    with pytest.raises(ModelError, match=r"'SAM ViT-B' needs 300 kB, but .*tell2reg models where --set DIR"):
        installation.install()
    assert installation.left() == set()


def test_of_unknown_size_space_is_looked_for_as_much_as_expected(
    tmp_path: Path, a_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation = Installation(tmp_path / "models", a_server, bytes=None)
    a_server.plan.append(without_length(DATA))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=len(DATA)))
    with pytest.raises(ModelError, match="'SAM ViT-B' needs 300 kB"):
        installation.install()
    assert installation.left() == set()


def test_a_disk_that_fills_up_is_told_and_what_came_is_kept(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = transfers._opened

    class Full:
        """Takes one block."""

        def __init__(self, *words: object) -> None:
            self.stream, self.blocks = opened(*words), 0  # type: ignore[arg-type]

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            self.stream.close()

        def write(self, data: bytes) -> int:
            self.blocks += 1
            if self.blocks > 1:
                raise OSError(28, "No space left on device")
            return self.stream.write(data)

    with monkeypatch.context() as patch:
        patch.setattr(transfers, "_opened", Full)
        with pytest.raises(OutputError, match="No space left on device"):
            installation.install()
    assert installation.left() == {"X.part", "X.part.json"}
    assert 0 < installation.part.stat().st_size < len(DATA)
    installation.install()
    assert is_whole(installation)


def test_what_is_there_is_taken_from_a_folder_that_is_only_read(installation: Installation) -> None:
    installation.path.parent.mkdir()
    installation.path.write_bytes(DATA)
    installation.path.with_name(
        f".{installation.path.name}.lock"
    ).mkdir()  # so that nobody can make the lock, not even root
    assert installation.install().sha256 == installation.model.sha256
    installation.path.write_bytes(OTHER)
    with pytest.raises(OutputError, match="cannot be written"):
        installation.install()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, a_server: Server) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        Installation(tmp_path / "file" / "models", a_server).install()


# --- stopped, and two at once ---


def test_a_cancelled_download_goes_on_later(installation: Installation) -> None:
    def stop(stage: str, done: int, total: int) -> None:
        if done:
            raise Cancelled

    with pytest.raises(Cancelled):
        install(installation.store, installation.model, progress=stop)
    assert installation.left() == {"X.part", "X.part.json"}
    begun = installation.part.stat().st_size
    assert 0 < begun < len(DATA)
    installation.install()
    assert is_whole(installation)
    assert installation.ranges() == [None, f"bytes={begun}-"]


def test_a_pause_can_be_cancelled(installation: Installation) -> None:
    installation.server.plan.append(status(503))

    def stop(stage: str, done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        install(
            installation.store, installation.model, progress=stop, patience=Patience(sleep=installation.pauses.append)
        )
    assert installation.pauses == [0.25]


def test_two_threads_download_once(installation: Installation) -> None:
    gate, waits = threading.Event(), threading.Event()
    installation.server.plan.append(silent(gate))
    detected = []

    def run() -> None:
        detected.append(
            install(
                installation.store,
                installation.model,
                progress=lambda stage, *_: waits.set() if stage == "wait" else None,
            )
        )

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert waits.wait(60)
    gate.set()
    for thread in threads:
        thread.join(60)
    assert [record.sha256 for record in detected] == [installation.model.sha256] * 2
    assert len(installation.server.asked) == 1
    assert is_whole(installation)


INSTALL = """
import sys
from pathlib import Path
from Tell2RegLib.models.catalogue.entries import load_catalog
from Tell2RegLib.models.catalogue.download import install
from Tell2RegLib.models.catalogue.installed import Store
store = Store(Path(sys.argv[1]), load_catalog(Path(sys.argv[2])))
def tell(stage, done, total):
    print(stage, done, flush=True)
print(install(store, store.catalog.model("sam-vit-b"), progress=tell).sha256, flush=True)
"""


def a_process(installation: Installation, tmp_path: Path) -> subprocess.Popen[str]:
    """The same download in a process of its own, which says what it does."""
    catalog = installation.store.catalog
    content = {
        "schema_version": 1,
        "notice": catalog.notice,
        "models": [asdict(model) for model in catalog.models],
        "sets": [asdict(item) for item in catalog.sets],
    }
    (tmp_path / "catalog.json").write_text(json.dumps(content))
    words = [sys.executable, "-c", INSTALL, str(installation.store.folder), str(tmp_path / "catalog.json")]
    return subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": "."})


def until(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(word):
            return
    raise AssertionError(f"'{word}' never came")


def test_two_processes_download_once(installation: Installation, tmp_path: Path) -> None:
    gate = threading.Event()
    installation.server.plan.append(silent(gate, after=1000))
    first = a_process(installation, tmp_path)
    until(first, "download 1000")
    second = a_process(installation, tmp_path)
    until(second, "wait")
    gate.set()
    for process in (first, second):
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        assert said.splitlines()[-1] == installation.model.sha256
    assert len(installation.server.asked) == 1
    assert is_whole(installation)


@posix
def test_a_process_that_is_killed_leaves_a_part_and_no_lock(installation: Installation, tmp_path: Path) -> None:
    gate = threading.Event()
    installation.server.plan.append(silent(gate, after=1000))
    process = a_process(installation, tmp_path)
    until(process, "download 1000")
    process.kill()
    process.communicate()
    gate.set()
    assert installation.left() == {"X.part", "X.part.json"}
    assert installation.part.read_bytes() == DATA[:1000]
    installation.install()
    assert is_whole(installation)
    assert installation.ranges() == [None, "bytes=1000-"]


def test_what_is_shipped_needs_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from Tell2RegLib.models.catalogue import installed as stores

    monkeypatch.setattr(stores, "resource_path", lambda name: tmp_path / name)
    store = Store(tmp_path / "models")
    model: Model = store.catalog.model("demo-vocabulary")
    with pytest.raises(ModelError, match="missing from this installation. Install Tell2Reg again"):
        install(store, model)
    (tmp_path / "DemoWeights").mkdir()
    (tmp_path / model.file).write_bytes(DATA)
    assert install(store, model).bytes == len(DATA)
    assert not (tmp_path / "models").exists()
