"""Tables and texts of the scene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import vtk


def fill_table(scene: Any, name: str, columns: Mapping[str, Sequence], *, node: Any = None) -> Any:
    """A vtkMRMLTableNode with these columns, in their order.

    Columns of nothing but numbers and None are numbers (None is NaN), all others are text (None is empty).

    Args:
        scene: where to add it.
        name: the node's name.
        columns: titles and values, all of one length.
        node: a table node to fill instead of adding one.
    """
    node = node or scene.AddNewNodeByClass("vtkMRMLTableNode", name)
    node.SetName(name)
    was = node.StartModify()
    node.RemoveAllColumns()
    for title, values in columns.items():
        node.AddColumn(_column(title, values))
    node.SetUseColumnTitleAsColumnHeader(True)
    node.EndModify(was)
    return node


def _column(title: str, values: Sequence) -> Any:
    numbers = all(value is None or (isinstance(value, Real) and not isinstance(value, bool)) for value in values)
    numeric = numbers and len(values) > 0
    column = vtk.vtkDoubleArray() if numeric else vtk.vtkStringArray()
    column.SetName(title)
    for value in values:
        column.InsertNextValue((float("nan") if value is None else float(value)) if numeric else _text(value))
    return column


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def text_node(scene: Any, name: str, text: str, *, node: Any = None) -> Any:
    """A vtkMRMLTextNode with a text in UTF-8; `node` is filled instead of adding one."""
    node = node or scene.AddNewNodeByClass("vtkMRMLTextNode", name)
    node.SetName(name)
    node.SetEncoding(vtk.VTK_ENCODING_UTF_8)
    node.SetText(text)
    return node
