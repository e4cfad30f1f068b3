"""Segmentations between scene and library: every voxel where it lies, and everything said about a segment kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from Tell2RegLib.errors import GeometryError, InputError, NothingFound
from Tell2RegLib.space.grid import Grid, apply_affine
from Tell2RegLib.space.pair_colors import color_of
from Tell2RegLib.space.region import Region
from Tell2RegLib.space.region_warping import warp_region
from Tell2RegLib.space.transform import affine_transform
from Testing.Python.conftest import HOSTILE_GRIDS
from Testing.Python.maps import LANDMARKS, SIX_PAIRS, a_wavy_transform, fixed_grid, moving_grid
from Testing.Python.scene import (
    RAS_FROM_LPS,
    SHEARED,
    TURNED,
    a_volume_node,
    edit,
    put_under,
    put_under_a_warp,
    reloaded,
    slicer,
)

from Tell2RegLib.slicer_module.scene import segmentations  # isort: skip
from Testing.Python.slicer_module.drawn_segmentations import (
    a_ball,
    a_surface_segmentation,
    drawn_by_hand,
    ids_of,
    places_in_slicer,
    sorted_rows,
)

pytestmark = pytest.mark.mrml

PROSTATE, BLADDER, LESION = np.zeros((3, 2, 3, 4), dtype=bool)
PROSTATE[1, 0, 3] = PROSTATE[1, 1, 3] = PROSTATE[0, 0, 3] = True
BLADDER[0, 2, 0:2] = True
LESION[1, 0:2, 2:4] = True
NAMES = ("prostate", "bladder", "lesion 2")


@pytest.fixture
def some_regions(a_hostile_grid: Grid) -> list[Region]:
    """The lesion overlaps the prostate, the bladder is apart."""
    return [
        Region.from_mask(name, mask, a_hostile_grid, color=color_of(n), prompt=f"{name}!", score=0.875)
        for n, (name, mask) in enumerate(zip(NAMES, (PROSTATE, BLADDER, LESION), strict=True))
    ]


@pytest.fixture
def a_volume(a_scene, a_hostile_grid: Grid, values_of):
    return a_volume_node(a_scene, values_of(a_hostile_grid, np.int16), a_hostile_grid)


@pytest.fixture
def a_node(a_scene, some_regions: list[Region], a_volume):
    return segmentations.segmentation_from_regions(a_scene, "regions", some_regions, a_volume)[0]


# --- library -> scene ---


def test_every_region_becomes_a_segment_where_it_lies(a_node, some_regions: list[Region]) -> None:
    assert len(ids_of(a_node)) == 3
    for segment_id, region in zip(ids_of(a_node), some_regions, strict=True):
        expected = sorted_rows(region.points_lps_mm())
        np.testing.assert_allclose(sorted_rows(places_in_slicer(a_node, segment_id)), expected, atol=1e-6)


def test_a_segment_says_what_its_region_says(a_node, some_regions: list[Region]) -> None:
    for segment_id, region in zip(ids_of(a_node), some_regions, strict=True):
        segment = a_node.GetSegmentation().GetSegment(segment_id)
        assert segment.GetName() == region.name
        assert segment.GetColor() == pytest.approx(region.color)
        assert segmentations.tag_of(segment, "Tell2Reg.Prompt") == region.prompt
        assert segmentations.tag_of(segment, "Tell2Reg.Score") == "0.875"


def test_segments_that_do_not_overlap_share_a_layer(a_node) -> None:
    assert a_node.GetSegmentation().GetNumberOfLayers() == 2


@settings(max_examples=30)
@given(masks=st.lists(arrays(bool, (2, 3, 4)).filter(np.any), max_size=6), kind=st.sampled_from(sorted(HOSTILE_GRIDS)))
def test_any_regions_come_back_out_of_a_segmentation(masks: list[np.ndarray], kind: str) -> None:
    grid = HOSTILE_GRIDS[kind]
    regions = [Region.from_mask(f"region {n}", mask, grid) for n, mask in enumerate(masks)]
    node, ids = segmentations.segmentation_from_regions(slicer.vtkMRMLScene(), "regions", regions, None)
    back, empty = segmentations.regions_from_segmentation(node, grid)
    assert (list(back), empty) == (ids, ())
    for region, mask in zip(back.values(), masks, strict=True):
        np.testing.assert_array_equal(region.mask_kji(), mask)


def test_three_hundred_regions_fit_into_one_layer(a_scene) -> None:
    grid = Grid((20, 15, 1), (1, 2, 3))
    masks = np.eye(300, dtype=bool).reshape(300, 1, 15, 20)
    regions = [Region.from_mask(f"region {n}", mask, grid) for n, mask in enumerate(masks)]
    node, _ = segmentations.segmentation_from_regions(a_scene, "many", regions, None)
    assert node.GetSegmentation().GetNumberOfLayers() == 1
    back, _ = segmentations.regions_from_segmentation(node, grid)
    np.testing.assert_array_equal([region.mask_kji() for region in back.values()], masks)


def test_regions_on_two_grids_go_into_one_segmentation(a_scene) -> None:
    grids = (HOSTILE_GRIDS["oblique"], HOSTILE_GRIDS["sagittal"])
    regions = [Region.from_mask("prostate", PROSTATE, grid) for grid in grids]
    node, ids = segmentations.segmentation_from_regions(a_scene, "two", regions, None)
    for segment_id, region in zip(ids, regions, strict=True):
        expected = sorted_rows(region.points_lps_mm())
        np.testing.assert_allclose(sorted_rows(places_in_slicer(node, segment_id)), expected, atol=1e-6)


def test_the_reference_geometry_is_the_volumes_in_the_world(a_scene, some_regions: list[Region], a_volume) -> None:
    put_under(a_volume, TURNED)
    node, _ = segmentations.segmentation_from_regions(a_scene, "regions", some_regions, a_volume)
    reference, image = slicer.vtkSegmentationConverter.GetReferenceImageGeometryParameterName(), None
    image = slicer.vtkOrientedImageData()
    message = node.GetSegmentation().GetConversionParameter(reference)
    assert slicer.vtkSegmentationConverter.DeserializeImageGeometry(message, image, False)
    position = np.array(image.GetOrigin()) * RAS_FROM_LPS
    expected = apply_affine(TURNED, some_regions[0].grid.origin_lps_mm)
    np.testing.assert_allclose(position, expected, atol=1e-4)
    assert node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole()) is a_volume


def test_the_voxels_of_a_segment_are_replaced_and_its_name_stays(a_node, some_regions: list[Region]) -> None:
    prostate, bladder, lesion = ids_of(a_node)
    edit(a_node, prostate, some_regions[1])
    positions = sorted_rows(some_regions[1].points_lps_mm())
    np.testing.assert_allclose(sorted_rows(places_in_slicer(a_node, prostate)), positions, atol=1e-6)
    np.testing.assert_allclose(sorted_rows(places_in_slicer(a_node, bladder)), positions, atol=1e-6)
    assert len(places_in_slicer(a_node, lesion)) == LESION.sum()
    assert a_node.GetSegmentation().GetSegment(prostate).GetName() == "prostate"


def test_a_segment_that_is_gone_is_told(a_node) -> None:
    with pytest.raises(InputError, match="'regions' no longer has the segment 'Segment_9'"):
        segmentations.describe_segment(a_node, "Segment_9", name="nobody")


# --- scene -> library ---


def test_segments_come_back_as_the_regions_they_were(a_node, some_regions: list[Region]) -> None:
    regions, empty = segmentations.regions_from_segmentation(a_node, some_regions[0].grid)
    assert empty == ()
    assert list(regions) == ids_of(a_node)
    for back, region in zip(regions.values(), some_regions, strict=True):
        np.testing.assert_array_equal(back.mask_kji(), region.mask_kji())
        assert back.grid == region.grid
        assert (back.name, back.prompt, back.score) == (region.name, region.prompt, region.score)
        assert back.color == pytest.approx(region.color)


def test_what_a_person_drew_lies_where_slicer_shows_it(a_scene, a_hostile_grid: Grid) -> None:
    node = drawn_by_hand(a_scene, {"prostate": PROSTATE, "bladder": BLADDER}, a_hostile_grid)
    regions, _ = segmentations.regions_from_segmentation(node, a_hostile_grid)
    for region, mask in zip(regions.values(), (PROSTATE, BLADDER), strict=True):
        np.testing.assert_array_equal(region.mask_kji(), mask)


def test_linear_transforms_above_count_unless_told_otherwise(a_scene, a_hostile_grid: Grid) -> None:
    node = drawn_by_hand(a_scene, {"prostate": PROSTATE}, a_hostile_grid)
    put_under(node, TURNED)
    moved_grid = a_hostile_grid.moved_by(TURNED)
    (region,) = segmentations.regions_from_segmentation(node, moved_grid)[0].values()
    np.testing.assert_array_equal(region.mask_kji(), PROSTATE)
    (region,) = segmentations.regions_from_segmentation(node, a_hostile_grid, in_parent=False)[0].values()
    np.testing.assert_array_equal(region.mask_kji(), PROSTATE)


def test_a_part_of_the_same_lattice_is_taken_over_voxel_by_voxel(a_scene, a_hostile_grid: Grid) -> None:
    node = drawn_by_hand(a_scene, {"prostate": PROSTATE}, a_hostile_grid)
    larger = a_hostile_grid.crop((-2, -1, -3), (9, 8, 7))
    smaller = a_hostile_grid.crop((3, 0, 1), (1, 3, 1))
    (whole,) = segmentations.regions_from_segmentation(node, larger)[0].values()
    np.testing.assert_array_equal(whole.mask_kji()[3:5, 1:4, 2:6], PROSTATE)
    assert whole.box_kji.sum() == PROSTATE.sum()
    (cut,) = segmentations.regions_from_segmentation(node, smaller)[0].values()
    np.testing.assert_array_equal(cut.mask_kji(), PROSTATE[1:2, :, 3:4])


@pytest.mark.parametrize(("drawn_on", "wanted_on"), SIX_PAIRS)
def test_segments_on_another_lattice_lie_at_the_same_place(drawn_on: str, wanted_on: str, a_scene) -> None:
    ball = a_ball(fixed_grid(drawn_on), LANDMARKS[0])
    node = drawn_by_hand(a_scene, {"ball": ball}, fixed_grid(drawn_on))
    grid = Grid((40, 44, 36), (1.3, 1.1, 1.4), direction=moving_grid(wanted_on).direction)
    middle = grid.index_to_lps((np.asarray(grid.size_xyz) - 1) / 2)
    grid = Grid(grid.size_xyz, grid.spacing_mm, tuple(LANDMARKS[0] + [3, -2, 1] - middle), grid.direction)
    (region,) = segmentations.regions_from_segmentation(node, grid)[0].values()
    drawn = Region.from_mask("ball", ball, fixed_grid(drawn_on))
    np.testing.assert_allclose(region.centroid_lps_mm(), drawn.centroid_lps_mm(), atol=0.2)
    assert region.volume_ml == pytest.approx(drawn.volume_ml, rel=0.1)


def test_empty_segments_are_named(a_node, some_regions: list[Region]) -> None:
    a_node.GetSegmentation().AddEmptySegment("", "nothing yet")
    regions, empty = segmentations.regions_from_segmentation(a_node, some_regions[0].grid)
    assert len(regions) == 3
    assert empty == ("nothing yet",)


def test_segments_outside_the_volume_count_as_empty(a_node) -> None:
    far = Grid((4, 4, 4), origin_lps_mm=(5000, 0, 0))
    assert segmentations.regions_from_segmentation(a_node, far) == ({}, NAMES)


def test_an_empty_segmentation_has_no_regions(a_scene, a_hostile_grid: Grid) -> None:
    node = a_scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    assert segmentations.regions_from_segmentation(node, a_hostile_grid) == ({}, ())


@pytest.fixture
def conversion_rules():
    """Slicer registers them when it starts."""
    factory = slicer.vtkSegmentationConverterFactory.GetInstance()
    rules = [slicer.vtkClosedSurfaceToBinaryLabelmapConversionRule()]
    for rule in rules:
        factory.RegisterConverterRule(rule)
    yield
    for rule in rules:
        factory.UnregisterConverterRule(rule)


@pytest.mark.usefixtures("conversion_rules")
@pytest.mark.parametrize("kind", [fixed for fixed, _ in SIX_PAIRS])
def test_a_segment_that_is_only_a_surface_is_converted_on_a_copy(kind: str, a_scene) -> None:
    node = a_surface_segmentation(a_scene, LANDMARKS[0])
    (region,) = segmentations.regions_from_segmentation(node, fixed_grid(kind))[0].values()
    np.testing.assert_allclose(region.centroid_lps_mm(), LANDMARKS[0], atol=0.3)
    assert region.volume_ml == pytest.approx(4 / 3 * np.pi * 8**3 / 1000, rel=0.08)
    assert not node.GetSegmentation().ContainsRepresentation("Binary labelmap")


def test_a_warp_or_shear_above_is_refused(a_node, some_regions: list[Region]) -> None:
    put_under(a_node, SHEARED)
    with pytest.raises(GeometryError, match="'regions' cannot be used under its transform"):
        segmentations.regions_from_segmentation(a_node, some_regions[0].grid)
    put_under_a_warp(a_node)
    with pytest.raises(InputError, match="'regions' is under 'warp'"):
        segmentations.regions_from_segmentation(a_node, some_regions[0].grid)


# --- what is said about a segment ---


@pytest.mark.parametrize(
    ("status", "shown"),
    [("accepted", "Completed"), ("rejected", "Flagged"), ("unpaired", "NotStarted"), ("waiting", "NotStarted")],
)
def test_a_decision_is_shown_as_the_segments_status(status: str, shown: str, a_node) -> None:
    logic, segment_id = slicer.vtkSlicerSegmentationsModuleLogic, ids_of(a_node)[0]
    segmentations.describe_segment(a_node, segment_id, status="accepted")
    segmentations.describe_segment(a_node, segment_id, status=status, similarity=0.25)
    segment = a_node.GetSegmentation().GetSegment(segment_id)
    assert logic.GetSegmentStatus(segment) == getattr(logic, shown)
    assert segmentations.tag_of(segment, "Tell2Reg.Status") == status
    assert segmentations.tag_of(segment, "Tell2Reg.Similarity") == "0.25"


def test_what_is_not_said_stays_and_nothing_is_modified_twice(a_node) -> None:
    segment = a_node.GetSegmentation().GetNthSegment(0)
    message = {"name": "prostate", "color": color_of(5), "status": "rejected", "similarity": 0.5, "prompt": "gland"}
    segmentations.describe_segment(a_node, ids_of(a_node)[0], **message)
    before = segment.GetMTime()
    segmentations.describe_segment(a_node, ids_of(a_node)[0], **message)
    segmentations.describe_segment(a_node, ids_of(a_node)[0], status="rejected")
    assert segment.GetMTime() == before
    assert segment.GetName() == "prostate"
    assert segmentations.tag_of(segment, "Tell2Reg.Score") == "0.875"


def test_known_anatomy_gets_slicers_terminology(a_node) -> None:
    segment = a_node.GetSegmentation().GetNthSegment(0)
    entry = segmentations.tag_of(segment, "TerminologyEntry")
    logic = slicer.vtkSlicerTerminologiesModuleLogic()
    parsed = slicer.vtkSlicerTerminologyEntry()
    assert logic.DeserializeTerminologyEntry(entry, parsed)
    assert parsed.GetTypeObject().GetCodeMeaning() == "Prostate"
    assert parsed.GetCategoryObject().GetCodeMeaning() == "Anatomical Structure"
    assert parsed.GetTerminologyContextName().startswith("Segmentation category and type")
    segmentations.describe_segment(a_node, ids_of(a_node)[1], name="right seminal vesicle")
    second_tag = segmentations.tag_of(a_node.GetSegmentation().GetNthSegment(1), "TerminologyEntry")
    assert logic.DeserializeTerminologyEntry(second_tag, parsed)
    assert parsed.GetTypeModifierObject().GetCodeMeaning() == "Right"


def test_a_renamed_segment_is_no_longer_the_anatomy_it_was(a_node) -> None:
    segment = a_node.GetSegmentation().GetNthSegment(0)
    segmentations.describe_segment(a_node, ids_of(a_node)[0], name="dark spot")
    assert not segmentations.tag_of(segment, "TerminologyEntry")
    segmentations.describe_segment(a_node, ids_of(a_node)[0], name="rectum")
    assert "34402009" in segmentations.tag_of(segment, "TerminologyEntry")


def test_everything_is_there_again_after_saving(a_node, a_scene, some_regions: list[Region], tmp_path) -> None:
    segmentations.describe_segment(a_node, ids_of(a_node)[0], status="accepted", similarity=0.75)
    opened = reloaded(a_scene, tmp_path)
    again = opened.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    regions, _ = segmentations.regions_from_segmentation(again, some_regions[0].grid)
    assert list(regions) == ids_of(a_node)
    for back, region in zip(regions.values(), some_regions, strict=True):
        np.testing.assert_array_equal(back.mask_kji(), region.mask_kji())
        assert (back.name, back.prompt, back.score) == (region.name, region.prompt, region.score)
    segment, logic = again.GetSegmentation().GetNthSegment(0), slicer.vtkSlicerSegmentationsModuleLogic
    assert segmentations.tag_of(segment, "Tell2Reg.Similarity") == "0.75"
    assert logic.GetSegmentStatus(segment) == logic.Completed
    assert "41216001" in segmentations.tag_of(segment, "TerminologyEntry")


# --- propagation ---


@pytest.mark.parametrize(("fixed", "moving"), SIX_PAIRS)
def test_a_carried_segmentation_is_what_the_library_carries(fixed: str, moving: str, a_scene, values_of) -> None:
    transform = a_wavy_transform(fixed, moving)
    on_moving = transform.apply_to_points(LANDMARKS)
    drawn = {"ball": a_ball(moving_grid(moving), on_moving[0]), "other": a_ball(moving_grid(moving), on_moving[1], 5)}
    node = drawn_by_hand(a_scene, drawn, moving_grid(moving))
    segmentations.describe_segment(node, ids_of(node)[0], name="Bladder", color=(0.25, 0.5, 1.0), status="accepted")
    target = a_volume_node(a_scene, values_of(fixed_grid(fixed)), fixed_grid(fixed))
    copy = segmentations.propagate_segmentation(node, transform, target, a_scene, "carried")
    regions, _ = segmentations.regions_from_segmentation(copy, fixed_grid(fixed))
    for region, (name, mask), position in zip(regions.values(), drawn.items(), LANDMARKS, strict=False):
        expected = warp_region(Region.from_mask(name, mask, moving_grid(moving)), transform)
        np.testing.assert_array_equal(region.mask_kji(), expected.mask_kji())
        np.testing.assert_allclose(region.centroid_lps_mm(), position, atol=0.5)
    segment = copy.GetSegmentation().GetNthSegment(0)
    assert (segment.GetName(), segment.GetColor()) == ("Bladder", (0.25, 0.5, 1.0))
    assert "89837001" in segmentations.tag_of(segment, "TerminologyEntry")
    assert copy.GetName() == "carried"
    assert len(places_in_slicer(node, ids_of(node)[0])) == drawn["ball"].sum()


def test_a_segmentation_under_a_transform_is_carried_from_where_it_is_shown(a_scene, values_of) -> None:
    transform = a_wavy_transform("oblique", "left-handed")
    grid, on_moving = moving_grid("left-handed"), transform.apply_to_points(LANDMARKS)
    back = np.linalg.inv(TURNED)
    node = drawn_by_hand(a_scene, {"ball": a_ball(grid, on_moving[0])}, grid.moved_by(back))
    put_under(node, TURNED)
    target = a_volume_node(a_scene, values_of(fixed_grid("oblique")), fixed_grid("oblique"))
    copy = segmentations.propagate_segmentation(node, transform, target, a_scene, "carried")
    (region,) = segmentations.regions_from_segmentation(copy, fixed_grid("oblique"))[0].values()
    np.testing.assert_allclose(region.centroid_lps_mm(), LANDMARKS[0], atol=0.3)
    assert copy.GetParentTransformNode() is None


def test_a_segmentation_that_lands_nowhere_is_told(a_node, some_regions: list[Region], a_volume, a_scene) -> None:
    far = Grid((4, 3, 2), (1, 2, 3), (9000, 0, 0))
    nowhere = affine_transform("rigid", np.eye(4), far, some_regions[0].grid)
    with pytest.raises(NothingFound, match="No segment of 'regions' is inside 'MR'"):
        segmentations.propagate_segmentation(a_node, nowhere, a_volume, a_scene, "carried")
    assert a_scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1
