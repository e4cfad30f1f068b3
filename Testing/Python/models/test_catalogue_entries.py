"""The catalogue of models: complete, valid, and told where it is wrong."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from Tell2RegLib.errors import ModelError
from Tell2RegLib.models.architectures import DETECTORS, SEGMENTERS
from Tell2RegLib.models.catalogue.entries import is_allowed, load_catalog, parse_catalog
from Tell2RegLib.models.catalogue.installed import readable
from Tell2RegLib.support.resources import resource_path

CONTENT = json.loads(resource_path("Models.json").read_text(encoding="utf-8"))


def test_the_catalogue_is_valid() -> None:
    assert len(parse_catalog(CONTENT).models) == len(CONTENT["models"])


@pytest.mark.parametrize("key", sorted(CONTENT["models"][0]))
def test_a_missing_value_is_noticed(key: str) -> None:
    content = copy.deepcopy(CONTENT)
    del content["models"][0][key]
    with pytest.raises(ValueError, match=key if key != "name" else "lacks"):
        parse_catalog(content)


def test_every_model_and_set_that_is_promised_is_there() -> None:
    catalog = load_catalog()
    assert [item.name for item in catalog.sets] == ["demo", "fast", "paper", "medical"]
    assert [m.architecture for m in catalog.members("fast")] == ["swin-t", None, "vit-b"]
    assert [m.architecture for m in catalog.members("paper")] == ["swin-b", None, "vit-h"]
    assert catalog.set("medical").segmenter == "medsam"
    assert catalog.model("sam-vit-l").architecture == "vit-l"
    assert all(model.kind == "shipped" for model in catalog.members("demo"))
    assert catalog.members("sam-vit-h") == (catalog.model("sam-vit-h"),)
    assert "research use only" in catalog.notice


def test_every_network_of_the_catalogue_has_code() -> None:
    code = {"detector": DETECTORS, "segmenter": SEGMENTERS}
    for model in load_catalog().models:
        assert model.role == "vocabulary" or model.architecture in code[model.role], model.name


def test_what_is_unknown_is_said() -> None:
    for model in load_catalog().models:
        assert model.sha256 or model.kind == "shipped" or "No SHA-256" in model.hash_origin


def test_the_publishers_file_names_agree_with_the_md5() -> None:
    named = [m for m in load_catalog().models if m.name.startswith("sam-")]
    assert len(named) == 3
    for model in named:
        assert model.file.rsplit("_", 1)[1] == f"{(model.md5 or '')[:6]}.pth"


@pytest.mark.parametrize("name", ["sam", "", "Paper", "../demo"])
def test_an_unknown_name_is_told_with_those_there_are(name: str) -> None:
    catalog = load_catalog()
    for ask in (catalog.model, catalog.set, catalog.members):
        with pytest.raises(ModelError, match="paper" if ask != catalog.model else "sam-vit-b"):
            ask(name)


def changed(path: str, value: Any) -> dict[str, Any]:
    content = copy.deepcopy(CONTENT)
    *way, last = path.split("/")
    position = content
    for step in way:
        position = position[int(step)] if isinstance(position, list) else position[step]
    position[last] = value
    return content


DOWNLOADED = next(n for n, model in enumerate(CONTENT["models"]) if model["name"] == "sam-vit-b")
WRONG = {
    "version": ("schema_version", 2, "schema_version"),
    "models no list": ("models", {}, "models is not a list"),
    "a model that is no object": ("models", ["sam"], "not an object"),
    "unknown key": (f"models/{DOWNLOADED}/colour", "red", "colour"),
    "no https": (f"models/{DOWNLOADED}/urls", ["http://example.org/x"], "no https address"),
    "a file address": (f"models/{DOWNLOADED}/urls", ["file:///etc/passwd"], "no https address"),
    "no address": (f"models/{DOWNLOADED}/urls", [], "urls"),
    "short hash": (f"models/{DOWNLOADED}/sha256", "abc", "64 hexadecimal"),
    "capital hash": (f"models/{DOWNLOADED}/sha256", "A" * 64, "64 hexadecimal"),
    "a way out": (f"models/{DOWNLOADED}/file", "../x.pth", "file"),
    "an absolute file": (f"models/{DOWNLOADED}/file", "/x.pth", "file"),
    "a folder": (f"models/{DOWNLOADED}/file", "a/x.pth", "names a folder"),
    "negative bytes": (f"models/{DOWNLOADED}/bytes", -1, "bytes"),
    "bytes as text": (f"models/{DOWNLOADED}/bytes", "12", "bytes"),
    "true bytes": (f"models/{DOWNLOADED}/about_bytes", True, "about_bytes"),
    "role": (f"models/{DOWNLOADED}/role", "reader", "role"),
    "unknown architecture": (f"models/{DOWNLOADED}/architecture", "vit-x", "not one of vit-b, vit-l, vit-h"),
    "no architecture": (f"models/{DOWNLOADED}/architecture", None, "architecture"),
    "empty licence": (f"models/{DOWNLOADED}/licence", " ", "licence"),
    "name": (f"models/{DOWNLOADED}/name", "SAM B", "no name"),
    "the same name twice": ("sets/1/name", "paper", "'paper' occurs twice"),
    "a set of the wrong roles": ("sets/1/detector", "sam-vit-b", "no detector"),
    "a set of nothing": ("sets/1/segmenter", "sam-vit-x", "no segmenter"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_catalogue_is_told_in_one_sentence(name: str, tmp_path: Path) -> None:
    path, value, expected = WRONG[name]
    file = tmp_path / "Models.json"
    file.write_text(json.dumps(changed(path, value)))
    with pytest.raises(ModelError, match=expected) as caught:
        load_catalog(file)
    assert str(file) in str(caught.value)


def test_what_is_downloaded_needs_a_hash() -> None:
    content = changed(f"models/{DOWNLOADED}/sha256", None)
    content["models"][DOWNLOADED]["md5"] = None
    with pytest.raises(ValueError, match="needs a hash"):
        parse_catalog(content)


def test_a_file_that_is_no_json_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{")
    for name in ("x.json", "absent.json"):
        with pytest.raises(ModelError, match="cannot be read"):
            load_catalog(tmp_path / name)


ADDRESSES: dict[str, bool] = {
    "https://example.org/x": True,
    "http://127.0.0.1:80/x": True,
    "http://localhost/x": True,
    "http://[::1]:80/x": True,
    "http://example.org/x": False,
    "http://localhost.example.org/x": False,
    "http://127.0.0.1@example.org/x": False,
    "ftp://example.org/x": False,
    "file:///x": False,
    "https:///x": False,
    "//example.org/x": False,
    "http://[::1/x": False,
    "": False,
}


@pytest.mark.parametrize("url", ADDRESSES)
def test_only_https_and_this_machine_may_be_asked(url: str) -> None:
    assert is_allowed(url) == ADDRESSES[url]


def test_the_page_shows_what_the_catalogue_says() -> None:
    page = (Path(__file__).parents[3] / "docs" / "models.md").read_text(encoding="utf-8")
    for model in (m for m in load_catalog().models if m.kind == "download"):
        row = next(line for line in page.splitlines() if line.startswith(f"| `{model.name}`"))
        assert readable(model.about_bytes) in row
        assert f"{model.memory_gb:g} GB" in row
        assert model.licence in row
        assert f"`{(model.sha256 or model.md5 or '')[:8]}...`" in row
