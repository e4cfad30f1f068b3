"""Transforms between scene and library: displacement fields and linear maps as nodes, and back.

A map from fixed to moving points is stored as transform **from parent**: a moving node put under it is shown in fixed
space. Slicer reads fields from files with cubic interpolation, while the library, ITK and new nodes interpolate
linearly: `interpolate_linearly` after a scene was loaded makes them agree again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
from numpy.typing import ArrayLike
from vtk.util.numpy_support import vtk_to_numpy

from Tell2RegLib.errors import InputError
from Tell2RegLib.slicer_module.scene.coordinates import (
    array_from_matrix,
    from_scene,
    matrix_from_array,
    matrix_from_map,
    to_scene,
)
from Tell2RegLib.slicer_module.scene.volumes import image_from_array
from Tell2RegLib.space.displacement_field import DisplacementField
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.transform import invertible


def grid_node_from_field(scene: Any, field: DisplacementField, name: str, node: Any = None) -> Any:
    """A displacement field as a vtkMRMLGridTransformNode, stored from parent, linear between voxels.

    Beyond the field's grid the node goes on with the displacement of the grid's nearest point.

    Args:
        scene: where to add it.
        field: of x -> x + u(x); put the volume that y = x + u(x) belongs to under the node.
        name: the node's name.
        node: a transform node to fill instead of adding one.
    """
    grid = field.grid
    image = image_from_array(to_scene(field.vectors_kji).astype(np.float32))
    image.SetSpacing(grid.spacing_mm)
    image.SetOrigin(to_scene(grid.origin_lps_mm))
    direction = np.eye(4)
    direction[:3, :3] = to_scene(np.reshape(grid.direction, (3, 3)).T).T
    transform = slicer.vtkOrientedGridTransform()
    transform.SetDisplacementGridData(image)
    transform.SetGridDirectionMatrix(matrix_from_array(direction))
    transform.SetInterpolationModeToLinear()
    node = node or scene.AddNewNodeByClass("vtkMRMLGridTransformNode", name)
    node.SetName(name)
    node.SetAndObserveTransformFromParent(transform)
    return node


def field_from_grid_node(node: Any) -> DisplacementField:
    """The displacement field that a transform node stores from parent, LPS; copied.

    Raises:
        InputError: the node holds no displacement grid, or stores it to parent.
    """
    transform = node.GetTransformFromParentAs("vtkOrientedGridTransform", False)
    image = transform.GetDisplacementGrid() if transform is not None else None
    if image is None or transform.GetInverseFlag():
        raise InputError(
            f"'{node.GetName()}' contains no displacement grid from parent. Choose a result of Tell2Reg, or convert "
            "the transform to a grid first."
        )
    direction = np.eye(4)
    if transform.GetGridDirectionMatrix() is not None:
        direction = array_from_matrix(transform.GetGridDirectionMatrix())
    values = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(*image.GetDimensions()[::-1], 3)
    vectors = values * transform.GetDisplacementScale() + transform.GetDisplacementShift()
    grid = Grid(
        image.GetDimensions(),
        image.GetSpacing(),
        tuple(from_scene(image.GetOrigin())),
        tuple(from_scene(direction[:3, :3].T).T.ravel()),
    )
    return DisplacementField(from_scene(vectors).astype(np.float32), grid)


def interpolate_linearly(node: Any) -> bool:
    """Let a node's displacement grid be interpolated as the library does it; False when it holds none.

    Slicer sets cubic interpolation on every grid that it reads from a file.
    """
    transform = node.GetTransformFromParentAs("vtkOrientedGridTransform", False, True)
    if transform is None:
        return False
    transform.SetInterpolationModeToLinear()
    return True


def linear_node_from_lps(scene: Any, fixed_to_moving_lps: ArrayLike, name: str, node: Any = None) -> Any:
    """A linear map as a vtkMRMLLinearTransformNode: the moving volume put under it is shown in fixed space.

    Args:
        scene: where to add it.
        fixed_to_moving_lps: 4 x 4, LPS.
        name: the node's name.
        node: a linear transform node to fill instead of adding one.

    Raises:
        GeometryError: a matrix that cannot be inverted.
    """
    moving_to_fixed = np.linalg.inv(invertible(fixed_to_moving_lps))
    node = node or scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", name)
    node.SetName(name)
    node.SetMatrixTransformToParent(matrix_from_map(moving_to_fixed))
    return node


def set_references(node: Any, fixed: Any, moving: Any) -> None:
    """Say in a transform node which volumes it was made from, in the roles that Slicer knows."""
    node.SetNodeReferenceID(slicer.vtkMRMLTransformNode.GetFixedNodeReferenceRole(), fixed.GetID())
    node.SetNodeReferenceID(slicer.vtkMRMLTransformNode.GetMovingNodeReferenceRole(), moving.GetID())
