"""The folder of models: where it is, what is in it, what is remembered, what is taken in by hand."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from Tell2RegLib.errors import Cancelled, ModelError
from Tell2RegLib.models.architectures import SEGMENTERS
from Tell2RegLib.models.catalogue import installed as stores
from Tell2RegLib.models.catalogue.entries import Model, load_catalog
from Tell2RegLib.models.catalogue.import_files import import_file
from Tell2RegLib.models.catalogue.installed import Store
from Tell2RegLib.models.catalogue.model_sets import model_files
from Testing.Python.model_server import DATA, OTHER, a_catalog


def known(name: str, data: bytes = DATA, **changes: object) -> Model:
    """A model of the catalogue whose file is these bytes."""
    hashes = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), "md5": None}
    return replace(load_catalog().model(name), **{**hashes, **changes})


@pytest.fixture
def a_store(tmp_path: Path) -> Store:
    """An empty folder that does not exist yet; SAM ViT-B is DATA there, the vocabulary OTHER."""
    return Store(tmp_path / "models", a_catalog(known("sam-vit-b"), known("bert-vocabulary", OTHER)))


@pytest.fixture
def sam(a_store: Store) -> Model:
    return a_store.catalog.model("sam-vit-b")


def put(store: Store, model: Model, data: bytes = DATA) -> Path:
    path = store.path(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files that were hashed, in order."""
    detected: list[Path] = []
    real = stores.hash_file

    def spy(path: Path, *arguments: object):
        detected.append(path)
        return real(path, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(stores, "hash_file", spy)
    return detected


# --- what is there ---


def test_a_model_goes_from_missing_to_verified(a_store: Store, sam: Model) -> None:
    assert a_store.status(sam) == "missing"
    with pytest.raises(ModelError, match=r"not installed\. Run `tell2reg models install sam-vit-b`"):
        a_store.verify(sam)
    put(a_store, sam)
    assert a_store.status(sam) == "installed"
    assert a_store.verify(sam).sha256 == sam.sha256
    assert a_store.status(sam) == "verified"
    assert sorted(p.name for p in a_store.folder.iterdir()) == [sam.file, f"{sam.file}.json"]


def test_a_file_is_hashed_once_and_again_when_it_changes(a_store: Store, sam: Model, hashed: list[Path]) -> None:
    path = put(a_store, sam)
    for _ in range(3):
        a_store.verify(sam)
    assert hashed == [path]
    os.utime(path, ns=(1, 1))
    assert a_store.status(sam) == "installed"
    a_store.verify(sam)
    assert hashed == [path, path]
    a_store.verify(sam, force=True)
    assert len(hashed) == 3
    (a_store.folder / f"{sam.file}.json").write_text('{"bytes": 1}')
    a_store.verify(sam)
    assert len(hashed) == 4


@pytest.mark.parametrize(
    ("data", "reason"),
    [(OTHER, "SHA-256"), (DATA[:-1], "299,999 bytes and should have 300,000"), (b"", "0 bytes")],
    ids=["other bytes", "truncated", "empty"],
)
def test_a_damaged_file_is_told_and_remembered(
    data: bytes, reason: str, a_store: Store, sam: Model, hashed: list[Path]
) -> None:
    put(a_store, sam, data)
    for _ in range(2):
        with pytest.raises(ModelError, match=reason) as caught:
            a_store.verify(sam)
        assert "tell2reg models install sam-vit-b" in str(caught.value)
    assert len(hashed) == 1
    assert a_store.status(sam) == "damaged"


def test_a_verified_file_that_is_replaced_is_noticed(a_store: Store, sam: Model) -> None:
    path = put(a_store, sam)
    a_store.verify(sam)
    path.write_bytes(OTHER)
    assert a_store.status(sam) == "installed"
    with pytest.raises(ModelError, match="damaged"):
        a_store.verify(sam)


def test_a_new_catalogue_is_believed_more_than_an_old_record(a_store: Store, sam: Model) -> None:
    put(a_store, sam)
    a_store.verify(sam)
    later = Store(a_store.folder, a_catalog(known("sam-vit-b", OTHER)))
    assert later.status(later.catalog.model("sam-vit-b")) == "damaged"


def test_a_file_that_changes_while_it_is_read_is_told(a_store: Store, sam: Model) -> None:
    path = put(a_store, sam)
    with pytest.raises(ModelError, match="changes while it is read"):
        a_store.verify(sam, lambda *_: os.utime(path, ns=(1, 1)))


def test_hashing_tells_its_progress_and_can_be_cancelled(a_store: Store, sam: Model) -> None:
    put(a_store, sam)
    reports: list[tuple[str, int, int]] = []
    a_store.verify(sam, lambda *step: reports.append(step))
    assert reports[-1] == ("verify", len(DATA), len(DATA))

    def stop(*_: object) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        a_store.verify(sam, stop, force=True)


def test_a_folder_that_cannot_be_written_can_be_used(
    a_store: Store, sam: Model, hashed: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    put(a_store, sam)
    monkeypatch.setattr(stores, "write_json", refuse)
    for _ in range(2):
        assert a_store.verify(sam).sha256 == sam.sha256
    assert len(hashed) == 2


def test_md5_decides_where_no_sha256_is_known(a_store: Store) -> None:
    medsam = known("medsam", sha256=None, bytes=None, md5=hashlib.md5(DATA).hexdigest())
    put(a_store, medsam)
    assert len(a_store.verify(medsam).sha256) == 64
    assert a_store.status(medsam) == "verified"
    put(a_store, medsam, OTHER)
    with pytest.raises(ModelError, match="MD5"):
        a_store.verify(medsam)


def test_what_is_shipped_is_hashed_when_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "resource_path", lambda name: tmp_path / name)
    (tmp_path / "DemoWeights").mkdir()
    model = load_catalog().model("demo-vocabulary")
    store = Store(tmp_path / "models")
    assert store.status(model) == "missing"
    (tmp_path / model.file).write_bytes(DATA)
    assert store.verify(model).sha256 == hashlib.sha256(DATA).hexdigest()
    assert store.status(model) == "installed"
    assert store.status(known("demo-vocabulary")) == "verified"
    assert store.status(known("demo-vocabulary", OTHER)) == "damaged"
    assert [p.name for p in (tmp_path / "DemoWeights").iterdir()] == ["vocab.txt"]
    with pytest.raises(ModelError, match="cannot be removed"):
        store.remove(model)


def test_removing_leaves_nothing_of_a_model(a_store: Store, sam: Model) -> None:
    put(a_store, sam)
    a_store.verify(sam)
    (a_store.folder / f"{sam.file}.part").write_bytes(b"half")
    assert a_store.remove(sam) > len(DATA)
    assert [p.name for p in a_store.folder.iterdir() if not p.name.endswith(".lock")] == []
    with pytest.raises(ModelError, match="nothing to remove"):
        a_store.remove(sam)


def test_what_another_one_works_on_is_not_removed(a_store: Store, sam: Model) -> None:
    put(a_store, sam)
    with a_store.locked(sam), pytest.raises(ModelError, match="Another process works on"):
        a_store.remove(sam)
    assert a_store.path(sam).is_file()


# --- by hand ---


def vit_b(path: Path) -> bytes:
    """A file with the names and shapes by which SAM ViT-B is known, and little else."""
    config = SEGMENTERS["vit-b"].config
    tensors = {
        "image_encoder.pos_embed": torch.zeros(1, 1, 1, 1, dtype=torch.int8)
        .expand(1, 64, 64, config.embed_dim)
        .clone(),
        "prompt_encoder.not_a_point_embed.weight": torch.zeros(1, 256),
        "mask_decoder.mask_tokens.weight": torch.zeros(4, 256),
        **{f"image_encoder.blocks.{n}.norm1.weight": torch.zeros(1) for n in range(config.depth)},
    }
    torch.save(tensors, path)
    return path.read_bytes()


def test_a_file_is_recognised_by_its_hash_whatever_its_name(a_store: Store, sam: Model, tmp_path: Path) -> None:
    file = tmp_path / "Downloads (1).bin"
    file.write_bytes(DATA)
    reports: list[tuple[str, int, int]] = []
    detected = import_file(a_store, file, progress=lambda *step: reports.append(step))
    assert (detected.model, detected.path) == (sam, a_store.path(sam))
    assert detected.path.read_bytes() == file.read_bytes()
    assert a_store.status(sam) == "verified"
    assert {stage for stage, _, _ in reports} == {"verify", "copy"}
    assert import_file(a_store, file, name="sam-vit-b").path == detected.path
    assert import_file(a_store, detected.path).path == detected.path, "importing what is there already"
    with pytest.raises(ModelError, match=r"is the model 'sam-vit-b', not 'sam-vit-h'\."):
        import_file(a_store, file, name="sam-vit-h")


def left(store: Store) -> list[str]:
    return [p.name for p in store.folder.iterdir() if not p.name.endswith(".lock")] if store.folder.exists() else []


def test_unknown_weights_of_a_known_network_are_taken_only_on_demand(a_store: Store, tmp_path: Path) -> None:
    file = tmp_path / "mine.pth"
    vit_b(file)
    medsam = a_store.catalog.model("medsam")
    with pytest.raises(ModelError, match=r"a segmenter \(vit-b\) as 'sam-vit-b' or 'medsam' does.*--unverified"):
        import_file(a_store, file)
    with pytest.raises(ModelError, match="--as medsam --unverified"):
        import_file(a_store, file, name="medsam")
    with pytest.raises(ModelError, match="cannot be 'sam-vit-h'"):
        import_file(a_store, file, name="sam-vit-h", unverified=True)
    with pytest.raises(ModelError, match="is a part of Tell2Reg"):
        import_file(a_store, file, name="demo-segmenter", unverified=True)
    assert left(a_store) == []
    detected = import_file(a_store, file, name="medsam", unverified=True)
    assert detected.model == medsam
    assert a_store.status(medsam) == "unverified"
    assert a_store.verify(medsam, force=True).by_hand
    assert a_store.status(medsam) == "unverified"
    a_store.path(medsam).write_bytes(OTHER)
    with pytest.raises(ModelError, match="damaged"):
        a_store.verify(medsam)


def test_a_hash_that_is_only_md5_does_not_do_without_the_content(tmp_path: Path) -> None:
    file = tmp_path / "medsam.pth"
    data = vit_b(file)
    medsam = known("medsam", sha256=None, bytes=None, md5=hashlib.md5(data).hexdigest())
    store = Store(tmp_path / "models", a_catalog(medsam))
    assert import_file(store, file).model == medsam
    assert store.status(medsam) == "verified"
    without_sha256 = known("medsam", sha256=None, bytes=None, md5=hashlib.md5(DATA).hexdigest())
    file.write_bytes(DATA)
    with pytest.raises(ModelError, match="not a file of weights"):
        import_file(Store(tmp_path / "models", a_catalog(without_sha256)), file)


def unknown_words(path: Path) -> None:
    path.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nprostate\n")


def other_network(path: Path) -> None:
    torch.save({"layer.weight": torch.ones(3)}, path)


BAD = {
    "truncated": (lambda p: p.write_bytes(vit_b(p)[:-1000]), "damaged"),
    "a text": (lambda p: p.write_text("hello, world and all"), "not a file of weights"),
    "another network": (other_network, "a network that Tell2Reg does not know"),
    "unknown words": (unknown_words, "a vocabulary as 'bert-vocabulary' does"),
    "a folder": (lambda p: p.mkdir(), "There is no file"),
    "nothing": (lambda p: None, "There is no file"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_and_nothing_is_left(name: str, a_store: Store, tmp_path: Path) -> None:
    make, expected = BAD[name]
    make(tmp_path / "x")
    with pytest.raises(ModelError, match=expected) as caught:
        import_file(a_store, tmp_path / "x")
    assert "\n" not in str(caught.value)
    assert left(a_store) == []


def test_an_import_that_is_cancelled_leaves_nothing(a_store: Store, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(DATA)

    def stop(stage: str, done: int, total: int) -> None:
        if stage == "copy":
            raise Cancelled

    with pytest.raises(Cancelled):
        import_file(a_store, tmp_path / "x", progress=stop)
    assert left(a_store) == []


def test_what_a_killed_import_has_left_goes_with_the_next_one(a_store: Store, sam: Model, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(DATA)
    a_store.folder.mkdir()
    stale = a_store.folder / f".{sam.file}.abcd.import"
    stale.write_bytes(DATA[:9])
    import_file(a_store, tmp_path / "x")
    assert sorted(left(a_store)) == [sam.file, f"{sam.file}.json"]
    stale.write_bytes(DATA[:9])
    a_store.remove(sam)
    assert left(a_store) == []


def test_an_import_to_a_full_disk_is_told(a_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").write_bytes(DATA)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=len(DATA)))
    with pytest.raises(ModelError, match=r"needs 300 kB, but the disk of .* has 300 kB free"):
        import_file(a_store, tmp_path / "x")
    assert left(a_store) == []


# --- sets ---


@pytest.fixture
def a_full_store(tmp_path: Path) -> Store:
    """The set 'fast', installed."""
    models = {name: known(name, name.encode()) for name in ("groundingdino-swin-t", "bert-vocabulary", "sam-vit-b")}
    store = Store(tmp_path / "models", a_catalog(*models.values()))
    for name, model in models.items():
        put(store, model, name.encode())
    return store


def test_a_set_gives_its_files_and_their_hashes(a_full_store: Store, hashed: list[Path]) -> None:
    files = model_files("fast", store=a_full_store)
    assert (files.detector_architecture, files.segmenter_architecture) == ("swin-t", "vit-b")
    assert files.detector.read_bytes() == b"groundingdino-swin-t"
    assert files.vocabulary.read_bytes() == b"bert-vocabulary"
    assert files.segmenter.read_bytes() == b"sam-vit-b"
    assert files.sha256["sam-vit-b"] == hashlib.sha256(b"sam-vit-b").hexdigest()
    assert set(files.sha256) == {"groundingdino-swin-t", "bert-vocabulary", "sam-vit-b"}
    assert files.unverified == ()
    assert model_files("fast", store=a_full_store) == files
    assert len(hashed) == 3


def test_a_set_that_is_not_installed_says_what_to_do(a_store: Store) -> None:
    with pytest.raises(ModelError) as caught:
        model_files("paper", store=a_store)
    assert str(caught.value) == ("The models 'paper' are not installed: run `tell2reg models install paper` (3.5 GB).")
    with pytest.raises(ModelError, match=r"no set of models 'best'.*demo, fast, paper, medical"):
        model_files("best", store=a_store)


def test_a_set_with_a_damaged_model_is_not_used(a_full_store: Store) -> None:
    put(a_full_store, a_full_store.catalog.model("sam-vit-b"), b"sam-vit-B")
    with pytest.raises(ModelError, match=r"'sam-vit-b' is damaged.*install sam-vit-b"):
        model_files("fast", store=a_full_store)


def test_an_installation_without_its_demo_weights_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "resource_path", lambda name: tmp_path / name)
    with pytest.raises(ModelError, match="missing from this installation"):
        model_files("demo", store=Store(tmp_path / "models"))
