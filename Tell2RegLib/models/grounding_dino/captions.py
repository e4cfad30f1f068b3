"""Converts prompts to GroundingDINO's captions, and its token probabilities back to prompts and phrases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from Tell2RegLib.errors import InputError


@dataclass(frozen=True)
class Caption:
    """One text for the network.

    Args:
        text: what it reads: lower case, each prompt ended by a full stop.
        prompts: the user's words, in the order of the text.
        token_ids: of the text, the special ones at both ends included.
        spans: for each prompt the indices of its tokens, from the first to one past its full stop.
    """

    text: str
    prompts: tuple[str, ...]
    token_ids: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]


def plan_captions(prompts: Sequence[str], tokenizer: Any, *, longest: int, joined: bool) -> tuple[Caption, ...]:
    """Captions that hold every prompt once.

    Args:
        prompts: the user's words; repeated ones count once.
        tokenizer: a fast tokenizer of BERT.
        longest: tokens that a caption may have.
        joined: as many prompts in a caption as fit; otherwise each has its own.

    Raises:
        InputError: a prompt is empty, too long, or has no word that the vocabulary knows.
    """
    captions: list[Caption] = []
    for prompt in dict.fromkeys(prompts):
        alone = _caption((prompt,), tokenizer)
        if len(alone.token_ids) > longest:
            raise InputError(
                f"The prompt '{prompt[:40]}...' has {len(alone.token_ids)} tokens, of which the model reads {longest}: "
                "say it in fewer words."
            )
        _check_known(alone, tokenizer)
        longer = _caption((*captions[-1].prompts, prompt), tokenizer) if joined and captions else alone
        if joined and captions and len(longer.token_ids) <= longest:
            captions[-1] = longer
        else:
            captions.append(alone)
    return tuple(captions)


def cleaned_prompt(prompt: str) -> str:
    """A prompt in the form used in a caption, without its full stop.

    >>> cleaned_prompt(" Left Hip. ")
    'left hip'
    """
    text = prompt.lower().strip().removesuffix(".")
    if not _has_word(text):
        raise InputError(f"The prompt '{prompt}' says nothing: give it a word.")
    return text


def phrase_of(probabilities: Sequence[float], caption: Caption, threshold: float, tokenizer: Any) -> str:
    """The tokens above a threshold as text, as the package's `get_phrases_from_posmap` joins them."""
    ids = [number for number, value in zip(caption.token_ids, probabilities, strict=True) if value > threshold]
    return str(tokenizer.decode(ids)).replace(".", "").strip()


def prompt_of(probabilities: Sequence[float], caption: Caption) -> str:
    """The prompt of the token with the largest probability."""
    best_probabilities = [max(probabilities[start:stop]) for start, stop in caption.spans]
    return caption.prompts[best_probabilities.index(max(best_probabilities))]


def _has_word(text: str) -> bool:
    return any(character.isalnum() for character in text)


def _check_known(caption: Caption, tokenizer: Any) -> None:
    """Refuse a prompt of which nothing but "unknown" would reach the network: it would find anything."""
    ((start, stop),) = caption.spans
    offsets = tokenizer(caption.text, return_offsets_mapping=True)["offset_mapping"]
    meaningful = [n for n in range(start, stop) if _has_word(caption.text[slice(*offsets[n])])]
    if all(caption.token_ids[n] == tokenizer.unk_token_id for n in meaningful):
        raise InputError(
            f"The prompt '{caption.prompts[0]}' cannot be read: the model's vocabulary has none of these words; use "
            "English words, such as 'prostate'."
        )


def _caption(prompts: tuple[str, ...], tokenizer: Any) -> Caption:
    pieces = [cleaned_prompt(prompt) for prompt in prompts]
    text = ". ".join(pieces) + "."
    encoded = tokenizer(text, return_offsets_mapping=True)
    ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
    spans, piece_start = [], 0
    for piece in pieces:
        piece_end = piece_start + len(piece) + 1
        inside = [
            index
            for index, (start, stop) in enumerate(offsets)
            if start >= piece_start and piece_start < stop <= piece_end
        ]
        spans.append((inside[0], inside[-1] + 1))
        piece_start = piece_end + 1
    return Caption(text, prompts, tuple(ids), tuple(spans))
