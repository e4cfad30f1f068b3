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
from PIL import Image

from Tell2RegLib.errors import OutputError
from Tell2RegLib.evaluation.metrics import FieldQuality
from Tell2RegLib.evaluation.target_trust import TargetTrust
from Tell2RegLib.results.report import render_report, write_report
from Tell2RegLib.results.report import statements as words
from Tell2RegLib.results.report.displacements import largest_in_regions_mm
from Tell2RegLib.results.result import NOTICE, Fitted, PairMetrics, RegistrationResult, Summary, Target
from Tell2RegLib.space.displacement_field import DisplacementField
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.region import RegionPair
from Tell2RegLib.space.transform import affine_transform
from Tell2RegLib.space.volume import Volume
from Testing.Python.conftest import HOSTILE_GRIDS
from Testing.Python.results.scans import CENTRE, a_pair, ball, scan_grid

# --- whole reports ---

HOSTILE_NAME = "<script>alert('x')</script> & \"gland\""


def metrics_of(pair: RegionPair, after: float | None = 0.9) -> PairMetrics:
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
        metrics=tuple(metrics_of(pair) for pair in pairs),
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


def test_doubtful_pairs_and_remarks_about_the_volumes_are_stated() -> None:
    grid = scan_grid((1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    pair = dataclasses.replace(a_pair(grid), weight=0.3, reason="doubtful, counts 30 %: 40 mm from elsewhere")
    result = a_result(grid, (pair,), pair_remarks=("One volume looks mirrored.",))
    result = dataclasses.replace(result, metrics=(dataclasses.replace(metrics_of(pair), weight=0.3),))
    remarks = {remark.text: remark.kind for remark in words.remarks(result, {})}
    assert remarks["One volume looks mirrored."] == "look"
    doubtful = f"Doubtful, so they count less in the fit: {pair.name}. The table of region pairs says why."
    assert remarks[doubtful] == "look"
    assert "counts 30 %" in render_report(result)


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
    page = Page(render_report(result))
    assert "unregistered, the moving volume does not overlap these planes" in page.text
    assert "warped to fixed space, does not overlap these planes" in page.text
    assert "Checkerboard" not in page.text
    assert len([tag for tag, _ in page.tags if tag == "image"]) == 3 * 3  # fixed, displacement, volume change


def test_a_pair_that_does_not_overlap_in_the_end_is_not_a_plain_yes(an_oblique_grid: Grid) -> None:
    pairs = (a_pair(an_oblique_grid), a_pair(an_oblique_grid, "bladder"))
    result = a_result(an_oblique_grid, pairs)
    after = tuple(metrics_of(pair, value) for pair, value in zip(pairs, (0.0, 0.9), strict=True))
    text = render_report(dataclasses.replace(result, metrics=after))
    assert text.count("used, but no overlap") == 1
    assert text.count("<td>yes</td>") == 1


def test_displacements_are_stated_within_the_regions_and_beyond_the_affine_part(an_oblique_grid: Grid) -> None:
    pair = a_pair(an_oblique_grid, "bladder", (8, 0, 0))
    linear = a_result(an_oblique_grid, (pair,))
    assert largest_in_regions_mm(linear) == pytest.approx((8.0, 0.0), abs=1e-6)
    assert "Displacement beyond the affine part" not in render_report(linear)
    assert linear.fitted is not None
    vectors = np.zeros((*an_oblique_grid.shape_kji, 3))
    vectors[..., 0] = 8.0
    vectors[pair.fixed.slices_kji][..., 1] += 3.0
    field = DisplacementField(vectors, an_oblique_grid)
    bent = dataclasses.replace(linear.fitted.transform, kind="svf", fixed_to_moving=field)
    result = dataclasses.replace(linear, fitted=dataclasses.replace(linear.fitted, transform=bent))
    assert largest_in_regions_mm(result) == pytest.approx((np.hypot(8, 3), 3.0), abs=1e-4)
    page = Page(render_report(result))
    assert "Displacement beyond the affine part" in page.text
    assert "8.5 mm (3.0 mm)" in page.text


def test_what_could_not_be_measured_is_a_dash(an_oblique_grid: Grid) -> None:
    pair = a_pair(an_oblique_grid, shift=(8, 0, 0))
    result = a_result(an_oblique_grid, (pair,))
    lost = dataclasses.replace(result, metrics=(metrics_of(pair, after=None),))
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
        result = a_result(grid, (pair,) * 3, metrics=(metrics_of(pair, after),) * 3)
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
        ({"strain": {"gland": (0.3, 1.1)}}, "Local volume changes by a factor below 0.5 or above 2 within: gland"),
        ({"strain": {"gland": (0.9, 2.2)}}, "Local volume changes by a factor below 0.5 or above 2 within: gland"),
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


def test_targets_with_radii_within_the_tolerance_are_said_to_be_so(an_oblique_grid: Grid) -> None:
    result = a_result(an_oblique_grid, (a_pair(an_oblique_grid),), targets=(a_target("apex", {}),))
    texts = [remark.text for remark in words.remarks(result, {}) if remark.kind == "good"]
    assert "The radius around every target is within the tolerance." in texts


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
