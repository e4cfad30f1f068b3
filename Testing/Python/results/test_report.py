"""The report: pictures as radiologists look at them, on any geometry; words that are escaped; nothing from outside."""

from __future__ import annotations

import base64
import dataclasses
import io
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from Tell2RegLib.errors import OutputError
from Tell2RegLib.evaluation.metrics import FieldQuality
from Tell2RegLib.evaluation.target_trust import TargetTrust
from Tell2RegLib.results.report import pictures, planes, render_report, write_report
from Tell2RegLib.results.report import text as words
from Tell2RegLib.results.result import NOTICE, Fitted, PairMetrics, RegistrationResult, Summary, Target
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.region import Region, RegionPair
from Tell2RegLib.space.transform import affine_transform
from Tell2RegLib.space.volume import Volume
from Testing.Python.conftest import HOSTILE_GRIDS

CENTRE = np.array([12.0, -7.0, 30.0])


def scan_grid(direction: tuple[float, ...], spacing: tuple[float, float, float] = (1.0, 1.5, 2.5)) -> Grid:
    """A grid of about 60 mm around CENTRE."""
    size = tuple(round(60 / s) for s in spacing)
    at_zero = Grid(size, spacing, (0, 0, 0), direction)  # type: ignore[arg-type]
    origin = CENTRE - at_zero.index_to_lps((np.asarray(size) - 1) / 2)
    return dataclasses.replace(at_zero, origin_lps_mm=tuple(origin))


@pytest.fixture(params=[grid.direction for grid in HOSTILE_GRIDS.values()], ids=list(HOSTILE_GRIDS))
def a_scan_grid(request: pytest.FixtureRequest) -> Grid:
    return scan_grid(request.param)


def ball(name: str, grid: Grid, centre: np.ndarray, radius_mm: float) -> Region:
    away = np.linalg.norm(grid.voxel_centres_lps_mm() - centre, axis=-1)
    return Region.from_mask(name, away <= radius_mm, grid)


def a_pair(grid: Grid, name: str = "gland", shift: tuple = (0, 0, 0), radius_mm: float = 9.0) -> RegionPair:
    centre = CENTRE + [4, 6, -3]
    return RegionPair(ball(name, grid, centre, radius_mm), ball(name, grid, centre + shift, radius_mm))


# --- planes ---


def test_pictures_show_the_patient_as_radiologists_look_at_them(a_scan_grid: Grid) -> None:
    """Patient's right on the left of axial and coronal, anterior up or left, superior up, for every scan direction."""
    axial, coronal, sagittal = planes.planes_through([], a_scan_grid)
    for plane, across, down in ((axial, (0, 1), (1, 1)), (coronal, (0, 1), (2, -1)), (sagittal, (1, 1), (2, -1))):
        step_right = plane.points_lps_mm[0, 1] - plane.points_lps_mm[0, 0]
        step_down = plane.points_lps_mm[1, 0] - plane.points_lps_mm[0, 0]
        np.testing.assert_allclose(step_right, plane.pixel_mm * across[1] * np.eye(3)[across[0]], atol=1e-9)
        np.testing.assert_allclose(step_down, plane.pixel_mm * down[1] * np.eye(3)[down[0]], atol=1e-9)
    assert [plane.letters for plane in (axial, coronal, sagittal)] == ["RLAP", "RLSI", "APSI"]


def test_a_landmark_is_seen_on_its_own_side_whatever_the_scan_direction(a_scan_grid: Grid) -> None:
    """A bright spot left, anterior and superior of the centre: right and up in axial, right and up in coronal."""
    spot = CENTRE + [10, -8, 6]
    away = np.linalg.norm(a_scan_grid.voxel_centres_lps_mm() - spot, axis=-1)
    volume = Volume(np.exp(-((away / 4) ** 2)).astype(np.float32), a_scan_grid)
    for plane in planes.planes_through([a_pair(a_scan_grid)], a_scan_grid):
        normal = int(np.argmin(np.ptp(plane.points_lps_mm.reshape(-1, 3), axis=0)))
        points = plane.points_lps_mm.copy()
        points[..., normal] = spot[normal]
        values = planes.read_volume_at(volume, points)
        row, column = np.unravel_index(np.nanargmax(values), values.shape)
        detected, expected = points[row, column], spot
        np.testing.assert_allclose(detected, expected, atol=1.6)
        middle = (np.array(values.shape) - 1) / 2
        if plane.name == "axial":
            assert row < middle[0]
            assert column > middle[1]


