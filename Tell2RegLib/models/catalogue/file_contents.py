"""What a file is, told by looking into it: for files whose hash says nothing."""

from __future__ import annotations

from pathlib import Path

from Tell2RegLib.errors import ModelError
from Tell2RegLib.models.catalogue.entries import Model

LARGEST_VOCABULARY = 10_000_000


def check_content(model: Model, path: Path) -> None:
    """See that a file holds the kind of network, or the words, that a model is.

    Raises:
        ModelError: it holds something else, or cannot be read safely.
    """
    found, wanted = look_into(path), (model.role, model.architecture)
    if found != wanted:
        raise ModelError(f"'{path}' holds {told(found)}, but '{model.name}' is {told(wanted)}.")


def look_into(path: Path) -> tuple[str, str | None] | None:
    """Role and architecture of a file; None where it holds tensors of some other network.

    Raises:
        ModelError: it is neither a vocabulary nor a checkpoint that can be read safely.
    """
    from Tell2RegLib.models.catalogue.recognition import is_vocabulary, recognise
    from Tell2RegLib.models.checkpoint import read_tensors

    try:
        if path.stat().st_size <= LARGEST_VOCABULARY and is_vocabulary(path.read_text(encoding="utf-8")):
            return "vocabulary", None
    except (OSError, UnicodeDecodeError):
        pass
    return recognise(read_tensors(path))


def told(found: tuple[str, str | None] | None) -> str:
    """A kind of content in words.

    >>> told(("segmenter", "vit-b")), told(("vocabulary", None)), told(None)
    ('a segmenter (vit-b)', 'a vocabulary', 'a network that Tell2Reg does not know')
    """
    if found is None:
        return "a network that Tell2Reg does not know"
    role, architecture = found
    return f"a {role} ({architecture})" if architecture else f"a {role}"
