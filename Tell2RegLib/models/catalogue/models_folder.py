"""The model folder: by default the user's cache folder.

The environment variable TELL2REG_MODELS comes first, then what `tell2reg models where --set` has written, then the
system's own place for caches.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from Tell2RegLib.errors import InputError, ModelError, OutputError
from Tell2RegLib.support.complete_file import replaced_file

VARIABLE = "TELL2REG_MODELS"


def models_folder() -> Path:
    """The model folder, which need not exist.

    Raises:
        ModelError: the settings file is damaged.
    """
    return where()[0]


def where() -> tuple[Path, str]:
    """The model folder, and what determines it.

    Raises:
        ModelError: the settings file is damaged.
    """
    if from_environment := os.environ.get(VARIABLE, "").strip():
        return Path(from_environment).expanduser().absolute(), f"the environment variable {VARIABLE}"
    if from_settings := _settings().get("models"):
        return Path(from_settings), f"'{settings_file()}'"
    import platformdirs

    return Path(platformdirs.user_cache_dir("tell2reg", appauthor=False)) / "models", "the system's place for caches"


def settings_file() -> Path:
    """The file with the user's choice of the folder."""
    import platformdirs

    return Path(platformdirs.user_config_dir("tell2reg", appauthor=False)) / "settings.json"


def choose(folder: Path) -> None:
    """Choose another model folder; files in the old one stay there.

    Raises:
        InputError: there is a file of that name.
        OutputError: the folder or the settings cannot be written.
    """
    folder = folder.expanduser().absolute()
    if folder.exists() and not folder.is_dir():
        raise InputError(f"'{folder}' is a file, but models need a folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        write_json(settings_file(), {**_settings(), "models": str(folder)})
    except OSError as error:
        raise OutputError(f"'{error.filename or folder}' cannot be written: {error.strerror or error}.") from error


def _settings() -> dict[str, Any]:
    file = settings_file()
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(settings, dict) or not isinstance(settings.get("models", ""), str):
            raise ValueError("it is no table of texts")
        return settings
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ModelError(f"The settings '{file}' cannot be read ({error}): mend or delete that file.") from error


def write_json(path: Path, value: Any) -> None:
    """Write a small JSON file atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced_file(path) as new:
        new.write_text(json.dumps(value, indent=2), encoding="utf-8")
