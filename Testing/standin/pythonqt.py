"""PySide6 made to behave as PythonQt does: properties without parentheses, connect by signature, no new attributes.

Every class of QtCore, QtGui and QtWidgets that derives from QObject gets its Qt properties as Python attributes, its
signals as objects with connect, disconnect and emit, and the rules for setting attributes. `teach` does the same for a
class written here, so that it looks like one of C++.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import MethodType
from typing import Any

from Testing.standin.qt_signals import (
    LIBRARIES,
    NOT_IN_QT_5,
    QtCore,
    QtGui,
    QtSignal,
    QtWidgets,
    Shiboken,
    connect,
    disconnect,
)

__all__ = [
    "LIBRARIES",
    "QtCore",
    "QtGui",
    "QtWidgets",
    "Shiboken",
    "cpp_property",
    "properties_of",
    "single_shot",
    "stored",
    "teach",
]

_find_children = QtCore.QObject.findChildren


# --- properties ---


class QtProperty:
    """One Qt property as an attribute, read and written through the meta object."""

    def __init__(self, name: str, method: Any) -> None:
        self.name = name
        self.method = method
        self.reading: set[int] = set()

    def _property(self, instance: Any) -> QtCore.QMetaProperty:
        if not Shiboken.isValid(instance):
            raise ValueError(f"Trying to read property '{self.name}' from a destroyed {type(instance).__name__} object")
        meta = QtCore.QObject.metaObject(instance)
        return meta.property(meta.indexOfProperty(self.name))

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self if self.method is None else self.method
        if id(instance) in self.reading:
            # Qt asks Python whether it overrides the getter while it reads: no, here is the one of C++.
            return self.method.__get__(instance, owner)
        self.reading.add(id(instance))
        try:
            value = self._property(instance).read(instance)
            return tuple(value) if isinstance(value, list) else value
        finally:
            self.reading.discard(id(instance))

    def __set__(self, instance: Any, value: Any) -> None:
        wanted = self._property(instance)
        if not wanted.isWritable():
            raise AttributeError(f"Property '{self.name}' of {type(instance).__name__} object is not writable")
        if value is None or _wrong_kind(wanted, value) or not wanted.write(instance, value):
            raise AttributeError(
                f"Property '{self.name}' of type '{wanted.typeName()}' does not accept an object of type "
                f"{type(value).__name__} ({value!r})"
            )


def _wrong_kind(wanted: QtCore.QMetaProperty, value: Any) -> bool:
    """Whether PythonQt would refuse what PySide6 converts: text is made of text only, numbers not of text."""
    if wanted.typeName() == "QString":
        return not isinstance(value, str)
    return wanted.typeName() in {"int", "double", "float", "bool"} and not isinstance(value, int | float)


# --- what every QObject has ---


def _class_of(kind: Any) -> str:
    return kind if isinstance(kind, str) else kind.__name__


def find_children(self: Any, kind: Any, name: str | None = None) -> list[Any]:
    """All objects below this one of a class, given as such or by name."""
    below = _find_children(self, QtCore.QObject)
    return [child for child in below if child.inherits(_class_of(kind)) and name in (None, child.objectName)]


def find_child(self: Any, kind: Any, name: str | None = None) -> Any:
    return next(iter(find_children(self, kind, name)), None)


def class_name(self: Any) -> str:
    """Name of the class of C++; PythonQt gives the one of Python for a class derived in Python."""
    return type(self).__name__


def delete(self: Any) -> None:
    Shiboken.delete(self)


def _getter(original: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    """PySide6 finds its own connect and disconnect before those of the class: this one does not."""

    def get_attribute(self: Any, name: str) -> Any:
        if name in ("connect", "disconnect"):
            return MethodType(connect if name == "connect" else disconnect, self)
        if name in NOT_IN_QT_5:
            raise AttributeError(f"'{name}' came with Qt 6, Slicer has Qt 5")
        return original(self, name)

    return get_attribute


def get_missing(self: Any, name: str) -> Any:
    """After all else: `name`, a dynamic property, a child of this name."""
    if not name.startswith("__") and Shiboken.isValid(self):
        if name == "name":
            return self.objectName
        value = QtCore.QObject.property(self, name)
        if value is not None:
            return value
        for child in QtCore.QObject.children(self):
            if child.objectName == name:
                return child
    raise AttributeError(f"{type(self).__name__} has no attribute named '{name}'")


def is_of_cpp(klass: type) -> bool:
    """Whether a class looks to Python as one of C++: Qt's own, and those that were taught here."""
    return klass.__module__.startswith("PySide6.") or klass.__dict__.get("OF_CPP", False)


