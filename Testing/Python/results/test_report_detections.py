"""The report's pictures of what the words found: every box with its word, a colour per pair, nothing unescaped."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from Tell2RegLib.matching import MatchSettings
from Tell2RegLib.models.protocol import Box, Mask
from Tell2RegLib.region_sources.source_result import Detection, SourceResult
from Tell2RegLib.results.report.detections import busiest_slice, detection_rows, slice_plane
from Tell2RegLib.results.report.pictures import Tag, picture
from Tell2RegLib.results.report.render import render_report
from Tell2RegLib.results.result import RegistrationResult
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.volume import Volume
from Testing.Python.by_words import PROMPTS, Bench, a_bench


@pytest.fixture(scope="module")
def bench() -> Bench:
    return a_bench()


@pytest.fixture(scope="module")
def result(bench: Bench) -> RegistrationResult:
    truth = (bench.pair.fixed.regions(), bench.pair.moving.regions())
    return bench.run(bench.words(*PROMPTS, "dog"), true_regions=truth)


def texts_of(svg: str) -> list[str]:
    return re.findall(r'class="tag">([^<]*)<', svg)


def test_the_report_tells_of_every_prompt_and_says_which_found_nothing(result: RegistrationResult) -> None:
    page = render_report(result)
    section = page.split("<h2>Detections by prompt</h2>")[1].split("<h2>")[0]
    for prompt in (*PROMPTS, "dog"):
        assert f">{prompt}</td>" in section
    assert "&#39;dog&#39;: nothing detected on any of the" in section
    assert "No used pair comes from &#39;dog&#39;" in page
    assert "<h2>True organs</h2>" in page


def test_every_box_of_the_slice_is_drawn_with_its_word_and_score(result: RegistrationResult) -> None:
    assert result.prompts_result is not None
    detected = result.prompts_result.fixed
    number = busiest_slice(detected)
    boxes_picture = str(detection_rows(result)[0]["pictures"][0]["svg"])
    detections_on_slice = [f for f in detected.detections if f.box.slice_index == number]
    remaining = [f"{f.box.prompt} {f.box.score:.2f}" for f in detections_on_slice if f.outcome == "kept"]
    assert sorted(texts_of(boxes_picture)) == sorted(remaining)
    assert boxes_picture.count("<rect ") == len(detections_on_slice)


def test_both_masks_of_a_pair_have_one_colour_and_other_pairs_another(result: RegistrationResult) -> None:
    def colors(row: dict) -> set[str]:
        drawn = re.findall(r'stroke="(#[0-9a-f]{6})"', str(row["pictures"][1]["svg"]))
        return set(drawn)

    fixed, moving, together = detection_rows(result)
    used = [pair for pair in result.pairs if pair.accepted]
    assert len({pair.fixed.color for pair in used}) == len(used)
    assert colors(fixed) & colors(moving) - {"#bfbfbf", "#000000"}
    assert len(together["pictures"]) == 2


def test_what_was_paired_slice_by_slice_has_the_colour_of_its_pair(bench: Bench) -> None:
    words = replace(bench.words(*PROMPTS), matching=MatchSettings.paper())
    result = bench.run(words)
    drawn = [
        set(re.findall(r'stroke="(#[0-9a-f]{6})"', str(row["pictures"][1]["svg"])))
        for row in detection_rows(result)[:2]
    ]
    # bladder and one femoral head; of the other head this slice has no partner
    assert len(drawn[0] & drawn[1] - {"#bfbfbf", "#000000"}) == 2


def test_without_words_there_is_no_such_section(bench: Bench) -> None:
    result = bench.run(bench.words("prostate"))
    assert "Detections by prompt" not in render_report(replace(result, prompts_result=None))


def test_words_that_found_nothing_at_all_still_show_the_slices(bench: Bench) -> None:
    page = render_report(bench.run(bench.words("dog")))
    assert "Detections by prompt" in page
    assert page.count("Boxes with prompts and scores") >= 2


def test_a_prompt_cannot_bring_markup_into_the_report(bench: Bench) -> None:
    assert "<b>dog" not in render_report(bench.run(bench.words("<b>dog")))
    plane = slice_plane(a_found((1,)), 1)
    svg = picture(plane, np.zeros((6, 8), np.uint8), "x", tags=[Tag("<b>dog</b>", (1, 1, 3, 3), (1.0, 0.0, 0.0))])
    assert "<b>" not in svg


def a_found(numbers: tuple[int, ...], regions: int = 2) -> SourceResult:
    grid = Grid((8, 6, 5), (2.0, 2.0, 3.0), (-8.0, -6.0, 4.0))
    mask = np.ones((6, 8), dtype=bool)
    detections = []
    for k in numbers:
        box = Box(k, "it", (1, 1, 3, 3), 0.5)
        detections.append(Detection(box, "kept", Mask(box, mask, 1.0), region=k % regions))
    return SourceResult(
        "test", ("it",), (), Volume(np.zeros((5, 6, 8), np.uint8), grid), (0, 1, 2, 3, 4), tuple(detections)
    )


def test_the_slice_that_shows_most_regions_is_shown_or_the_middle_one() -> None:
    assert busiest_slice(a_found(())) == 2
    twice = a_found((1, 3, 3))
    changed_detection = replace(twice.detections[2], region=0)
    assert busiest_slice(replace(twice, detections=(*twice.detections[:2], changed_detection))) == 3


def test_a_slice_is_a_plane_in_the_patient() -> None:
    plane = slice_plane(a_found((1,)), 2)
    np.testing.assert_allclose(plane.points_lps_mm[0, 0], [-8, -6, 10])
    np.testing.assert_allclose(plane.points_lps_mm[5, 7], [6, 4, 10])
    assert (plane.letters, plane.position, plane.pixel_mm) == ("RLAP", "slice 3 of 5", 2.0)


def test_words_of_boxes_in_one_place_do_not_cover_each_other() -> None:
    large = Volume(np.zeros((1, 200, 200), np.uint8), Grid((200, 200, 1)))
    plane = slice_plane(replace(a_found(()), slices=large), 0)
    tags = [Tag(f"word {n}", (50, 80, 120, 140), (1.0, 0.0, 0.0)) for n in range(3)]
    svg = picture(plane, large.array_kji[0], "x", tags=tags)
    words = [part for part in svg.split("<text ") if 'class="tag"' in part]
    lines = [float(re.search(r' y="([\d.]+)"', part)[1]) for part in words]  # type: ignore[index]
    height = float(re.search(r'font-size="([\d.]+)"', words[0])[1])  # type: ignore[index]
    assert all(abs(a - b) >= 0.9 * height for n, a in enumerate(lines) for b in lines[:n])
