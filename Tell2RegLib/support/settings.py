"""Settings declared once: a field of a frozen dataclass with its default, range, unit and one line of help.

    @dataclass(frozen=True, kw_only=True)
    class BlurSettings:
        width_mm: float = setting(2.0, "Width of the blur.", unit="mm", above=0, usual=(0.5, 10), step=0.5)

        def __post_init__(self) -> None:
            check_settings(self)

The terminal's options, the parameter node, the panel's widgets and tooltips, the record and the tables of the documents
are made from `settings_of(BlurSettings)`; nothing else repeats a default or a range.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path, PurePath
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from Tell2RegLib.errors import InputError

_KEY = "Tell2Reg.setting"


@dataclass(frozen=True)
class Setting:
    """The declaration of one setting.

    Args:
        name: name of the field.
        default: default value; None where the value is then derived from something else.
        help: one line for display, a sentence or a phrase with a full stop.
        unit: such as "mm"; empty for text and for numbers without a unit.
        low, high: inclusive bounds; None for no bound.
        above, below: exclusive bounds.
        whole: whether a number must be whole.
        choices: the words that are allowed; empty for any, and for numbers.
        check: for other values that are no numbers: the words of what is allowed, or "" when the value is.
        expert: whether only Python code and the worker offer it: neither the terminal nor the panel.
        flag: the terminal's option; empty for the name without its unit.
        panel: whether Slicer's panel and parameter node offer it.
        label: what the panel calls it; empty for the name in words.
        usual: from where to where the panel's slider goes; the whole range when None.
        step: by how much the panel's widget steps; the digits that it shows follow.
        varies: whether the default follows from the input, so that the terminal shows and hands on none.
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
    choices: tuple[str, ...] = ()
    check: Callable[[Any], str] | None = None
    expert: bool = False
    flag: str = ""
    panel: bool = True
    label: str = ""
    usual: tuple[float, float] | None = None
    step: float | None = None
    varies: bool = False

    # --- what is allowed ---

    @property
    def allowed(self) -> str:
        """The range as text, such as "a number above 0 and at most 50 mm"."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        bounds = (
            ("of at least {:g}", self.low),
            ("above {:g}", self.above),
            ("at most {:g}", self.high),
            ("below {:g}", self.below),
        )
        bounds_text = " and ".join(text.format(bound) for text, bound in bounds if bound is not None)
        kind = "a whole number" if self.whole else "a number"
        return " ".join(text_part for text_part in (kind, bounds_text, self.unit) if text_part)

    def problem(self, value: Any) -> str:
        """What is wrong with a value, one sentence: which setting, the value, and what is allowed; "" when it fits."""
        wrong = self._wrong(value)
        return f"'{self.name}' {wrong}." if wrong else ""

    def _wrong(self, value: Any) -> str:
        if value is None:  # nobody said anything: the default holds, or what it follows from
            return ""
        if self.choices:
            return "" if value in self.choices else f"is '{value}', but must be {self.allowed}"
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
        """Whether the setting is declared without a range: text, yes or no, or several numbers."""
        return not self.whole and all(bound is None for bound in (self.low, self.high, self.above, self.below))

    # --- how it is offered ---

    @property
    def option(self) -> str:
        """The terminal's option.

        >>> Setting("spacing_mm", 1.0, "", unit="mm").option
        '--spacing'
        """
        return self.flag or "--" + self.name.removesuffix(f"_{self.unit}").replace("_", "-")

    @property
    def title(self) -> str:
        """What the panel calls it, with its unit.

        >>> Setting("spacing_mm", 1.0, "", unit="mm").title
        'Spacing, mm'
        """
        words = self.label or self.name.removesuffix(f"_{self.unit}").replace("_", " ").capitalize()
        return f"{words}, {self.unit}" if self.unit else words

    @property
    def description(self) -> str:
        """The help with the unit, for the terminal."""
        return self.help + (f" In {self.unit}." if self.unit else "")

    @property
    def tip(self) -> str:
        """The help with unit and default, for a tooltip."""
        if self.default is None or self.varies or isinstance(self.default, (bool, str)):
            return self.description
        return f"{self.description} Default: {self.default:g}."

    @property
    def decimals(self) -> int:
        """How many digits after the point a widget shows: those of the step.

        >>> Setting("a", 1.0, "", step=0.25).decimals, Setting("b", 1.0, "", step=2).decimals
        (2, 0)
        """
        text = f"{self.step if self.step is not None else 0.01:.6f}".rstrip("0")
        return 0 if self.whole else len(text.partition(".")[2])

    def narrowed(self) -> Setting:
        """The setting with the range that the panel offers: the usual one, else the whole one, its ends included."""
        low, high = self.usual or (self.low, self.high)
        end = 10.0**-self.decimals
        if low is None and self.above is not None:
            low = self.above + end
        if high is None and self.below is not None:
            high = self.below - end
        return replace(self, low=low, high=high, above=None, below=None)


def setting(default: Any, help: str, **properties: Any) -> Any:
    """A field of a settings class; the arguments are those of `Setting`."""
    return field(default=default, metadata={_KEY: {"help": help, **properties}})


def settings_of(settings: Any) -> tuple[Setting, ...]:
    """Every setting of a class or of one of its values, in the order of their declaration."""
    return tuple(
        Setting(
            name=declared_field.name,
            default=None if declared_field.default is MISSING else declared_field.default,
            **declared_field.metadata[_KEY],
        )
        for declared_field in fields(settings)
        if _KEY in declared_field.metadata
    )


def offered_settings(settings: Any) -> tuple[Setting, ...]:
    """Those that the terminal offers."""
    return tuple(declared for declared in settings_of(settings) if not declared.expert)


def panel_settings(settings: Any) -> tuple[Setting, ...]:
    """Those that Slicer's parameter node and panel offer."""
    return tuple(declared for declared in offered_settings(settings) if declared.panel)


