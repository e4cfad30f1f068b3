"""The user's prompts, cleaned and checked before anything is read or loaded."""

from __future__ import annotations

import re
from collections.abc import Sequence

from Tell2RegLib.errors import InputError
from Tell2RegLib.space.region import plain_name


def cleaned_prompts(prompts: Sequence[str]) -> tuple[str, ...]:
    """The prompts without surplus spaces and duplicates, in the user's order; case and final full stops are ignored.

    Raises:
        InputError: no prompt, an empty one, or a list in one prompt.
    """
    if isinstance(prompts, str):
        prompts = [prompts]
    stripped = [" ".join(prompt.split()) for prompt in prompts]
    if not stripped:
        raise InputError("There is no prompt. Give at least one, such as 'prostate'.")
    if not all(map(_comparison_key, stripped)):
        raise InputError("One of the prompts is empty. Give the name of a structure, such as 'prostate'.")
    for prompt in stripped:
        _check_single(prompt)
    first_spelling: dict[str, str] = {}
    for prompt in stripped:
        first_spelling.setdefault(_comparison_key(prompt), prompt)
    return tuple(first_spelling.values())


def _check_single(prompt: str) -> None:
    """A detector would take a list for the name of one structure, and a list of adjectives is no list of organs."""
    parts = [part.strip(" .") for part in re.split(r"[,;]|\.(?=\s)", prompt) if part.strip(" .")]
    if len(parts) > 1:
        each = " ".join(f"--prompt '{part}'" for part in parts)
        raise InputError(
            f"The prompt '{prompt}' looks like a list. Give one prompt per structure ({each}), or write one structure "
            "without commas, semicolons and full stops."
        )


def _comparison_key(prompt: str) -> str:
    return plain_name(prompt.rstrip(". "))
