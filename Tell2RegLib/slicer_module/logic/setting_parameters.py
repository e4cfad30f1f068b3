"""The library's settings as parameters of the parameter node: type, range and default from their declarations.

A setting that the library declares for the panel (`support/settings.py`) is a parameter without a line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

from slicer.parameterNodeWrapper import Choice, Minimum, WithinRange

from Tell2RegLib.errors import InputError
from Tell2RegLib.evaluation.settings import TrustSettings
from Tell2RegLib.fitting.settings import FitSettings
from Tell2RegLib.pipeline.find_options import FindOptions
from Tell2RegLib.support.settings import Setting, panel_settings

IN_THE_PANEL = (FindOptions, FitSettings, TrustSettings)
"""Settings that both classes have (the device) are one parameter, as the first declares it."""


@dataclass(frozen=True)
class SettingParameter:
    """A setting as a parameter.

    Args:
        name: of the parameter, as Slicer writes names.
        declared: the setting.
        kind: bool, int, float or str.
        default: before a person chose.
        settings: the class that declares it.
    """

    name: str
    declared: Setting
    kind: type
    default: Any
    settings: type

    @property
    def offered(self) -> Setting:
        """The setting with the range that the panel offers."""
        return self.declared.narrowed()

    def problem(self, value: Any) -> str:
        """What is wrong with a value, in the words of the library; empty when it fits."""
        return self.declared.problem(value) or self.offered.problem(value)

    @property
    def annotation(self) -> Any:
        """The type for the parameter node, with the range or the words that are allowed."""
        if self.declared.choices:
            return Annotated[self.kind, Choice(list(self.declared.choices))]
        if self.kind not in (int, float) or self.offered.low is None:
            return self.kind
        return Annotated[self.kind, DeclaredMinimum(self) if self.offered.high is None else DeclaredRange(self)]


class DeclaredRange(WithinRange):
    """The range that a widget takes; a script that leaves it is told in the words of the library."""

    def __init__(self, parameter: SettingParameter) -> None:
        super().__init__(parameter.offered.low, parameter.offered.high)
        self.parameter = parameter

    def validate(self, value: Any) -> None:
        """Raises InputError, a ValueError, for a value out of the range."""
        raiseIfWrong(self.parameter, value)


class DeclaredMinimum(Minimum):
    """The same for a range without an upper end."""

    def __init__(self, parameter: SettingParameter) -> None:
        super().__init__(parameter.offered.low)
        self.parameter = parameter

    def validate(self, value: Any) -> None:
        """Raises InputError, a ValueError, for a value below the range."""
        raiseIfWrong(self.parameter, value)


def raiseIfWrong(parameter: SettingParameter, value: Any) -> None:
    """For scripts.

    Raises:
        InputError: the value is out of its range.
    """
    problem = parameter.problem(value)
    if problem:
        raise InputError(problem)


def parameterName(name: str) -> str:
    """A setting's name as Slicer writes names.

    >>> parameterName("spacing_mm")
    'spacingMm'
    """
    first, *later_words = name.split("_")
    return first + "".join(word.capitalize() for word in later_words)


def _parameter(settings: type, declared: Setting) -> SettingParameter:
    hint = get_type_hints(settings)[declared.name]
    kinds = [kind for kind in get_args(hint) or (hint,) if kind is not type(None)]
    kind = str if issubclass(kinds[0], Path) else kinds[0]
    default = declared.default
    return SettingParameter(
        parameterName(declared.name), declared, kind, kind() if default is None else default, settings
    )


def _parameters() -> dict[str, SettingParameter]:
    parameters: dict[str, SettingParameter] = {}
    for settings in IN_THE_PANEL:
        for declared in panel_settings(settings):
            parameters.setdefault(parameterName(declared.name), _parameter(settings, declared))
    return parameters


SETTING_PARAMETERS: Mapping[str, SettingParameter] = _parameters()
"""By the name of the parameter, in the order of the declarations."""
SETTING_DEFAULTS = {name: declaration.default for name, declaration in SETTING_PARAMETERS.items()}

SettingParameters: type = type(
    "SettingParameters",
    (),
    {
        "__doc__": "A base of the parameter node: one parameter per setting.",
        "__module__": __name__,
        "__annotations__": {name: declaration.annotation for name, declaration in SETTING_PARAMETERS.items()},
        **SETTING_DEFAULTS,
    },
)


def chosenSettings(parameters: Any, settings: type) -> Any:
    """The value of a settings class that a person chose in the panel; what the panel does not offer has its default.

    A parameter node has no None: 0, no and "" leave a setting that may be None to the library.

    Raises:
        InputError: a value out of its range.
    """
    chosen = {}
    for declared in panel_settings(settings):
        value = getattr(parameters, parameterName(declared.name))
        chosen[declared.name] = None if declared.default is None and not value else value
    return settings(**chosen)


def fitParameters(parameters: Any) -> dict[str, Any]:
    """What a fit depends on besides the pairs, by the names of the parameters; not where it runs."""
    chosen = _parametersOf(FitSettings, parameters)
    return {name: value for name, value in chosen.items() if name != "device"}


def trustParameters(parameters: Any) -> dict[str, Any]:
    """The bounds of the verdicts, by the names of the parameters."""
    return _parametersOf(TrustSettings, parameters)


def _parametersOf(settings: type, parameters: Any) -> dict[str, Any]:
    names = [parameterName(declared.name) for declared in panel_settings(settings)]
    return {name: getattr(parameters, name) for name in names}
