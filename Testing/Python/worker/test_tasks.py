"""The worker's small tasks: devices, packages, models; and what the requests ask of a host: hardly anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from Tell2RegLib.errors import Cancelled, InputError, ModelError
from Tell2RegLib.models.catalogue import models_folder as folders
from Tell2RegLib.models.catalogue.installed import Store
from Tell2RegLib.pipeline import prompt_query as query_module
from Tell2RegLib.region_sources import grounded_sam_networks as networks_module
from Tell2RegLib.region_sources.grounded_sam import GroundedSam
from Tell2RegLib.region_sources.settings import DetectionSettings
from Tell2RegLib.worker import package_check
from Tell2RegLib.worker.devices import find_devices
from Tell2RegLib.worker.requests import CheckRequest, DevicesReply, ModelsReply, ModelsRequest
from Tell2RegLib.worker.tasks import TASKS, Run, WorkerCaches
from Testing.Python.model_server import FAST, Server, an_empty_store
from Testing.Python.small import ROOT
from Testing.Python.worker.conftest import MakeClient
from Testing.Python.worker.heard import run


def quiet() -> Run:
    return Run(lambda stage, done, total: None, lambda: False)


# --- devices ---


def test_the_cpu_is_always_there_with_its_name_and_memory() -> None:
    reply = find_devices()
    cpu = reply.devices[0]
    assert cpu.name == "cpu"
    assert "cores" in cpu.label
    assert cpu.memory_bytes is None or cpu.memory_bytes > 1 << 28
    assert cpu.free_bytes is None or 0 < cpu.free_bytes <= (cpu.memory_bytes or 0)
    assert reply.auto in [device.name for device in reply.devices]


def test_without_torch_there_is_the_cpu_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    reply = find_devices()
    assert [device.name for device in reply.devices] == ["cpu"] == [reply.auto]


def test_gpus_are_named_with_their_memory_and_taken_by_auto(monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    import torch

    about = SimpleNamespace(name="A GPU", total_memory=80 << 30)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: about)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda number: (70 << 30, 80 << 30))
    reply = find_devices()
    assert reply.auto == "cuda:0"
    assert [(d.name, d.label, d.free_bytes) for d in reply.devices[1:]] == [
        ("cuda:0", "A GPU", 70 << 30),
        ("cuda:1", "A GPU", 70 << 30),
    ]


# --- packages ---


def test_packages_are_imported_and_those_that_cannot_be_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_package.py").write_text("raise OSError('libexample.so.1: cannot open shared object file')")
    monkeypatch.syspath_prepend(tmp_path)
    needed = {"numpy": "numpy", "no-such": "no_such_package", "broken": "broken_package"}
    monkeypatch.setattr(package_check, "NEEDED", needed)
    reply = TASKS["check"](CheckRequest(), quiet())
    assert reply.versions == {"numpy": np.__version__}
    assert [(item.package, item.reason.partition(":")[0]) for item in reply.missing] == [
        ("no-such", "ModuleNotFoundError"),
        ("broken", "OSError"),
    ]


def test_every_package_that_a_run_needs_is_here(make_client: MakeClient) -> None:
    heard = run(make_client(), CheckRequest())
    assert heard.reply.missing == ()
    assert {"torch", "groundingdino-py", "segment-anything"} < set(heard.reply.versions)
    assert heard.reply.python == ".".join(map(str, sys.version_info[:3]))


# --- models ---


@pytest.fixture
def store(tmp_path: Path, a_server: Server, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The user's store: empty, and the server has all three models of the set 'fast'."""
    return an_empty_store(tmp_path / "models", a_server, monkeypatch)


def do(action: str, name: str = "", path: Path | None = None, at: Run | None = None) -> ModelsReply:
    return TASKS["models"](ModelsRequest(action, name, path), at or quiet())


def states(reply: ModelsReply) -> dict[str, str]:
    return {row.name: row.status for row in reply.rows if row.name in FAST}


def test_the_list_names_every_model_and_set_with_all_that_a_person_asks(store: Store) -> None:
    reply = do("list")
    assert reply.folder == store.folder
    demo, fast = (next(item for item in reply.sets if item.name == name) for name in ("demo", "fast"))
    assert demo.installed
    assert not fast.installed
    assert fast.status == "missing"
    assert fast.missing_bytes == fast.bytes > 0
    for row in reply.rows:
        assert row.purpose
        assert row.licence
        assert row.bytes > 0
    assert reply.notice


def test_a_set_is_installed_with_its_bytes_told_then_verified_removed_and_cleared(store: Store) -> None:
    reports: list[tuple[str, int, int]] = []
    reply = do("install", "fast", at=Run(lambda *news: reports.append(news), lambda: False))
    assert set(states(reply).values()) == {"verified"}
    assert all(name in reply.message for name in FAST)
    assert ("download sam-vit-b", 300_000, 300_000) in reports
    assert "verify sam-vit-b" in {stage for stage, _, _ in reports}
    assert "Verified:" in do("verify", "fast").message
    assert do("remove", "sam-vit-b").message.startswith("Removed sam-vit-b: 300 kB")
    assert do("clear").message.startswith("Removed bert-vocabulary, groundingdino-swin-t")
    assert do("clear").message == "There was nothing to remove."
    assert set(states(do("list")).values()) == {"missing"}