def setting_of(settings: Any, name: str) -> Setting:
    """One setting by its name."""
    return next(declared for declared in settings_of(settings) if declared.name == name)


_YES_OR_NO = {**dict.fromkeys(("yes", "true", "1"), True), **dict.fromkeys(("no", "false", "0"), False)}


def value_from_text(settings: Any, name: str, text: str, shown_name: str = "") -> Any:
    """The value of a setting as text, as a person types it into a table: numbers, words, yes or no.

    Args:
        settings: the settings class.
        name: name of its field.
        text: the value; a path stays as it is.
        shown_name: what the sentence of an error calls the setting; its name when empty.

    Raises:
        InputError: the text is no such value, or the value is out of its range.
    """
    declared, kind = replace(setting_of(settings, name), name=shown_name or name), _type_of(settings, name)
    try:
        value = yes_or_no(text) if kind is bool else kind(text.strip())
    except ValueError:
        allowed = "yes or no" if kind is bool else declared.allowed
        raise InputError(f"'{declared.name}' is '{text}', but must be {allowed}.") from None
    problem = declared.problem(value)
    if problem:
        raise InputError(problem)
    return value


def yes_or_no(text: str) -> bool:
    """A choice as a person types it: yes or no, true or false, 1 or 0.

    Raises:
        ValueError: another word.
    """
    word = text.strip().lower()
    if word not in _YES_OR_NO:
        raise ValueError(f"'{text}' is neither yes nor no")
    return _YES_OR_NO[word]


def _type_of(settings: Any, name: str) -> type:
    """The type of a setting; of `float | None` it is float."""
    kind = get_type_hints(settings)[name]
    if get_origin(kind) in (Union, UnionType):
        kind = next(part for part in get_args(kind) if part is not type(None))
    return kind if kind in (bool, int, float, str, Path) else str


def check_settings(value: Any) -> None:
    """Check every setting of a value against its declaration.

    Raises:
        InputError: a setting is out of its range; names the first one.
    """
    for declared in settings_of(value):
        problem = declared.problem(getattr(value, declared.name))
        if problem:
            raise InputError(problem)


def recorded(value: Any) -> dict[str, Any]:
    """Every setting of a value by its name, for a record; of paths their names alone, and nothing for None."""
    values = {declared.name: getattr(value, declared.name) for declared in settings_of(value)}
    return {
        name: content.name if isinstance(content, PurePath) else content
        for name, content in values.items()
        if content is not None
    }
