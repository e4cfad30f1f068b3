"""Where the folder of models is: the variable, the user's choice, the cache."""

from __future__ import annotations

import json
from pathlib import Path

import platformdirs
import pytest

from Tell2RegLib.errors import InputError, ModelError, OutputError
from Tell2RegLib.models.catalogue import models_folder as folders
from Tell2RegLib.models.catalogue.installed import Store


@pytest.fixture
def a_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without settings."""
    monkeypatch.delenv(folders.VARIABLE, raising=False)
    for kind in ("config", "cache"):
        monkeypatch.setattr(platformdirs, f"user_{kind}_dir", lambda *_, kind=kind, **__: str(tmp_path / "user" / kind))
    return tmp_path / "user"


def test_the_variable_comes_first_then_the_users_choice_then_the_cache(
    a_user: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert folders.where()[0] == a_user / "cache" / "models"
    assert not a_user.exists(), "looking changes nothing"
    folders.choose(tmp_path / "mine")
    assert (tmp_path / "mine").is_dir()
    assert folders.where()[0] == tmp_path / "mine"
    assert str(folders.settings_file()) in folders.where()[1]
    monkeypatch.setenv(folders.VARIABLE, str(tmp_path / "other"))
    assert folders.models_folder() == tmp_path / "other"
    assert folders.VARIABLE in folders.where()[1]
    assert Store().folder == tmp_path / "other"
    monkeypatch.setenv(folders.VARIABLE, "  ")
    assert folders.models_folder() == tmp_path / "mine"


def test_other_settings_stay(a_user: Path, tmp_path: Path) -> None:
    folders.write_json(folders.settings_file(), {"colour": "red"})
    folders.choose(tmp_path / "mine")
    assert json.loads(folders.settings_file().read_text())["colour"] == "red"


@pytest.mark.parametrize("text", ["{", "[]", '{"models": 3}'])
def test_damaged_settings_are_told(text: str, a_user: Path) -> None:
    folders.settings_file().parent.mkdir(parents=True)
    folders.settings_file().write_text(text)
    with pytest.raises(ModelError, match=r"settings\.json"):
        folders.where()


def test_a_folder_that_cannot_be_is_told(a_user: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file"):
        folders.choose(tmp_path / "file")
    with pytest.raises(OutputError, match="cannot be written"):
        folders.choose(tmp_path / "file" / "deep")
    assert not folders.settings_file().exists()
