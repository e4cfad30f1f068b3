"""Which widgets can be bound to which parameters, and how: by the exact class of the widget, as in Slicer."""

from __future__ import annotations

import enum
import pathlib
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import slicer

from Testing.standin import ctk_widgets as ctk
from Testing.standin.mrml_widgets import qMRMLNodeComboBox
from Testing.standin.parameter_rules import (
    Choice,
    Decimals,
    Maximum,
    Minimum,
    SingleStep,
    WithinRange,
    first_of,
    without_annotations,
)
from Testing.standin.pythonqt import QtWidgets as qt


@dataclass
class Connector:
    """A widget seen as one value: how to read and write it, and the signal that tells of a change."""

    signal: Any
    read: Callable[[], Any]
    write: Callable[[Any], None]
    _slot: Callable[[], None] | None = None

    def connect(self, slot: Callable[[], None]) -> None:
        self._slot = slot
        if self.signal is not None:
            self.signal.connect(slot)

    def disconnect(self) -> None:
        if self.signal is not None and self._slot is not None:
            self.signal.disconnect(self._slot)


def connector_for(widget: Any, kind: Any) -> Connector:
    """How this widget stands for a parameter of this type.

    Raises:
        RuntimeError: Slicer cannot bind such a widget to such a parameter.
    """
    plain, annotations = without_annotations(kind)
    for fits, make in CONNECTORS:
        if fits(type(widget), plain):
            return make(widget, plain, annotations)
    raise RuntimeError(f"Unable to create GUI connector from datatype '{kind}' to widget type '{type(widget)}'.")


def _attribute(widget: Any, name: str, signal: Any, convert: Callable[[Any], Any] = lambda value: value) -> Connector:
    return Connector(
        signal, lambda: convert(getattr(widget, name)), lambda value: setattr(widget, name, convert(value))
    )


def _checked(widget: Any, _plain: Any, _annotations: Any) -> Connector:
    if type(widget) is qt.QPushButton:
        widget.checkable = True
        return _attribute(widget, "checked", widget.toggled)
    return _attribute(widget, "checked", widget.stateChanged)


def _range(widget: Any, annotations: Any, must: tuple[type, ...]) -> tuple[Any, Any]:
    both = first_of(annotations, WithinRange)
    least, most = first_of(annotations, Minimum), first_of(annotations, Maximum)
    low = both.minimum if both else least.minimum if least else None
    high = both.maximum if both else most.maximum if most else None
    if type(widget) in must and None in (low, high):
        raise RuntimeError(f"Cannot have a connection to {type(widget).__name__} where the type is unbounded.")
    return low, high


def _digits(widget: Any, annotations: Any) -> None:
    for rule, name in ((Decimals, "decimals"), (SingleStep, "singleStep")):
        detected = first_of(annotations, rule)
        if detected is not None:
            setattr(widget, name, detected.value)


def _whole(widget: Any, _plain: Any, annotations: Any) -> Connector:
    _digits(widget, annotations)
    low, high = _range(widget, annotations, (qt.QSlider,))
    widget.setRange(-(2**31) if low is None else low, 2**31 - 1 if high is None else high)
    return _attribute(widget, "value", widget.valueChanged)


def _real(widget: Any, plain: Any, annotations: Any) -> Connector:
    if plain is int:
        widget.decimals = 0
    _digits(widget, annotations)
    low, high = _range(widget, annotations, (ctk.ctkSliderWidget,))
    widget.minimum = float("-inf") if low is None else low
    widget.maximum = float("inf") if high is None else high
    return _attribute(widget, "value", widget.valueChanged, int if plain is int else lambda value: value)


def _chosen(widget: Any, values: list[Any], labels: list[str]) -> Connector:
    widget.clear()
    for label in labels:
        widget.addItem(label)

    def write(value: Any) -> None:
        if value not in values:
            raise ValueError(f"Unable to find value {value} in choices {values}")
        widget.currentIndex = values.index(value)

    return Connector(widget.currentIndexChanged, lambda: values[widget.currentIndex], write)


def _choice(widget: Any, _plain: Any, annotations: Any) -> Connector:
    choice = first_of(annotations, Choice)
    if choice is None:
        raise RuntimeError("A combo box for a text or number requires the Choice annotation to be used.")
    return _chosen(widget, list(choice.choices), [str(item) for item in choice.choices])


def _member(widget: Any, plain: Any, _annotations: Any) -> Connector:
    label = getattr(plain, "label", lambda member: member.name)
    return _chosen(widget, list(plain), [label(member) for member in plain])


def _line(widget: Any, _plain: Any, _annotations: Any) -> Connector:
    def write(value: str) -> None:
        if value != widget.text:
            widget.text = value

    return Connector(widget.textChanged, lambda: widget.text, write)


def _text(widget: Any, _plain: Any, _annotations: Any) -> Connector:
    return Connector(widget.textChanged, widget.toPlainText, widget.setPlainText)


def _label(widget: Any, _plain: Any, _annotations: Any) -> Connector:
    return _attribute(widget, "text", None)


def _path(widget: Any, plain: Any, _annotations: Any) -> Connector:
    name = "currentPath" if type(widget) is ctk.ctkPathLineEdit else "directory"
    signal = widget.currentPathChanged if name == "currentPath" else widget.directoryChanged
    return Connector(signal, lambda: plain(getattr(widget, name)), lambda value: setattr(widget, name, str(value)))


def node_kinds(plain: Any) -> list[type] | None:
    """The node classes of a parameter; None where it holds anything else."""
    union = typing.get_origin(plain) in (typing.Union, types.UnionType)
    kinds = [without_annotations(item)[0] for item in typing.get_args(plain)] if union else [plain]
    nodes = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode)]
    others = [kind for kind in kinds if kind not in nodes and kind is not type(None)]
    return nodes if nodes and not others else None


def _node(widget: Any, plain: Any, _annotations: Any) -> Connector:
    widget.nodeTypes = [kind().GetClassName() for kind in node_kinds(plain) or ()]  # type: ignore[attr-defined]
    return Connector(widget.currentNodeChanged, widget.currentNode, widget.setCurrentNode)


def _is_path(plain: Any) -> bool:
    return isinstance(plain, type) and issubclass(plain, pathlib.PurePath)


CONNECTORS: list[tuple[Callable[[type, Any], bool], Callable[[Any, Any, Any], Connector]]] = [
    (lambda w, p: p is bool and w in (qt.QCheckBox, ctk.ctkCheckBox, qt.QPushButton), _checked),
    (lambda w, p: p is int and w in (qt.QSlider, qt.QSpinBox), _whole),
    (lambda w, p: p in (int, float) and w in (qt.QDoubleSpinBox, ctk.ctkSliderWidget, ctk.ctkDoubleSpinBox), _real),
    (lambda w, p: p in (int, float, str, bool) and w in (qt.QComboBox, ctk.ctkComboBox), _choice),
    (lambda w, p: isinstance(p, type) and issubclass(p, enum.Enum) and w in (qt.QComboBox, ctk.ctkComboBox), _member),
    (lambda w, p: p is str and w is qt.QLineEdit, _line),
    (lambda w, p: p is str and w is qt.QTextEdit, _text),
    (lambda w, p: p is str and w is qt.QLabel, _label),
    (lambda w, p: _is_path(p) and w in (ctk.ctkPathLineEdit, ctk.ctkDirectoryButton), _path),
    (lambda w, p: w is qMRMLNodeComboBox and node_kinds(p) is not None, _node),
]
