"""Settings declared once: a field of a frozen dataclass with its default, range, unit and one line of help.

    @dataclass(frozen=True, kw_only=True)
    class BlurSettings:
        width_mm: float = setting(2.0, "Width of the blur.", unit="mm", above=0)

        def __post_init__(self) -> None:
            check_settings(self)

The terminal's options, the parameter node, the panel's tooltips and the tables of the documents are made from
`settings_of(BlurSettings)`; nothing else repeats a default or a range.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from Tell2RegLib.errors import InputError

_KEY = "Tell2Reg.setting"


@dataclass(frozen=True)
class Setting:
    """One setting, as it was declared.

    Args:
        name: of the field.
        default: what it is when nobody says otherwise; None where the value then follows from something else.
        help: one line for a person, a full sentence or a phrase with a full stop.
        unit: "mm" for example; empty for numbers without one and for words.
        low, high: the least and the largest value, both allowed; None where there is no bound.
        above, below: bounds that are not allowed themselves.
        whole: whether a number must be whole.
        check: for values that are no numbers: the words of what is allowed, or "" when the value is.
    """

    name: str
    default: Any
    help: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None
    whole: bool = False
    check: Callable[[Any], str] | None = None

    @property
    def allowed(self) -> str:
        """The range in words, as in "a number above 0 and at most 50 mm"."""
        bounds = (
            ("of at least {:g}", self.low),
            ("above {:g}", self.above),
            ("at most {:g}", self.high),
            ("below {:g}", self.below),
        )
        words = " and ".join(text.format(bound) for text, bound in bounds if bound is not None)
        kind = "a whole number" if self.whole else "a number"
        return " ".join(part for part in (kind, words, self.unit) if part)

    def problem(self, value: Any) -> str:
        """What is wrong with a value, as the end of a sentence; empty when nothing is."""
        if value is None:  # nobody said anything: the default holds, or what it follows from
            return ""
        if self.check is not None:
            allowed = self.check(value)
            return f"is '{value}', but must be {allowed}" if allowed else ""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return "" if self.is_no_number else f"is {value!r}, but must be {self.allowed}"
        fits = (
            math.isfinite(value)
            and (self.low is None or value >= self.low)
            and (self.above is None or value > self.above)
            and (self.high is None or value <= self.high)
            and (self.below is None or value < self.below)
            and (not self.whole or value == int(value))
        )
        return "" if fits else f"is {value:g}, but must be {self.allowed}"

    @property
    def is_no_number(self) -> bool:
        """Whether the setting is declared without a range: words, yes or no, or several numbers."""
        return not self.whole and all(bound is None for bound in (self.low, self.high, self.above, self.below))


def setting(default: Any, help: str, **more: Any) -> Any:
    """A field of a settings class; the arguments are those of `Setting`."""
    return field(default=default, metadata={_KEY: {"help": help, **more}})


def settings_of(settings: Any) -> tuple[Setting, ...]:
    """Every setting of a class or of one of its values, in the order of their declaration."""
    return tuple(
        Setting(name=one.name, default=None if one.default is MISSING else one.default, **one.metadata[_KEY])
        for one in fields(settings)
        if _KEY in one.metadata
    )


def setting_of(settings: Any, name: str) -> Setting:
    """One setting by its name."""
    return next(one for one in settings_of(settings) if one.name == name)


def check_settings(value: Any) -> None:
    """Check every setting of a value against its declaration.

    Raises:
        InputError: the first that is out of its range.
    """
    for one in settings_of(value):
        problem = one.problem(getattr(value, one.name))
        if problem:
            raise InputError(f"'{one.name}' {problem}.")


def one_of(*words: str) -> Callable[[Any], str]:
    """A check for a setting that is one of some words."""
    return lambda value: "" if value in words else f"one of {', '.join(words)}"
