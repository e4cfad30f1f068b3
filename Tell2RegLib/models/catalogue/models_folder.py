"""Where the files of models are kept: the user's cache folder, unless told otherwise.

The environment variable TELL2REG_MODELS comes first, then what `tell2reg models where --set` has written, then the
system's own place for caches.
"""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from Tell2RegLib.errors import InputError, ModelError, OutputError

VARIABLE = "TELL2REG_MODELS"


def models_folder() -> Path:
    """The folder of models, which need not exist yet.

    Raises:
        ModelError: the settings file is damaged.
    """
    return where()[0]


def where() -> tuple[Path, str]:
    """The folder of models, and who chose it.

    Raises:
        ModelError: the settings file is damaged.
    """
    if chosen := os.environ.get(VARIABLE, "").strip():
        return Path(chosen).expanduser().absolute(), f"the environment variable {VARIABLE}"
    if kept := _settings().get("models"):
        return Path(kept), f"'{settings_file()}'"
    import platformdirs

    return Path(platformdirs.user_cache_dir("tell2reg", appauthor=False)) / "models", "the system's place for caches"


def settings_file() -> Path:
    """The file that remembers the user's choice."""
    import platformdirs

    return Path(platformdirs.user_config_dir("tell2reg", appauthor=False)) / "settings.json"


def choose(folder: Path) -> None:
    """Keep models in another folder from now on; what is in the old one stays there.

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
        found = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(found, dict) or not isinstance(found.get("models", ""), str):
            raise ValueError("it is no table of texts")
        return found
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ModelError(f"The settings '{file}' cannot be read ({error}): mend or delete that file.") from error


def write_json(path: Path, value: Any) -> None:
    """Write a small file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(value, stream, indent=2)
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