def test_a_download_is_cancelled_and_what_came_is_kept(store: Store) -> None:
    recorded: list[int] = []

    def progress(stage: str, done: int, total: int) -> None:
        recorded.append(done)

    with pytest.raises(Cancelled):
        do("install", "sam-vit-b", at=Run(progress, lambda: bool(recorded) and recorded[-1] > 0))
    assert states(do("list"))["sam-vit-b"] == "missing"
    assert set(states(do("install", "fast")).values()) == {"verified"}


def test_a_damaged_model_is_told(store: Store) -> None:
    do("install", "fast")
    path = store.path(store.catalog.model("sam-vit-b"))
    path.write_bytes(b"x" + path.read_bytes()[1:])
    with pytest.raises(ModelError, match="'sam-vit-b' is damaged"):
        do("verify")


def test_a_file_brought_by_hand_is_imported(store: Store, tmp_path: Path) -> None:
    do("install", "bert-vocabulary")
    brought = tmp_path / "brought.txt"
    brought.write_bytes(store.path(store.catalog.model("bert-vocabulary")).read_bytes())
    do("clear")
    reply = do("import", path=brought)
    assert reply.message == "'brought.txt' was imported as bert-vocabulary."
    assert states(reply)["bert-vocabulary"] == "verified"


def test_where_models_are_is_told(store: Store) -> None:
    reply = do("where")
    assert str(store.folder) in reply.message
    assert folders.VARIABLE in reply.message


@pytest.mark.parametrize("package", ["platformdirs"])
def test_before_the_packages_are_installed_the_list_says_what_is_known(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(folders.VARIABLE, raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    reply = do("list")
    assert reply.folder is None
    assert "Install the package 'platformdirs' first" in reply.message
    assert {item.name: item.status for item in reply.sets}["demo"] == "installed"
    assert {item.name: item.status for item in reply.sets}["fast"] == "unknown"


@pytest.mark.parametrize(
    ("action", "words"), [("fly", "no action 'fly'"), ("install", "the model or set"), ("import", "the file to import")]
)
def test_a_request_for_models_that_makes_no_sense_is_refused(action: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        ModelsRequest(action)


# --- networks ---


def test_networks_are_loaded_once_and_let_go_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        networks_module,
        "grounded_sam",
        lambda files, **options: GroundedSam(object(), object(), DetectionSettings(region_score=0.25)),  # type: ignore[arg-type]
    )
    caches = WorkerCaches()

    def source(**options: object) -> GroundedSam:
        detected = query_module.query_by_models(["a"], "demo", networks=caches.networks, **options).source  # type: ignore[arg-type]
        assert isinstance(detected, GroundedSam)
        return detected

    first = source(settings=DetectionSettings(spacing_mm=1.0))
    second = source(settings=DetectionSettings(spacing_mm=2.0))
    assert second.detector is first.detector
    assert second.settings == DetectionSettings(spacing_mm=2.0, region_score=0.25)
    assert caches.networks.loads == 1
    assert source(box_threshold=0.3).detector is not first.detector
    assert source(device="cpu").detector is not first.detector
    assert caches.networks.loads == 3
    caches.release()
    assert source(device="cpu")
    assert caches.networks.loads == 4


# --- what a host needs ---

LOOK = """
import sys
for name in ("torch", "typer", "rich", "jinja2", "platformdirs", "filelock", "pydantic"):
    sys.modules[name] = None
import Tell2RegLib.slicer_module.run.worker_client
import Tell2RegLib.worker.serve
heavy = {"torch", "transformers", "matplotlib", "slicer", "qt", "vtk"} & {n for n in sys.modules if sys.modules[n]}
print(*sorted(heavy))
"""
READY_BEFORE = """
import sys
import Tell2RegLib.worker.serve
print("numpy" in sys.modules)
"""


def said_by(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_host_without_the_packages_can_ask() -> None:
    assert said_by(LOOK) == ""


def test_the_worker_is_ready_before_anything_is_loaded() -> None:
    assert said_by(READY_BEFORE) == "False"


def test_devices_and_models_are_known_in_a_process_of_their_own(make_client: MakeClient) -> None:
    from Tell2RegLib.worker.requests import DevicesRequest

    client = make_client()
    devices = run(client, DevicesRequest()).reply
    assert isinstance(devices, DevicesReply)
    assert devices.devices[0].name == "cpu"
    assert "demo" in {item.name for item in run(client, ModelsRequest("list")).reply.sets}