def test_planes_go_through_the_regions(a_scan_grid: Grid) -> None:
    pair = a_pair(a_scan_grid)
    axial, coronal, sagittal = planes.planes_through([pair], a_scan_grid)
    centroid = pair.fixed.centroid_lps_mm()
    assert abs(axial.points_lps_mm[0, 0, 2] - centroid[2]) < 4
    assert abs(coronal.points_lps_mm[0, 0, 1] - centroid[1]) < 4
    assert abs(sagittal.points_lps_mm[0, 0, 0] - centroid[0]) < 4


@pytest.mark.parametrize("size", [(9, 7, 1), (1, 8, 6), (1, 1, 1)])
def test_planes_go_through_regions_of_one_slice_and_one_voxel(a_scan_grid: Grid, size: tuple[int, int, int]) -> None:
    mask = np.zeros(a_scan_grid.shape_kji, dtype=bool)
    (i, j, k), (ni, nj, nk) = (n // 3 for n in a_scan_grid.size_xyz), size
    mask[k : k + nk, j : j + nj, i : i + ni] = True
    thin = Region.from_mask("thin", mask, a_scan_grid)
    shown = planes.planes_through([RegionPair(thin, thin)], a_scan_grid)
    for plane, axis in zip(shown, (2, 1, 0), strict=True):
        reach = np.ptp(thin.points_lps_mm()[:, axis]) / 2 + 2.0
        assert abs(plane.points_lps_mm[0, 0, axis] - thin.centroid_lps_mm()[axis]) < reach


def test_a_round_region_is_round_and_as_large_as_it_is(a_scan_grid: Grid) -> None:
    pair = a_pair(a_scan_grid, radius_mm=12)
    for plane in planes.planes_through([pair], a_scan_grid):
        inside = planes.read_region_at(pair.fixed, plane.points_lps_mm) > 0.5
        assert inside.sum() * plane.pixel_mm**2 == pytest.approx(np.pi * 12**2, rel=0.12)
        rows, columns = (np.flatnonzero(inside.any(axis=axis)).size for axis in (1, 0))
        assert rows / columns == pytest.approx(1, abs=0.15)


def test_pictures_are_no_larger_than_they_need_to_be() -> None:
    for plane in planes.planes_through([], Grid((500, 400, 300), (0.7, 0.7, 1))):
        assert max(plane.width, plane.height) <= planes.LONGEST_SIDE_PX


def test_a_position_is_told_as_slicer_tells_it() -> None:
    axial, coronal, sagittal = planes.planes_through([], Grid((11, 11, 11), (1, 1, 1), (-9.0, 2.0, -30.0)))
    assert (axial.position, coronal.position, sagittal.position) == ("I 25.0 mm", "P 7.0 mm", "R 4.0 mm")


def test_values_on_a_plane_are_what_simpleitk_interpolates(a_scan_grid: Grid) -> None:
    values = np.random.default_rng(0).normal(size=a_scan_grid.shape_kji).astype(np.float32)
    image = sitk.GetImageFromArray(values)
    image.SetSpacing(a_scan_grid.spacing_mm)
    image.SetOrigin(a_scan_grid.origin_lps_mm)
    image.SetDirection(a_scan_grid.direction)
    points = CENTRE + np.random.default_rng(1).uniform(-12, 12, (4, 5, 3))
    expected = [image.EvaluateAtPhysicalPoint(point.tolist()) for point in points.reshape(-1, 3)]
    np.testing.assert_allclose(planes.read_volume_at(Volume(values, a_scan_grid), points).ravel(), expected, atol=1e-4)


def test_outside_the_volume_there_is_nothing(a_scan_grid: Grid) -> None:
    volume = Volume(np.ones(a_scan_grid.shape_kji, np.int16), a_scan_grid)
    assert np.isnan(planes.read_volume_at(volume, np.full((2, 2, 3), 999.0))).all()


def test_a_moved_region_lies_on_its_partner(a_scan_grid: Grid) -> None:
    """Fixed to moving is +8 mm to the left: the moving gland read at the moved points is where the fixed one is."""
    pair = a_pair(a_scan_grid, shift=(8, 0, 0))
    shift = np.eye(4)
    shift[0, 3] = 8
    transform = affine_transform("rigid", shift, a_scan_grid, a_scan_grid)
    plane = planes.planes_through([pair], a_scan_grid)[0]
    fixed = planes.read_region_at(pair.fixed, plane.points_lps_mm) > 0.5
    before = planes.read_region_at(pair.moving, plane.points_lps_mm) > 0.5
    after = planes.read_region_at(pair.moving, transform.apply_to_points(plane.points_lps_mm)) > 0.5
    assert (fixed & after).sum() / (fixed | after).sum() > 0.9
    assert (fixed & before).sum() / (fixed | before).sum() < 0.6


# --- pixels ---


def test_volume_change_is_blue_below_one_white_at_one_red_above_and_magenta_when_folded() -> None:
    below, item, above, folded = pictures.change_colors(np.array([0.5, 1.0, 2.0, -0.1], np.float32), 2.0).astype(int)
    assert below[2] > below[0] + 80
    assert above[0] > above[2] + 80
    assert np.ptp(item) < 3
    assert item.min() > 240
    assert tuple(folded) == pictures.FOLDED


def test_doubling_and_halving_are_equally_far_from_one() -> None:
    assert tuple(pictures.change_colors(np.array([1 / 3, 3.0], np.float32), 3.0)[0]) == (20, 60, 130)
    assert tuple(pictures.change_colors(np.array([1 / 3, 3.0], np.float32), 3.0)[1]) == (130, 15, 40)


def test_a_checkerboard_takes_both_pictures_in_turn() -> None:
    board = pictures.checkerboard(np.zeros((80, 80), np.uint8), np.full((80, 80), 200, np.uint8))
    assert (board[5, 5], board[5, 15], board[15, 5], board[15, 15]) == (0, 200, 200, 0)


def test_a_constant_or_empty_picture_is_still_a_picture() -> None:
    constant = np.full((9, 9), 7, np.float32)
    nothing = np.full((9, 9), np.nan, np.float32)
    for values in (constant, nothing):
        assert pictures.grey(values, pictures.window_of([values])).shape == (9, 9)


def test_an_outline_runs_where_the_region_ends() -> None:
    share = np.zeros((20, 30), np.float32)
    share[5:10, 12:20] = 1
    plane = planes.Plane("axial", np.zeros((20, 30, 3)), 1.0, "RLAP", "S 0.0 mm")
    svg = pictures.picture(plane, np.zeros((20, 30), np.uint8), "x", [pictures.Outline("gland", share, (1, 0, 0))])
    path = re.search(r'<path d="(M[^"]+)" stroke="#ff0000"', svg)
    assert path is not None
    numbers = np.array(re.findall(r"([\d.]+) ([\d.]+)", path[1]), float)
    np.testing.assert_allclose(numbers.min(axis=0), [12, 5], atol=0.05)
    np.testing.assert_allclose(numbers.max(axis=0), [20, 10], atol=0.05)


# --- whole reports ---

HOSTILE_NAME = "<script>alert('x')</script> & \"gland\""


def told(pair: RegionPair, after: float | None = 0.9) -> PairMetrics:
    return PairMetrics(
        pair.name, pair.prompt, pair.similarity, pair.accepted, pair.reason, 0.5, after, 8.0, 0.5, 7.0, 1.5, 3.1, 3.0
    )


def a_target(name: str, errors_mm: dict[str, float], **more: object) -> Target:
    """Carried 8 mm to the patient's right, 3.2 mm from the bladder."""
    trust = TargetTrust(
        name=name,
        moving_lps_mm=CENTRE,
        fixed_lps_mm=CENTRE - [8, 0, 0],
        moved_mm=8.0,
        nearest_mm=3.2,
        nearest_name="bladder",
        det_j=1.0,
        spread_mm=0.5,
        inside_volume=True,
        verdict="good",
        reasons=("Lies 3.2 mm from the nearest accepted region (bladder).",),
    )
    return Target(dataclasses.replace(trust, **more), errors_mm)


def a_result(grid: Grid, pairs: tuple[RegionPair, ...], **more: object) -> RegistrationResult:
    matrix = np.eye(4)
    matrix[:3, 3] = (8, 0, 0)
    transform = affine_transform("affine", matrix, grid, grid)
    values = np.random.default_rng(0).integers(0, 1000, grid.shape_kji).astype(np.int16)
    fixed, moving = Volume(values, grid, "fixed.nii.gz"), Volume(values, grid, "moving <em>.nii.gz")
    quality = FieldQuality(folding_percent=0.0, min_jacobian=1.0, sdlogj=0.0, sdlogj_l2r=0.0, max_displacement_mm=8.0)
    carried = tuple(None for _ in pairs)
    result = RegistrationResult(
        status="ok",
        reason="",
        fixed=fixed,
        moving=moving,
        pairs=pairs,
        unpaired_fixed=(),
        unpaired_moving=(ball("lonely <u>", grid, CENTRE, 4),),
        metrics=tuple(told(pair) for pair in pairs),
        summary=Summary(0.5, 0.9, 8.0, 0.5),
        fitted=Fitted(transform, matrix, matrix, quality, (0.001, 0.01), moving, carried),
        targets=(
            a_target("apex <u>", {"before": 8.0, "rigid": 2.0, "affine": 1.0}),
            a_target("base", {}),
        ),
        timing_s={"fit": 12.34, "total": 20.0},
        provenance={
            "date": "2030-01-02T03:04:05+00:00",
            "inputs": [{"role": "fixed", "name": "fixed <em>.nii.gz", "bytes": 7, "sha256": "ab" * 32}],
            "parameters": {"kind": "affine", "margin_mm": 20.0},
            "prompts": [],
            "seed": None,
        },
    )
    return dataclasses.replace(result, **more)


@pytest.fixture(scope="module", params=["oblique", "oblique and left-handed"])
def a_report(request: pytest.FixtureRequest) -> str:
    grid = scan_grid(HOSTILE_GRIDS[request.param].direction)
    good = a_pair(grid, "bladder", (8, 0, 0))
    bad = a_pair(grid, HOSTILE_NAME, (20, 0, 0), 5.0).rejected("31 mm from <where> the others put it")
    return render_report(a_result(grid, (good, bad)))


@pytest.fixture
def an_oblique_grid() -> Grid:
    return scan_grid(HOSTILE_GRIDS["oblique and left-handed"].direction)


class Page(HTMLParser):
    """Tags with their attributes, the text, and whether every tag is closed in order."""

    VOID = frozenset({"meta", "br", "path", "image"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_report_is_sound_html_with_every_picture_inside(a_report: str) -> None:
    page = Page(a_report)
    assert not page.open
    images = [attributes["href"] for tag, attributes in page.tags if tag == "image"]
    assert len(images) == 7 * 3
    for address in images:
        kind, data = (address or "").split(",")
        assert kind == "data:image/jpeg;base64"
        Image.open(io.BytesIO(base64.b64decode(data))).verify()


def test_a_report_asks_nothing_from_outside(a_report: str) -> None:
    assert "http" not in re.sub(r"http-equiv", "", a_report)
    assert "url(" not in a_report
    assert "//" not in re.sub(r"base64,[A-Za-z0-9+/=]+", "", a_report)
    tags = Page(a_report).tags
    assert not {"script", "link", "iframe", "object", "form", "base"} & {tag for tag, _ in tags}
    assert all("src" not in attributes for _, attributes in tags)
    assert "default-src 'none'" in a_report


def test_names_from_files_are_shown_and_never_run(a_report: str) -> None:
    page = Page(a_report)
    for name in (HOSTILE_NAME, "moving <em>.nii.gz", "lonely <u>", "apex <u>", "fixed <em>.nii.gz", "from <where> the"):
        assert name in page.text
    assert not {"u", "em", "where", "script"} & {tag for tag, _ in page.tags}


def test_the_notice_stands_first_and_last(a_report: str) -> None:
    text = Page(a_report).text.split("</style>")[-1]
    body = a_report[a_report.index("<body>") :]
    assert NOTICE in body[:200]
    assert NOTICE in body[-200:]
    assert text.count(NOTICE) == 2


def test_numbers_of_the_result_are_in_the_report(a_report: str) -> None:
    text = Page(a_report).text
    for shown in (
        "1 of 2",
        "0.50 → 0.90",
        "8.0 → 0.5 mm",
        "12.3 s",
        "ab" * 32,
        "2030-01-02 03:04 UTC",
        "Affine transform",
    ):
        assert shown in text
    assert "Not used in the fit" in text


def test_nothing_found_is_a_report_too(an_oblique_grid: Grid) -> None:
    rejected = a_pair(an_oblique_grid).rejected("unlike")
    empty = Summary(None, None, None, None)
    result = a_result(an_oblique_grid, (rejected,), status="no_pairs", reason="No word was found in both.", fitted=None)
    page = Page(render_report(dataclasses.replace(result, summary=empty, targets=())))
    assert "No word was found in both." in page.text
    assert len([tag for tag, _ in page.tags if tag == "image"]) == 2 * 3


def test_a_report_without_any_pair_and_without_provenance_is_written(an_oblique_grid: Grid) -> None:
    result = a_result(an_oblique_grid, (), status="no_pairs", reason="Nothing.", fitted=None, targets=(), provenance={})
    assert "No regions were paired." in Page(render_report(dataclasses.replace(result, timing_s={}))).text


def test_scans_that_do_not_overlap_are_said_not_to() -> None:
    grid = scan_grid((1, 0, 0, 0, 1, 0, 0, 0, 1))
    far = dataclasses.replace(grid, origin_lps_mm=(900, 900, 900))
    result = a_result(grid, (a_pair(grid),))
    result = dataclasses.replace(result, moving=Volume(np.ones(far.shape_kji), far, "moving"))
    assert "does not overlap these planes" in render_report(result)


def test_what_could_not_be_measured_is_a_dash(an_oblique_grid: Grid) -> None:
    pair = a_pair(an_oblique_grid, shift=(8, 0, 0))
    result = a_result(an_oblique_grid, (pair,))
    lost = dataclasses.replace(result, metrics=(told(pair, after=None),))
    text = Page(render_report(lost)).text
    assert "0.50 → –" in text
    assert "Outside the fixed volume after warping: gland" in text


def test_the_same_result_gives_the_same_report(an_oblique_grid: Grid) -> None:
    result = a_result(an_oblique_grid, (a_pair(an_oblique_grid),))
    assert render_report(result) == render_report(result)


def test_a_report_is_written_as_one_utf8_file(tmp_path: Path) -> None:
    grid = scan_grid((1, 0, 0, 0, 1, 0, 0, 0, 1))
    result = a_result(grid, (a_pair(grid, "Dünndarm"),))
    write_report(result, tmp_path / "report.html")
    assert "Dünndarm" in (tmp_path / "report.html").read_bytes().decode()
    with pytest.raises(OutputError, match="cannot be written"):
        write_report(result, tmp_path / "nowhere" / "report.html")


# --- words ---


@pytest.fixture
def remarks_of() -> Callable[..., dict[str, str]]:
    """The remarks of a result with some numbers changed, text by kind."""
    grid = scan_grid((1, 0, 0, 0, 1, 0, 0, 0, 1))

    def make(strain: words.Strain | None = None, after: float = 0.9, **quality: float) -> dict[str, str]:
        pair = a_pair(grid)
        result = a_result(grid, (pair,) * 3, metrics=(told(pair, after),) * 3)
        assert result.fitted is not None
        inverse = (quality.pop("inverse_mean", 0.001), quality.pop("inverse_max", 0.01))
        changed = dataclasses.replace(result.fitted.quality, **quality)
        fitted = dataclasses.replace(result.fitted, quality=changed, inverse_error_mm=inverse)
        detected = words.remarks(dataclasses.replace(result, fitted=fitted), strain or {})
        return {kind: " ".join(r.text for r in detected if r.kind == kind) for kind in ("good", "look", "note")}

    return make


def test_a_sound_result_has_nothing_to_look_at_but_the_extrapolation(remarks_of: Callable) -> None:
    detected = remarks_of()
    assert detected["look"] == ""
    assert "does not fold" in detected["good"]
    assert "extrapolation" in detected["note"]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"folding_percent": 0.002}, "folds in < 0.01 %"),
        ({"after": 0.4}, "Overlap less than before: gland"),
        ({"after": 0.6}, "Overlap poorly, Dice below 0.7: gland (0.60)"),
        ({"inverse_max": 2.0}, "High inverse-consistency error"),
        ({"inverse_mean": float("nan")}, "do not overlap, so the inverse"),
        ({"strain": {"gland": (0.3, 1.1)}}, "Local volume changes more than twofold within: gland"),
        ({"strain": {"gland": (0.9, 2.2)}}, "Local volume changes more than twofold within: gland"),
    ],
)
def test_what_is_wrong_is_said_in_words(changes: dict, text: str, remarks_of: Callable) -> None:
    assert text in remarks_of(**changes)["look"]


