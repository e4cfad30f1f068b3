"""Signals as PythonQt shows them: connect by signature or attribute, disconnect, emit; and PySide6 set up for it."""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable
from typing import Any

# Flags and enums are integers in PythonQt. It must be said before PySide6 is imported for the first time.
if "PySide6" not in sys.modules:
    sys.pyside6_option_python_enum = 0x01 | 0x02  # type: ignore[attr-defined]

from PySide6 import QtCore, QtGui, QtNetwork, QtWidgets
from shiboken6 import Shiboken

LIBRARIES = (QtWidgets, QtGui, QtCore, QtNetwork)

_connect_by_text = QtCore.QObject.connect
_disconnect_by_text = QtCore.QObject.disconnect


class SlotErrors(list):
    """Exceptions that slots raised: Qt goes on after them, as it does in Slicer, and the test fails at its end."""

    epoch = 0

    def record(self, error: BaseException) -> None:
        traceback.print_exception(error)
        self.append(error)


errors = SlotErrors()


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
