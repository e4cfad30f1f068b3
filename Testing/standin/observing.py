"""Observers of VTK objects, all taken off at the end: VTK calls them while it clears up, when they are half gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import vtk

from Testing.standin.qt_signals import guarded

_held: list[tuple[Any, int]] = []


def observe(subject: Any, event: Any, slot: Callable[..., Any], with_object: bool = False) -> tuple[Any, int]:
    """Call `slot(caller, event)`, or with the object of the event as a third argument; the handle ends it."""
    call: Callable[..., None] = guarded(slot)
    if with_object:
        plain = call
        call = vtk.calldata_type(vtk.VTK_OBJECT)(lambda caller, name, data: plain(caller, name, data))
    handle = (subject, subject.AddObserver(event, call))
    _held.append(handle)
    return handle


def forget(handle: tuple[Any, int]) -> None:
    if handle in _held:
        _held.remove(handle)
        handle[0].RemoveObserver(handle[1])


def forget_all() -> None:
    for handle in list(_held):
        forget(handle)
