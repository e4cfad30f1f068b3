"""The module `slicer.parameterNodeWrapper`: typed attributes in a vtkMRMLScriptedModuleNode, bound to widgets.

Values lie in the node as Slicer writes them, so that a scene saved here reopens there: numbers and texts as text, bool
as "True" or "False", an enum by the name of its member, a node as an empty parameter and a node reference of that name.
"""

from __future__ import annotations

import enum
import logging
import pathlib
import types
import typing
from dataclasses import dataclass
from typing import Any

import slicer
import vtk

from Testing.standin.parameter_rules import Default, Rule, without_annotations
from Testing.standin.parameter_widgets import connector_for

RESERVED = (
    *("allParameters", "default", "isCached", "dataType", "getValue", "setValue", "connectGui", "disconnectGui"),
    *("connectParametersToGui", "StartModify", "EndModify", "AddObserver", "RemoveObserver", "Modified"),
)
PROPERTY = "SlicerParameterName"


# --- how a value lies in the node ---


@dataclass(frozen=True)
class Text:
    """A number, a text or a path."""

    kind: type

    def default(self) -> Any:
        return 0 if self.kind in (int, float) else self.kind()

    def has(self, node: Any, name: str) -> bool:
        return bool(node.HasParameter(name))

    def check(self, value: Any) -> None:
        allowed = (int, float) if self.kind is float else self.kind
        if value is None:
            raise ValueError("Value must not be None")
        if not isinstance(value, allowed):
            raise TypeError(f"Value must be of type '{allowed}', is type '{type(value)}' value '{value}'")

    def write(self, node: Any, name: str, value: Any) -> None:
        node.SetParameter(name, str(value))

    def read(self, node: Any, name: str) -> Any:
        return self.kind(node.GetParameter(name))

    def remove(self, node: Any, name: str) -> None:
        node.UnsetParameter(name)


class Bool(Text):
    """True or False."""

    def __init__(self) -> None:
        super().__init__(bool)

    def write(self, node: Any, name: str, value: Any) -> None:
        node.SetParameter(name, "True" if value else "False")

    def read(self, node: Any, name: str) -> bool:
        return bool(node.GetParameter(name) == "True")


class Member(Text):
    """A member of an enum."""

    def default(self) -> Any:
        return next(iter(self.kind))  # type: ignore[call-overload]

    def write(self, node: Any, name: str, value: Any) -> None:
        node.SetParameter(name, value.name)

    def read(self, node: Any, name: str) -> Any:
        text = node.GetParameter(name)
        if text not in self.kind.__members__:  # type: ignore[attr-defined]
            raise ValueError(f"Found {text!r} in parameter node but it is not a name in {self.kind!r}")
        return self.kind[text]  # type: ignore[index]


class Node(Text):
    """A node of the scene, or None."""

    def default(self) -> Any:
        return None

    def check(self, value: Any) -> None:
        if value is not None:
            super().check(value)

    def write(self, node: Any, name: str, value: Any) -> None:
        node.SetParameter(name, "")
        node.SetNodeReferenceID(name, value.GetID() if value is not None else None)

    def read(self, node: Any, name: str) -> Any:
        return node.GetNodeReference(name)

    def remove(self, node: Any, name: str) -> None:
        node.UnsetParameter(name)
        node.RemoveNodeReferenceIDs(name)


class Nothing(Text):
    """None, in a union."""

    def __init__(self) -> None:
        super().__init__(type(None))

    def default(self) -> Any:
        return None

    def check(self, value: Any) -> None:
        if value is not None:
            raise ValueError("Value must be None")

    def read(self, node: Any, name: str) -> Any:
        return None


@dataclass(frozen=True)
class OneOf:
    """A union: each kind has a parameter of its own, name.0, name.1 ..., of which one is there."""

    kinds: tuple[Any, ...]

    def default(self) -> Any:
        return None if len(self.kinds) == 2 and isinstance(self.kinds[1], Nothing) else self.kinds[0].default()

    def _stored_kinds(self, node: Any, name: str) -> list[int]:
        return [index for index, kind in enumerate(self.kinds) if kind.has(node, f"{name}.{index}")]

    def has(self, node: Any, name: str) -> bool:
        return bool(self._stored_kinds(node, name))

    def _for(self, value: Any) -> int:
        for index, kind in enumerate(self.kinds):
            if isinstance(value, kind.kind):
                return index
        raise TypeError(f"Unable to write value '{value}' of type '{type(value)}'")

    def check(self, value: Any) -> None:
        self.kinds[self._for(value)].check(value)

    def write(self, node: Any, name: str, value: Any) -> None:
        self.remove(node, name)
        index = self._for(value)
        self.kinds[index].write(node, f"{name}.{index}", value)

    def read(self, node: Any, name: str) -> Any:
        index = self._stored_kinds(node, name)[0]
        return self.kinds[index].read(node, f"{name}.{index}")

    def remove(self, node: Any, name: str) -> None:
        for index in self._stored_kinds(node, name):
            self.kinds[index].remove(node, f"{name}.{index}")


def storage_of(kind: Any) -> Any:
    """How values of a type are kept.

    Raises:
        TypeError: this stand-in does not keep such values; Slicer may (list, tuple, dict, parameter packs).
    """
    kind = without_annotations(kind)[0]
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return OneOf(tuple(storage_of(item) for item in typing.get_args(kind)))
    if kind is type(None):
        return Nothing()
    if kind is bool:
        return Bool()
    if kind in (int, float, str) or (isinstance(kind, type) and issubclass(kind, pathlib.PurePath)):
        return Text(kind)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return Member(kind)
    if isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode):
        return Node(kind)
    raise TypeError(f"The stand-in for Slicer keeps no {kind} in a parameter node")