def test_a_simpler_transform_that_serves_the_targets_better_is_named() -> None:
    grid = scan_grid((1, 0, 0, 0, 1, 0, 0, 0, 1))
    errors = {"before": 8.0, "rigid": 2.0, "affine": 3.5}
    result = a_result(grid, (a_pair(grid),) * 3, targets=(a_target("x", errors),))
    texts = [remark.text for remark in words.remarks(result, {})]
    assert "For these targets the rigid transform is better: mean error 2.0 mm." in texts


def test_targets_that_are_doubtful_are_named_and_told_why(an_oblique_grid: Grid) -> None:
    why = "Rigid, affine and fitted transform disagree by 17 mm there."
    targets = (
        a_target("apex", {}),
        a_target("base", {}, verdict="check"),
        a_target("node", {}, verdict="do not trust", reasons=(why,), nearest_mm=None, nearest_name=""),
    )
    text = Page(render_report(a_result(an_oblique_grid, (a_pair(an_oblique_grid),), targets=targets))).text
    assert "Do not trust the position of node: the table of targets gives the reasons." in text
    assert "Check the position of base: the table of targets gives the reasons." in text
    assert f"do not trust: {why}" in text
    assert "3.2 mm from bladder" in text


def test_targets_that_nothing_speaks_against_are_said_to_be_so(an_oblique_grid: Grid) -> None:
    result = a_result(an_oblique_grid, (a_pair(an_oblique_grid),), targets=(a_target("apex", {}),))
    texts = [remark.text for remark in words.remarks(result, {}) if remark.kind == "good"]
    assert "No rule objects to the position of any target." in texts


