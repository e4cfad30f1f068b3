"""PySide6 made to behave as PythonQt does: properties without parentheses, connect by signature, no new attributes.

Every class of QtCore, QtGui and QtWidgets that derives from QObject gets its Qt properties as Python attributes, its
signals as objects with connect, disconnect and emit, and the rules for setting attributes. `teach` does the same for a
class written here, so that it looks like one of C++.
"""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable
from types import MethodType
from typing import Any

# Flags and enums are integers in PythonQt. It must be said before PySide6 is imported for the first time.
if "PySide6" not in sys.modules:
    sys.pyside6_option_python_enum = 0x01 | 0x02  # type: ignore[attr-defined]

from PySide6 import QtCore, QtGui, QtNetwork, QtWidgets
from shiboken6 import Shiboken

LIBRARIES = (QtWidgets, QtGui, QtCore, QtNetwork)

_connect_by_text = QtCore.QObject.connect
_disconnect_by_text = QtCore.QObject.disconnect
_find_children = QtCore.QObject.findChildren


class SlotErrors(list):
    """Exceptions that slots raised: Qt goes on after them, as it does in Slicer, and the test fails at its end."""

    epoch = 0

    def record(self, error: BaseException) -> None:
        traceback.print_exception(error)
        self.append(error)


errors = SlotErrors()


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


# --- signals ---


def how_many(slot: Callable[..., Any]) -> int | None:
    """Number of arguments that PythonQt passes to this callable at most; None: all of them.

    Functions and methods without *args get no more than they have names for, those with a default value included.
    Everything else (functools.partial, objects with __call__, methods of C++) gets all.
    """
    function, bound = (slot.__func__, 1) if inspect.ismethod(slot) else (slot, 0)
    if not inspect.isfunction(function) or function.__code__.co_flags & inspect.CO_VARARGS:
        return None
    return function.__code__.co_argcount - bound


def guarded(slot: Callable[..., Any], limit: int | None = None) -> Callable[..., None]:
    """The slot with as many arguments as it takes; what it raises is recorded, and after the test it is silent."""
    most, epoch = how_many(slot), errors.epoch

    def call(*values: Any) -> None:
        if epoch != errors.epoch:
            return
        try:
            slot(*values[:limit][:most])
        except Exception as error:
            errors.record(error)

    return call


class Connections:
    """Which Python callables hang on which signal of which object, so that they can be taken off again."""

    def __init__(self) -> None:
        self.of: dict[int, list[tuple[str, Callable[..., Any], Callable[..., None]]]] = {}

    def add(self, sender: Any, signature: str, slot: Callable[..., Any], limit: int | None = None) -> bool:
        adapter = guarded(slot, limit)
        pointer = Shiboken.getCppPointer(sender)[0]
        if pointer not in self.of:
            self.of[pointer] = []
            _connect_by_text(sender, QtCore.SIGNAL("destroyed()"), lambda *_: self.of.pop(pointer, None))
        self.of[pointer].append((signature, slot, adapter))
        return _connect_by_text(sender, QtCore.SIGNAL(signature), adapter) is not None

    def remove(self, sender: Any, signature: str, slot: Callable[..., Any] | None) -> bool:
        """Take off one callable, or with None all of them."""
        held = self.of.get(Shiboken.getCppPointer(sender)[0], [])
        detected = [entry for entry in held if entry[0] == signature and (slot is None or entry[1] == slot)]
        for entry in detected if slot is None else detected[:1]:
            held.remove(entry)
            _disconnect_by_text(sender, QtCore.SIGNAL(signature), entry[2])
        return bool(detected)


connections = Connections()


def _signals(instance: Any, name: str) -> list[str]:
    """Signatures of the signals of this name, the one with most arguments first."""
    meta = QtCore.QObject.metaObject(instance)
    methods = (meta.method(index) for index in range(meta.methodCount()))
    detected = [
        bytes(method.methodSignature().data()).decode()
        for method in methods
        if method.methodType() == QtCore.QMetaMethod.Signal and bytes(method.name().data()).decode() == name
    ]
    return sorted(detected, key=_count, reverse=True)


def _count(signature: str) -> int:
    inside = signature.split("(", 1)[1].rstrip(")")
    return inside.count(",") + 1 if inside else 0


def signature_of(instance: Any, text: str) -> tuple[str, int]:
    """Signature in the meta object for one as PythonQt would be given it, and the number of arguments to pass.

    Raises AttributeError if there is no such signal. PythonQt prints a line and returns False then, which nobody sees.
    """
    wanted = QtCore.QMetaObject.normalizedSignature(text.lstrip("2")).data().decode()
    name = wanted.split("(")[0]
    for klass in type(instance).__mro__:
        alias = klass.__dict__.get("SIGNATURES", {}).get(wanted)
        if alias is not None:
            return alias, _count(wanted)
    if name in NOT_IN_QT_5:
        raise AttributeError(f"signal '{text}' came with Qt 6, Slicer has Qt 5")
    if wanted in _signals(instance, name):
        return wanted, _count(wanted)
    raise AttributeError(f"QObject::connect() signal '{text}' does not exist on {type(instance).__name__}")


NOT_IN_QT_5 = {"checkStateChanged"}


class BoundSignal:
    """What `button.clicked` gives in PythonQt."""

    def __init__(self, instance: Any, name: str, raw: Any) -> None:
        self._instance, self._name, self._raw = instance, name, raw

    def _signature(self) -> str:
        return _signals(self._instance, self._name)[0]

    def connect(self, slot: Any, *receiver: Any) -> bool:
        """Connect a callable, or an object and the signature of its slot."""
        return connect(self._instance, self._signature(), slot, *receiver)

    def disconnect(self, slot: Any = None) -> bool:
        """Disconnect this callable, or all."""
        return connections.remove(self._instance, self._signature(), slot)

    def emit(self, *values: Any) -> None:
        kinds = self._signature().split("(", 1)[1].rstrip(")")
        (self._raw[kinds] if kinds else self._raw).emit(*values)

    __call__ = emit


class QtSignal:
    """One signal of a class; hands out the signal of an instance."""

    def __init__(self, name: str, raw: Any) -> None:
        self.name, self.raw = name, raw

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        raw = instance.__dict__.get(f"_raw_{self.name}") or self.raw.__get__(instance, owner)
        return BoundSignal(instance, self.name, raw)

    def __set__(self, instance: Any, value: Any) -> None:
        if not isinstance(value, QtCore.SignalInstance):
            raise AttributeError(f"Signal '{self.name}' can not be overwritten on {type(instance).__name__} object")
        instance.__dict__[f"_raw_{self.name}"] = value  # PySide6 itself, while the object is made


# --- what every QObject has ---


def connect(self: Any, signal: str, receiver: Any, slot: str | None = None) -> bool:
    """`sender.connect("clicked(bool)", callable)` or `sender.connect("clicked()", object, "close()")`."""
    signature, limit = signature_of(self, signal)
    if slot is not None:
        receiver, limit = getattr(receiver, slot.lstrip("1").split("(")[0]), _count(slot)
    if not callable(receiver):
        raise TypeError(f"connect: {receiver!r} cannot be called")
    return connections.add(self, signature, receiver, limit)


def disconnect(self: Any, signal: str, receiver: Any = None, slot: str | None = None) -> bool:
    signature, _ = signature_of(self, signal)
    if slot is not None:
        receiver = getattr(receiver, slot.lstrip("1").split("(")[0])
    return connections.remove(self, signature, receiver)


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