def set_attribute(self: Any, name: str, value: Any) -> None:
    """As PythonQt: properties and what a class derived in Python adds, nothing new on objects of C++."""
    klass = type(self)
    if name == "name" and not hasattr(klass, "name"):
        name = "objectName"
    detected = inspect.getattr_static(klass, name, None)
    if isinstance(detected, QtCore.Property):
        put = _setters.get(id(detected))
        if put is None or value is None:
            raise AttributeError(f"Property '{name}' of {klass.__name__} object does not accept {value!r}")
        put(self, value)
    elif hasattr(type(detected), "__set__"):
        detected.__set__(self, value)
    elif name.startswith("_"):
        self.__dict__[name] = value
    elif detected is not None and inspect.isroutine(detected) and not inspect.isfunction(detected):
        raise AttributeError(f"Slot '{name}' can not be overwritten on {klass.__name__} object")
    elif name.encode() in [bytes(item.data()) for item in QtCore.QObject.dynamicPropertyNames(self)]:
        self.setProperty(name, value)
    elif is_of_cpp(klass):
        if getattr(value, "objectName", None) == name and _is_below(value, self):
            return  # PySide6's loader of .ui files hands every child to its root
        raise AttributeError(
            f"'{name}' does not exist on {klass.__name__} and creating new attributes on C++ objects is not allowed"
        )
    else:
        self.__dict__[name] = value


def _is_below(child: QtCore.QObject, above: QtCore.QObject) -> bool:
    while child is not None and child != above:
        child = QtCore.QObject.parent(child)
    return child is not None


_setters: dict[int, Callable[[Any, Any], None] | None] = {}


def cpp_property(
    kind: type | str, get: Callable[[Any], Any], put: Callable[[Any, Any], None] | None = None
) -> QtCore.Property:
    """A Qt property of a class written here."""
    made = QtCore.Property(kind, get, put)  # type: ignore[arg-type]
    _setters[id(made)] = put
    return made


def stored(kind: type, name: str, default: Any) -> tuple[Any, Callable[[Any, Any], None]]:
    """A property of a class written here that only keeps its value, and its setter."""

    def get(self: Any) -> Any:
        return self.__dict__.get(f"_{name}", default)

    def put(self: Any, value: Any) -> None:
        self.__dict__[f"_{name}"] = kind(value)

    return cpp_property(kind, get, put), put


class SingleShot(QtProperty):
    """QTimer.singleShot: a function of the class, a property of a timer."""

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return single_shot if instance is None else super().__get__(instance, owner)


def single_shot(milliseconds: int, slot: Callable[..., Any]) -> None:
    """Call once, later.

    PySide6's own connects in ways of its own from one millisecond on, which `connect` above does not know.
    """
    timer = QtCore.QTimer(QtCore.QCoreApplication.instance())
    timer.setProperty("singleShot", True)
    timer.setInterval(int(milliseconds))

    def fire() -> None:
        timer.deleteLater()
        slot()

    connect(timer, "timeout()", fire)
    timer.start()


# --- teaching ---


properties_of: dict[type, frozenset[str]] = {}
"""All Qt properties by class."""


def _declared_members(meta: QtCore.QMetaObject, klass: type) -> tuple[list[str], set[str]]:
    """All properties of a class, and the names of its own signals."""
    properties = [meta.property(index).name() for index in range(meta.propertyCount())]
    own_methods = [meta.method(index) for index in range(meta.methodOffset(), meta.methodCount())]
    signals = {
        bytes(item.name().data()).decode() for item in own_methods if item.methodType() == QtCore.QMetaMethod.Signal
    }
    properties_of[klass] = frozenset(properties)
    first = {meta.property(index).name() for index in range(meta.propertyOffset(), meta.propertyCount())}
    return [name for name in properties if name in first or name in klass.__dict__], signals


def teach(klass: type) -> type:
    """Give a class its properties and signals as PythonQt shows them; use as a decorator on classes written here."""
    properties, signals = _declared_members(klass.staticMetaObject, klass)  # type: ignore[attr-defined]
    for name in properties:
        present = klass.__dict__.get(name)
        if isinstance(present, QtCore.Property | QtProperty) or inspect.isfunction(present):
            continue
        setattr(klass, name, QtProperty(name, present or getattr(klass, name, None)))
    for name in signals:
        present = klass.__dict__.get(name)
        if isinstance(present, QtCore.Signal):
            setattr(klass, name, QtSignal(name, present))
    if not klass.__module__.startswith("PySide6."):
        klass.OF_CPP = True  # type: ignore[attr-defined]
    if "__getattribute__" in klass.__dict__:
        klass.__getattribute__ = _getter(klass.__dict__["__getattribute__"])  # type: ignore[method-assign, assignment]
    klass.__setattr__ = set_attribute  # type: ignore[method-assign, assignment]
    return klass


def _teach_all() -> None:
    for library in LIBRARIES:
        for name in dir(library):
            klass = getattr(library, name)
            if isinstance(klass, type) and issubclass(klass, QtCore.QObject):
                teach(klass)
    base = QtCore.QObject
    for name, function in {
        "findChildren": find_children,
        "findChild": find_child,
        "className": class_name,
        "delete": delete,
        "__getattr__": get_missing,
    }.items():
        setattr(base, name, function)
    QtCore.QTimer.singleShot = SingleShot("singleShot", None)  # type: ignore[assignment, method-assign]
    for klass in (QtWidgets.QDialog, QtWidgets.QMenu):
        klass.exec_ = klass.exec  # type: ignore[attr-defined]


_teach_all()