def test_a_trace_of_folding_is_not_rounded_to_none() -> None:
    assert words.percent(0.004) == "< 0.01 %"
    assert words.percent(0.0) == "0 %"
    assert words.percent(1.234) == "1.23 %"


def test_positions_are_told_in_the_patients_directions() -> None:
    assert words.position((12.0, -4.12, 8.0)) == "L 12.0, A 4.1, S 8.0"
    assert words.position((-12.0, 4.12, -8.0)) == "R 12.0, P 4.1, I 8.0"


def test_mean_errors_keep_the_order_of_the_method() -> None:
    grid = scan_grid((1, 0, 0, 0, 1, 0, 0, 0, 1))
    errors = {"deformable": 1.0, "affine": 2.0, "rigid": 3.0, "before": 4.0}
    result = a_result(grid, (a_pair(grid),), targets=(a_target("x", errors), a_target("y", {})))
    assert words.mean_errors(result) == {"before": 4.0, "rigid": 3.0, "affine": 2.0, "deformable": 1.0}
    assert list(words.mean_errors(result)) == ["before", "rigid", "affine", "deformable"]


@pytest.mark.parametrize(("names", "text"), [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")])
def test_lists_read_like_a_sentence(names: list[str], text: str) -> None:
    assert words.listed(names) == text


def test_provenance_is_a_line_per_input_and_one_for_all_parameters() -> None:
    grid = scan_grid((1, 0, 0, 0, 1, 0, 0, 0, 1))
    lines = {line["name"]: line["value"] for line in words.provenance(a_result(grid, ()))}
    assert lines == {
        "date": "2030-01-02T03:04:05+00:00",
        "fixed": "fixed <em>.nii.gz, bytes 7, sha256 " + "ab" * 32,
        "parameters": "kind affine, margin mm 20.0",
    }
