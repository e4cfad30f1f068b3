"""Transform files of other programs: which are read in this process, and what happens to damaged ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from Tell2RegLib.errors import InputError
from Tell2RegLib.space import itk_maps
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.itk_maps import map_of, read_itk_map

GRID = Grid((5, 4, 3), (2.0, 3.0, 4.0), (-4.0, -5.0, -6.0))


def linear_transforms() -> list[sitk.Transform]:
    affine = sitk.AffineTransform([1.1, 0, 0.2, 0, 0.9, 0, 0, 0.1, 1.0], [1, 2, 3], [4, 5, 6])
    euler = sitk.Euler3DTransform((1, 2, 3), 0.1, 0.2, 0.3, (4, 5, 6))
    versor = sitk.VersorRigid3DTransform((0, 0, 1), 0.3, (4, 5, 6), (1, 2, 3))
    return [
        affine,
        euler,
        versor,
        sitk.Similarity3DTransform(1.2, (0, 0, 1), 0.3),
        sitk.TranslationTransform(3, (1, 2, 3)),
    ]


@pytest.mark.parametrize("ending", ["tfm", "txt", "h5", "mat"])
def test_linear_transforms_of_every_format_are_read(ending: str, tmp_path: Path) -> None:
    point = np.array([7.0, -8.0, 9.0])
    for transform in linear_transforms():
        if ending == "mat" and transform.GetName() == "TranslationTransform":
            continue
        path = tmp_path / f"{transform.GetName()}.{ending}"
        sitk.WriteTransform(transform, str(path))
        matrix = read_itk_map(path, GRID).matrix
        assert matrix is not None
        np.testing.assert_allclose(matrix[:3, :3] @ point + matrix[:3, 3], transform.TransformPoint(point), atol=1e-9)


def test_checked_text_is_read_in_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(itk_maps, "read_foreign_map", None)
    for transform in linear_transforms():
        sitk.WriteTransform(transform, str(tmp_path / "a.tfm"))
        np.testing.assert_array_equal(
            read_itk_map(tmp_path / "a.tfm", None).matrix, map_of(tmp_path / "a.tfm", None).matrix
        )


@pytest.mark.parametrize("ending", ["tfm", "h5"])
def test_a_field_with_an_affine_part_is_sampled_as_in_this_process(ending: str, tmp_path: Path) -> None:
    vectors = np.random.default_rng(1).normal(size=(3, 4, 5, 3))
    image = sitk.GetImageFromArray(vectors, isVector=True)
    image.SetOrigin((-4.0, -5.0, -6.0))
    image.SetSpacing((2.0, 3.0, 4.0))
    transform = sitk.CompositeTransform([linear_transforms()[0], sitk.DisplacementFieldTransform(image)])
    path = tmp_path / f"a.{ending}"
    sitk.WriteTransform(transform, str(path))
    actual, expected = read_itk_map(path, GRID), map_of(path, GRID)
    assert actual.matrix is None
    np.testing.assert_array_equal(actual.vectors_kji, expected.vectors_kji)
    np.testing.assert_array_equal(actual.affine, expected.affine)


TEXT = (
    "#Insight Transform File V1.0\n#Transform 0\nTransform: AffineTransform_double_3_3\n"
    "Parameters: 1 0 0 0 1 0 0 0 1 4 5 6\nFixedParameters: 0 0 0\n"
)
SPOILT = {
    "a number less": TEXT.replace(" 4 5 6", " 4 5"),
    "a number more": TEXT.replace(" 4 5 6", " 4 5 6 7"),
    "no number": TEXT.replace(" 4 5 6", " 4 x 6"),
    "not finite": TEXT.replace(" 4 5 6", " 4 nan 6"),
    "another class": TEXT.replace("AffineTransform", "AffineTransformation"),
    "a field without its size": TEXT.replace("AffineTransform", "DisplacementFieldTransform"),
    "a spline of a huge size": TEXT.replace("AffineTransform", "BSplineTransform").replace(
        "FixedParameters: 0 0 0", "FixedParameters: 2000000 2000000 2000000 0 0 0 1 1 1 1 0 0 0 1 0 0 0 1"
    ),
    "no parameters": "\n".join(TEXT.splitlines()[:3]) + "\n",
}


@pytest.mark.parametrize("content", SPOILT.values(), ids=SPOILT)
def test_text_that_is_no_whole_transform_is_refused_or_read_elsewhere(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ITK ends the process on some of them."""
    (tmp_path / "a.tfm").write_text(content)
    with pytest.raises(InputError, match="a.tfm"):
        read_itk_map(tmp_path / "a.tfm", GRID)
    monkeypatch.setattr(itk_maps, "map_of", None)
    with pytest.raises(InputError):
        read_itk_map(tmp_path / "a.tfm", GRID)
