"""Weights from strangers: read where they are data, refused in one sentence where they are anything else."""

from __future__ import annotations

import argparse
import json
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from Tell2RegLib.errors import ModelError
from Tell2RegLib.models.architectures import DETECTORS, SEGMENTERS
from Tell2RegLib.models.catalogue.file_contents import identify_content
from Tell2RegLib.models.catalogue.recognition import is_vocabulary, recognise
from Tell2RegLib.models.checkpoint import read_tensors

WEIGHTS = {"image_encoder.a": torch.arange(12.0).reshape(3, 4), "b": torch.ones(5, dtype=torch.float16)}


class Writes:
    """Creates a file when it is unpickled by a careless reader."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


# --- what is data ---


WRITERS: dict[str, Callable[[Path], None]] = {
    "safetensors": lambda path: save_file(WEIGHTS, path),
    "plain": lambda path: torch.save(WEIGHTS, path),
    "in a model": lambda path: torch.save({"model": WEIGHTS, "epoch": 7, "lr": [0.1]}, path),
    "in a model, beside other tensors": lambda path: torch.save(
        {"epoch": torch.tensor(3), "model": WEIGHTS, "optimizer": {"state": {0: torch.ones(2)}}}, path
    ),
    "in a state_dict": lambda path: torch.save({"state_dict": WEIGHTS}, path),
    "of parameters": lambda path: torch.save({k: torch.nn.Parameter(v) for k, v in WEIGHTS.items()}, path),
}


@pytest.mark.parametrize("name", WRITERS)
def test_weights_come_back_as_they_were(name: str, tmp_path: Path) -> None:
    path = tmp_path / "any.ending"
    WRITERS[name](path)
    detected = read_tensors(path)
    assert set(detected) == set(WEIGHTS)
    for key, tensor in WEIGHTS.items():
        assert torch.equal(detected[key], tensor)
        assert detected[key].dtype == tensor.dtype
        assert detected[key].device.type == "cpu"


def test_prefixes_stay_and_what_is_no_tensor_goes(tmp_path: Path) -> None:
    torch.save({"model": {"module.a": torch.ones(2), "note": "x"}}, tmp_path / "x.pth")
    assert list(read_tensors(tmp_path / "x.pth")) == ["module.a"]


# --- what is not ---


def evil(path: Path) -> None:
    torch.save({"model": {"a": torch.ones(2), "b": Writes(path.parent / "harm")}}, path)


def evil_without_torch(path: Path) -> None:
    import pickle

    path.write_bytes(pickle.dumps(Writes(path.parent / "harm")))


def evil_in_an_archive(path: Path) -> None:
    import pickle

    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", pickle.dumps({"a": Writes(path.parent / "harm")}, protocol=2))
        archive.writestr("x/version", "3\n")


def truncated(writer: Callable[[Path], None], keep: float) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        writer(path)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])

    return write


def overwritten(path: Path) -> None:
    torch.save(WEIGHTS, path)
    data = bytearray(path.read_bytes())
    at = data.index(b"image_encoder.a")
    data[at - 6 : at + 6] = os.urandom(12)
    path.write_bytes(data)


def header(**tensors: object) -> Callable[[Path], None]:
    """A safetensors file of nothing but a header."""

    def write(path: Path) -> None:
        text = json.dumps(tensors).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text)

    return write


def script(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("x/data.pkl", "x/constants.pkl", "x/code/__torch__.py"):
            archive.writestr(name, b"\x80\x02}.")


def packed(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", bytes(10_000_000))


def other_archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", "<x/>")


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "a program in a checkpoint": (evil, "could run a program"),
    "a program in a pickle": (evil_without_torch, "bare pickle"),
    "a program in a bare archive": (evil_in_an_archive, "could run a program|damaged"),
    "a foreign class": (lambda p: torch.save({"a": argparse.Namespace(b=1)}, p), "'argparse.Namespace'"),
    "a whole network": (lambda p: torch.save(torch.nn.Linear(2, 2), p), "could run a program"),
    "the old format": (
        lambda p: torch.save(WEIGHTS, p, _use_new_zipfile_serialization=False),
        "bare pickle",
    ),
    "TorchScript": (script, "TorchScript"),
    "a pack bomb": (packed, "compressed"),
    "another archive": (other_archive, "not a file of weights"),
    "half a checkpoint": (truncated(WRITERS["plain"], 0.5), "damaged"),
    "most of a checkpoint": (truncated(WRITERS["plain"], 0.99), "damaged"),
    "half a safetensors file": (truncated(WRITERS["safetensors"], 0.5), "damaged"),
    "most of a safetensors file": (truncated(WRITERS["safetensors"], 0.99), "damaged"),
    "an overwritten checkpoint": (overwritten, "damaged|could run|names"),
    "a header that promises too much": (
        header(a={"dtype": "F32", "shape": [10**9], "data_offsets": [0, 4 * 10**9]}),
        "damaged",
    ),
    "a tensor larger than its file": (lambda p: torch.save({"a": torch.ones(1).expand(10**9)}, p), "claims more"),
    "a sparse tensor": (lambda p: torch.save({"a": torch.eye(3).to_sparse()}, p), "plain array|damaged"),
    "a tensor of no place": (lambda p: torch.save({"a": torch.ones(3, device="meta")}, p), "plain array"),
    "complex numbers": (lambda p: torch.save({"a": torch.ones(3, dtype=torch.cfloat)}, p), "plain array"),
    "no tensors": (lambda p: torch.save({"a": 1}, p), "no tensors with names"),
    "a list": (lambda p: torch.save([torch.ones(2)], p), "no tensors with names"),
    "numbers for names": (lambda p: torch.save({1: torch.ones(2)}, p), "no tensors with names"),
    "a text": (lambda p: p.write_text("Dear colleague, the weights are attached."), "not a file of weights"),
    "a page": (lambda p: p.write_text("<html>Please sign in</html>"), "not a file of weights"),
    "a short file": (lambda p: p.write_bytes(b"ab"), "not a file of weights"),
    "an empty file": (lambda p: p.write_bytes(b""), "is empty"),
    "a folder": (lambda p: p.mkdir(), "cannot be read"),
    "nothing": (lambda p: None, "There is no file"),
}


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_data_is_refused_in_one_sentence(name: str, tmp_path: Path) -> None:
    write, expected = REFUSED[name]
    path = tmp_path / "weights.pth"
    write(path)
    (tmp_path / "harm").unlink(missing_ok=True)
    with pytest.raises(ModelError, match=expected) as caught:
        read_tensors(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 170 + len(str(path))
    assert not (tmp_path / "harm").exists(), "the file ran a program"


# --- which network it is ---


def shapes(**of: tuple[int, ...]) -> dict[str, SimpleNamespace]:
    return {name.replace("__", "."): SimpleNamespace(shape=shape) for name, shape in of.items()}


def test_other_networks_are_not_recognised() -> None:
    assert recognise({}) is None
    assert recognise(shapes(image_encoder__pos_embed=(1, 64, 64, 768))) is None
    assert recognise(shapes(backbone__0__patch_embed__proj__weight=(96, 3, 4, 4))) is None


@pytest.mark.slow
def test_the_real_networks_are_recognised_by_their_tensors(tmp_path: Path) -> None:
    """Every size of both packages, built without memory for its weights."""
    pytest.importorskip("segment_anything", reason="Needs the extra 'networks'.")
    pytest.importorskip("transformers", reason="Needs the extra 'networks'.")
    from Tell2RegLib.models.grounding_dino.network import build_detector, build_tokenizer
    from Tell2RegLib.models.sam.network import build_segmenter

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?", *(f"w{n}" for n in range(200))]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    tokenizer = build_tokenizer(tmp_path / "vocab.txt")
    with torch.device("meta"):
        for name, segmenter in SEGMENTERS.items():
            assert recognise(build_segmenter(segmenter.config).state_dict()) == ("segmenter", name)
        for name, detector in DETECTORS.items():
            state = build_detector(detector.config, tokenizer).state_dict()
            assert recognise(state) == ("detector", name)
            assert recognise({f"module.{key}": value for key, value in state.items()}) == ("detector", name)
            short = {key: value for key, value in state.items() if not re.search(r"bert\.encoder\.layer\.1\.", key)}
            assert recognise(short) is None


def test_a_vocabulary_is_told_from_other_texts(tmp_path: Path) -> None:
    words = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nprostate\n##s\n"
    assert is_vocabulary(words)
    assert not is_vocabulary(words + "prostate\n")
    assert not is_vocabulary("prostate\nbladder\n")
    (tmp_path / "words").write_text(words)
    assert identify_content(tmp_path / "words") == ("vocabulary", None)
    torch.save(WEIGHTS, tmp_path / "x.pth")
    assert identify_content(tmp_path / "x.pth") is None
