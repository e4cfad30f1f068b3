"""Through all transforms and all views by their buttons: slice, zoom, orientation, and what is drawn where."""

from __future__ import annotations

import numpy as np
import pytest

from Tell2RegLib.space.grid import apply_affine
from Testing.Python import small

pytestmark = pytest.mark.mrml

DRAWN = apply_affine(small.AFFINE, np.array(list(small.PLAN.values())))


def test_every_view_of_every_transform_keeps_its_place_and_shows_what_belongs_there(
    clinic, docked, views_at_once
) -> None:
    from Tell2RegLib.slicer_module.scene.markups import fiducials_from_points
    from Tell2RegLib.space.point_files import PointList
    from Testing.Slicer import walk

    clinic.find()
    clinic.fit()
    plan = fiducials_from_points(clinic.standin.scene, PointList(tuple(small.PLAN), DRAWN), walk.PLAN)
    clinic.panel.plan.check([plan])
    walk.walk(docked(clinic.widget), clinic.widget)
