"""The kinds of transform, once: name, title, help, and what the code asks of them.

Settings, terminal, fit, report and docs/settings.md take what they say and do about a kind from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TransformKind:
    """One kind of transform.

    Args:
        name: as in settings and records.
        title: in the report.
        help: a phrase for the documents.
        linear: whether a 4 x 4 matrix is all of it; other kinds add a deformation to the affine map.
        velocity: whether the nodes hold a velocity, integrated by scaling and squaring: its inverse exists by
            construction.
        per_voxel: whether there is a node for every voxel of the fitting lattice, instead of a coarser control grid.
    """

    name: str
    title: str
    help: str
    linear: bool = False
    velocity: bool = False
    per_voxel: bool = False

    @property
    def inverse(self) -> str:
        """Where its inverse comes from, a phrase for the documents."""
        if self.linear:
            return "exact: the inverse matrix"
        return "exists by construction; solved numerically" if self.velocity else "solved numerically"


KINDS: Mapping[str, TransformKind] = {
    kind.name: kind
    for kind in (
        TransformKind(name="rigid", title="Rigid transform", help="rotation and translation", linear=True),
        TransformKind(name="affine", title="Affine transform", help="rigid, with scaling and shear", linear=True),
        TransformKind(
            name="svf",
            title="Deformable transform (velocity field)",
            help="affine after a stationary velocity field on a control grid",
            velocity=True,
        ),
        TransformKind(
            name="ffd",
            title="Deformable transform (control grid)",
            help="affine after a free-form deformation: a control grid of displacements",
        ),
        TransformKind(
            name="ddf",
            title="Deformable transform (displacement per voxel)",
            help="affine after a dense displacement field: one displacement per voxel of the fitting lattice",
            per_voxel=True,
        ),
    )
}
"""In the order in which they are offered."""
AUTO = "auto"
"""Requests the simplest kind that the regions do not reject: rigid, affine or `AUTO_DEFORMABLE`."""
AUTO_DEFORMABLE = "svf"
LINEAR = tuple(kind.name for kind in KINDS.values() if kind.linear)
DEFORMABLE = tuple(kind.name for kind in KINDS.values() if not kind.linear)
ANY_DEFORMABLE = "deformable"
"""What tables, views and target errors call the fitted transform when it is of any deformable kind."""
STATES = ("before", *LINEAR, ANY_DEFORMABLE)
"""The transforms that a fit compares, from none to the most flexible."""


def state_of(kind: str) -> str:
    """The state of a fitted transform of this kind: all deformable kinds are one.

    >>> state_of("svf"), state_of("affine")
    ('deformable', 'affine')
    """
    return ANY_DEFORMABLE if kind in DEFORMABLE else kind
