"""The content of a file, determined by reading it: for files whose hash says nothing."""

from __future__ import annotations

from pathlib import Path

from Tell2RegLib.errors import ModelError
from Tell2RegLib.models.catalogue.entries import Model

LARGEST_VOCABULARY = 10_000_000


def check_content(model: Model, path: Path) -> None:
    """Check that a file contains the architecture, or the vocabulary, of a model.

    Raises:
        ModelError: it holds something else, or cannot be read safely.
    """
    content, expected = identify_content(path), (model.role, model.architecture)
    if content != expected:
        raise ModelError(
            f"'{path}' holds {describe_content(content)}, but '{model.name}' is {describe_content(expected)}."
        )


def identify_content(path: Path) -> tuple[str, str | None] | None:
    """Role and architecture of a file; None for the tensors of an unknown network.

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


def describe_content(content: tuple[str, str | None] | None) -> str:
    """A kind of content as text.

    >>> describe_content(("segmenter", "vit-b")), describe_content(("vocabulary", None)), describe_content(None)
    ('a segmenter (vit-b)', 'a vocabulary', 'a network that Tell2Reg does not know')
    """
    if content is None:
        return "a network that Tell2Reg does not know"
    role, architecture = content
    return f"a {role} ({architecture})" if architecture else f"a {role}"
