"""What an annotation of a parameter can ask of its values: ranges, choices, a default, digits shown."""

from __future__ import annotations

import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


class Rule:
    """What a value must be."""

    def validate(self, value: Any) -> None:
        """Raises ValueError for a value that does not fit."""
        if not self.holds(value):
            raise ValueError(f"Value {value!r} does not fit {self}")

    def holds(self, value: Any) -> bool:
        raise NotImplementedError


@dataclass(eq=False)
class WithinRange(Rule):
    minimum: float
    maximum: float

    def holds(self, value: Any) -> bool:
        return bool(self.minimum <= value <= self.maximum)


@dataclass(eq=False)
class Minimum(Rule):
    minimum: float

    def holds(self, value: Any) -> bool:
        return bool(value >= self.minimum)


@dataclass(frozen=True)
class Maximum(Rule):
    maximum: float

    def holds(self, value: Any) -> bool:
        return bool(value <= self.maximum)


@dataclass(frozen=True)
class Choice(Rule):
    choices: Sequence[Any]

    def holds(self, value: Any) -> bool:
        return value in self.choices


@dataclass(frozen=True)
class Exclude(Rule):
    excludedValues: Sequence[Any]

    def holds(self, value: Any) -> bool:
        return value not in self.excludedValues


@dataclass(frozen=True)
class Decimals:
    """Digits that a widget shows."""

    value: int


@dataclass(frozen=True)
class SingleStep:
    """By how much a widget steps."""

    value: float


class Default:
    """The value before anybody chose one; `generator` is called each time."""

    def __init__(self, value: Any = None, *, generator: Callable[[], Any] | None = None) -> None:
        self._value, self._generator = value, generator

    @property
    def value(self) -> Any:
        return self._generator() if self._generator else self._value


def without_annotations(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """A type and what Annotated[...] added to it."""
    if typing.get_origin(kind) is typing.Annotated:
        plain, *annotations = typing.get_args(kind)
        return plain, tuple(annotations)
    return kind, ()


def first_of(annotations: Sequence[Any], kind: type) -> Any:
    return next((item for item in annotations if isinstance(item, kind)), None)