# --- a parameter ---


@dataclass(frozen=True)
class Parameter:
    """One attribute of a wrapped class."""

    basename: str
    unalteredType: Any
    storage: Any
    rules: tuple[Rule, ...]
    default: Default

    def write(self, node: Any, value: Any) -> None:
        self.storage.check(value)
        for rule in self.rules:
            rule.validate(value)
        self.storage.write(node, self.basename, value)

    def read(self, node: Any) -> Any:
        if not self.storage.has(node, self.basename):
            self.write(node, self.default.value)
        return self.storage.read(node, self.basename)

    def as_property(self) -> property:
        return property(
            lambda wrapper: self.read(wrapper.parameterNode),
            lambda wrapper, value: self.write(wrapper.parameterNode, value),
        )


def _parameter(owner: type, name: str, kind: Any) -> Parameter:
    plain, annotations = without_annotations(kind)
    storage = storage_of(plain)
    rules = tuple(item for item in annotations if isinstance(item, Rule))
    defaults = [item for item in annotations if isinstance(item, Default)]
    rest = [item for item in annotations if not isinstance(item, Rule | Default)]
    if hasattr(owner, name):
        default = Default(getattr(owner, name))
    else:
        default = defaults[0] if defaults else Default(storage.default())
    if rest:
        logging.warning(f"Unused annotations: {rest}")
    return Parameter(name, kind, storage, rules, default)


def parameterNodeWrapper(klass: Any = None) -> Any:
    """Make every annotated attribute of a class a parameter; the class is then made with a parameter node."""
    if klass is None:
        return parameterNodeWrapper
    hints = typing.get_type_hints(klass, include_extras=True)
    parameters = {name: _parameter(klass, name, kind) for name, kind in hints.items()}
    for name in RESERVED:
        if hasattr(klass, name) or name in parameters:
            raise ValueError(f"Cannot use reserved name '{name}' in a parameterNodeWrapper")
    for name, parameter in parameters.items():
        setattr(klass, name, parameter.as_property())
    for name, member in vars(_Wrapper).items():
        if name not in {"__module__", "__dict__", "__weakref__", "__doc__"}:
            setattr(klass, name, member)
    klass.allParameters = parameters
    klass._is_parameter_node_wrapper = True
    return klass


def isParameterNodeWrapper(item: Any) -> bool:
    return bool(getattr(item, "_is_parameter_node_wrapper", False))


class _Wrapper:
    """What a wrapped class can do."""

    allParameters: typing.ClassVar[dict[str, Parameter]] = {}

    def __init__(self, parameterNode: Any) -> None:
        self.parameterNode = parameterNode
        self._guis: dict[int, tuple[dict[str, Any], int]] = {}
        self._nextGui = 0
        self._updating = False
        for name, parameter in self.allParameters.items():
            if not parameter.storage.has(parameterNode, name):
                parameter.write(parameterNode, parameter.default.value)

    def _parameterNamed(self, name: str) -> Parameter:
        if name not in self.allParameters:
            raise ValueError(f"Cannot find a param with the given name: {name}, of {sorted(self.allParameters)}")
        return self.allParameters[name]

    def getValue(self, name: str) -> Any:
        return self._parameterNamed(name).read(self.parameterNode)

    def setValue(self, name: str, value: Any) -> None:
        self._parameterNamed(name).write(self.parameterNode, value)

    def default(self, name: str) -> Default:
        return self._parameterNamed(name).default

    def dataType(self, name: str) -> Any:
        return self._parameterNamed(name).unalteredType

    def connectGui(self, gui: Any) -> int:
        """Bind every widget that has a SlicerParameterName, below a widget or among the attributes of an object."""
        below = gui.findChildren("QWidget") if getattr(gui, "isWidgetType", lambda: False)() else gui.__dict__.values()
        return self.connectParametersToGui(
            {widget.property(PROPERTY): widget for widget in below if widget.property(PROPERTY)}
        )

    def connectParametersToGui(self, mapping: dict[str, Any]) -> int:
        for name in mapping:
            self._parameterNamed(name)
        connectors = {name: connector_for(widget, self.dataType(name)) for name, widget in mapping.items()}
        for name, connector in connectors.items():
            connector.write(self.getValue(name))
            connector.connect(self._heard(name, connector))
        tag, self._nextGui = self._nextGui, self._nextGui + 1
        observer = self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda _caller, _event: self._updateGuis())
        self._guis[tag] = (connectors, observer)
        return tag

    def disconnectGui(self, tag: int) -> None:
        if tag in self._guis:
            connectors, observer = self._guis.pop(tag)
            for connector in connectors.values():
                connector.disconnect()
            self.RemoveObserver(observer)

    def _heard(self, name: str, connector: Any) -> Any:
        def heard() -> None:
            with slicer.util.NodeModify(self):
                if not self._updating:
                    self.setValue(name, connector.read())

        return heard

    def _updateGuis(self) -> None:
        if self._updating:
            return
        self._updating = True
        try:
            with slicer.util.NodeModify(self):
                for connectors, _ in self._guis.values():
                    for name, connector in connectors.items():
                        connector.write(self.getValue(name))
        finally:
            self._updating = False

    def StartModify(self) -> Any:
        return self.parameterNode.StartModify()

    def EndModify(self, before: Any) -> Any:
        return self.parameterNode.EndModify(before)

    def AddObserver(self, event: Any, callback: Any, priority: float = 0.0) -> int:
        return int(self.parameterNode.AddObserver(event, callback, priority))

    def RemoveObserver(self, tag: int) -> None:
        self.parameterNode.RemoveObserver(tag)

    def Modified(self) -> None:
        self.parameterNode.Modified()
