"""Words to regions with simulated networks: at the right place on any grid, every box accounted for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from Tell2RegLib.errors import Cancelled, InputError
from Tell2RegLib.evaluation.metrics import dice
from Tell2RegLib.models.protocol import Box
from Tell2RegLib.region_sources.grounded_sam import GroundedSam
from Tell2RegLib.region_sources.prompts import cleaned_prompts
from Tell2RegLib.region_sources.protocol import RegionSource
from Tell2RegLib.region_sources.settings import DetectionSettings
from Tell2RegLib.region_sources.source_result import SourceResult
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.region import Region
from Tell2RegLib.space.volume import Volume
from Testing.Python.conftest import HOSTILE_GRIDS
from Testing.Python.simulated_networks import Blur, SimulatedNetworks, simulated
from Testing.Python.small import ORGANS, centred_grid

PERFECT = Blur(jitter_px=0, missed=0, false=0, whole=0, features=0)
WORDS = {"prostate": (1,), "bladder": (2,), "rectum": (3,), "femoral head": (4, 5)}
RIGHT_HEAD = ((-43.0, 5.0, -1.0), (11.0, 12.0, 12.0))
SETTINGS = DetectionSettings(spacing_mm=2.0)


def a_patient(grid: Grid | None = None) -> tuple[Volume, Volume]:
    """Five ellipsoids without any symmetry: the volume and its labels; the noise makes every slice its own."""
    grid = grid or centred_grid((60, 44, 26), (2.5, 3.0, 3.5))
    points = grid.voxel_centres_lps_mm()
    labels = np.zeros(grid.shape_kji, dtype=np.uint8)
    for value, (centre, radii) in enumerate([*ORGANS.values(), RIGHT_HEAD], start=1):
        labels[np.sum(((points - centre) / radii) ** 2, axis=-1) <= 1] = value
    values = 100.0 * labels + np.random.default_rng(1).normal(size=grid.shape_kji) * 10
    return Volume(np.rint(values).astype(np.int16), grid, "patient"), Volume(labels, grid, "labels")


def find(
    patient: tuple[Volume, Volume], prompts: Sequence[str], settings: DetectionSettings = SETTINGS, blur: Blur = PERFECT
) -> SourceResult:
    networks = simulated([patient], WORDS, spacing_mm=settings.spacing_mm, blur=blur)
    return GroundedSam(networks, networks, settings).find(patient[0], prompts)


def truth(labels: Volume, value: int) -> Region:
    return Region.from_mask(str(value), labels.array_kji == value, labels.grid)


def test_it_is_a_source() -> None:
    networks = SimulatedNetworks({}, {})
    assert isinstance(GroundedSam(networks, networks), RegionSource)


@pytest.mark.parametrize("kind", HOSTILE_GRIDS)
def test_regions_lie_where_the_organs_are_on_any_grid(kind: str) -> None:
    direction = np.reshape(HOSTILE_GRIDS[kind].direction, (3, 3))
    sizes = {"sagittal": ((44, 40, 70), (3.0, 2.5, 2.2))}.get(kind, ((64, 52, 34), (2.5, 3.0, 3.5)))
    patient = a_patient(centred_grid(*sizes, direction))
    detected = find(patient, ["prostate", "bladder", "rectum"])
    assert [region.name for region in detected.regions] == ["prostate", "bladder", "rectum"]
    for value, region in enumerate(detected.regions, start=1):
        assert region.grid.same_space(patient[0].grid)
        assert dice(region, truth(patient[1], value)) > 0.93
        gap = region.centroid_lps_mm() - truth(patient[1], value).centroid_lps_mm()
        assert np.linalg.norm(gap) < 0.7


def test_several_regions_of_a_prompt_are_numbered_by_score_times_volume() -> None:
    patient = a_patient()
    left, right = find(patient, ["femoral head"]).regions
    assert (left.name, right.name) == ("femoral head", "femoral head 2")
    assert left.score * left.volume_ml >= right.score * right.volume_ml
    assert {left.prompt, right.prompt} == {"femoral head"}
    assert {np.sign(region.centroid_lps_mm()[0]) for region in (left, right)} == {-1.0, 1.0}
    assert len(find(patient, ["femoral head"], replace(SETTINGS, most_regions=1)).regions) == 1


def test_the_prototype_is_that_of_the_organ() -> None:
    """Regions of one kind look alike, others do not; the padding of the features plays no part."""
    prostate, item, two = (r.prototype for r in find(a_patient(), ["prostate", "femoral head"]).regions)

    def cosine(a: np.ndarray, b: np.ndarray) -> float:
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    assert cosine(item, prostate) < 0.9
    assert not item.flags.writeable
    assert np.isfinite(two).all()


def test_the_same_input_gives_the_same_regions() -> None:
    first, second = (find(a_patient(), list(WORDS), blur=Blur()) for _ in range(2))
    assert [region.name for region in first.regions] == [region.name for region in second.regions]
    for a, b in zip(first.regions, second.regions, strict=True):
        np.testing.assert_array_equal(a.mask_kji(), b.mask_kji())
        np.testing.assert_array_equal(a.prototype, b.prototype)


def test_the_order_of_boxes_and_words_changes_nothing_but_the_order() -> None:
    patient = a_patient()
    networks = simulated([patient], WORDS, spacing_mm=2.0)
    source = GroundedSam(networks, networks, SETTINGS)
    prepared = source.prepare(patient[0])
    boxes = source.detect(prepared, list(WORDS))
    embeddings = source.embed(prepared)

    def regions(boxes: Sequence[Box]) -> list[tuple[str, bytes]]:
        detections = source.segment(prepared, source.filter_boxes(prepared, boxes), embeddings)
        return [
            (r.name, r.mask_kji().tobytes()) for r in source.link(patient[0], list(WORDS), prepared, detections).regions
        ]

    assert regions(boxes[::-1]) == regions(boxes)
    assert sorted(r.name for r in find(patient, [*WORDS][::-1], blur=Blur()).regions) == sorted(
        n for n, _ in regions(boxes)
    )


# --- what became of every box ---


def test_every_box_every_slice_and_every_prompt_is_accounted_for() -> None:
    detected = find(a_patient(), [*WORDS, "dog"], blur=Blur(missed=0.1, false=0.2, whole=0.2))
    assert {count.prompt for count in detected.counts} == {*WORDS, "dog"}
    for count in detected.counts:
        prompt_detections = [detection for detection in detected.detections if detection.box.prompt == count.prompt]
        assert count.boxes == len(prompt_detections) == count.masks + sum(count.dropped.values())
        assert count.slices == len(detected.slice_indices) == detected.slices.grid.size_xyz[2]
        assert count.slices_without == count.slices - len(
            {detection.box.slice_index for detection in prompt_detections}
        )
    outcomes = {detection.outcome for detection in detected.detections}
    assert {"kept", "spans_slice", "speck"} <= outcomes
    for detection in detected.detections:
        assert (detection.outcome == "kept") == (detection.region is not None)
        if detection.region is not None:
            assert detected.regions[detection.region].prompt == detection.box.prompt
            assert detection.prototype is not None
    order = [(f.box.slice_index, f.box.prompt, -f.box.score) for f in detected.detections]
    assert order == sorted(order)


def test_nothing_found_is_told_and_encodes_nothing() -> None:
    patient = a_patient()
    networks = simulated([patient], WORDS, spacing_mm=2.0)
    detected = GroundedSam(networks, networks, SETTINGS).find(patient[0], ["dog", "cat"])
    assert detected.regions == detected.detections == ()
    assert detected.embeddings is None
    assert networks.calls == {"detect": 1, "embed": 0, "segment": 0}
    slices = len(detected.slice_indices)
    assert detected.sentences()[0] == f"'dog': nothing detected on any of the {slices} slices."


def test_what_is_found_and_dropped_is_told_in_words() -> None:
    patient = a_patient()
    item, none = (
        find(patient, ["prostate"], replace(SETTINGS, **more)).sentences()[0] for more in ({}, {"min_volume_ml": 500.0})
    )
    assert item.startswith("'prostate': 1 region; ")
    assert "no region; " in none
    assert "(region too small)" in none


def test_a_speck_on_a_single_slice_is_dropped_unless_asked_for() -> None:
    patient = a_patient()
    # A tenth of the boxes is false: nearly always alone.
    remaining, all_of_them = (
        find(patient, ["rectum"], replace(SETTINGS, min_slices=least), Blur(missed=0, false=0.3, whole=0))
        for least in (2, 1)
    )
    assert len(remaining.regions) == 1
    assert len(all_of_them.regions) > 1


# --- steps ---


def test_with_a_slice_step_the_slices_between_are_filled() -> None:
    patient = a_patient()
    every, third = (find(patient, ["bladder"], replace(SETTINGS, slice_step=step)) for step in (1, 3))
    assert third.slice_indices == tuple(range(third.slice_indices[0], len(every.slice_indices), 3))
    assert {detection.box.slice_index for detection in third.detections} <= set(third.slice_indices)
    assert dice(every.regions[0], third.regions[0]) > 0.85
    assert len(third.embeddings) == len(third.slice_indices)
    ks = np.flatnonzero(third.regions[0].mask_kji().any(axis=(1, 2)))
    assert np.all(np.diff(ks) == 1)


def test_new_words_encode_nothing_again() -> None:
    patient = a_patient()
    networks = simulated([patient], WORDS, spacing_mm=2.0)
    source = GroundedSam(networks, networks, SETTINGS)
    first = source.find(patient[0], ["prostate"])
    second = source.find(patient[0], ["bladder"], embeddings=first.embeddings)
    assert networks.calls["embed"] == 1
    assert [region.name for region in second.regions] == ["bladder"]
    assert second.embeddings is first.embeddings


def test_embeddings_of_other_slices_are_refused() -> None:
    patient = a_patient()
    networks = simulated([patient], WORDS, spacing_mm=2.0)
    coarse = GroundedSam(networks, networks, replace(SETTINGS, slice_step=2)).find(patient[0], ["bladder"])
    with pytest.raises(InputError, match="Compute them again with these settings"):
        GroundedSam(networks, networks, SETTINGS).find(patient[0], ["bladder"], embeddings=coarse.embeddings)


def test_progress_is_told_stage_by_stage_and_cancel_stops_at_once() -> None:
    patient = a_patient()
    networks = simulated([patient], WORDS, spacing_mm=2.0)
    source = GroundedSam(networks, networks, SETTINGS)
    reports: list[tuple[str, int, int]] = []
    source.find(patient[0], ["prostate"], progress=lambda *step: reports.append(step))
    assert list(dict.fromkeys(stage for stage, _, _ in reports)) == ["detect", "embed", "segment"]
    for stage in ("detect", "embed", "segment"):
        done = [(done, total) for name, done, total in reports if name == stage]
        assert done[-1][0] == done[-1][1]

    requested = 0

    def check() -> None:
        nonlocal requested
        requested += 1
        if requested == 5:
            raise Cancelled

    with pytest.raises(Cancelled):
        source.find(patient[0], ["prostate"], check=check)
    assert requested == 5


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["  femoral   head ", "prostate"], ("femoral head", "prostate")),
        (["Prostate", "prostate", "bladder"], ("Prostate", "bladder")),
        ("prostate", ("prostate",)),
        (["prostate", "prostate.", "Prostate .", "Prostate..."], ("prostate",)),
        (["prostate", "bladder", "Prostate"], ("prostate", "bladder")),
    ],
)
def test_prompts_are_cleaned_and_asked_once(given: Sequence[str], expected: tuple[str, ...]) -> None:
    assert cleaned_prompts(given) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        *[([], "no prompt"), (["prostate", " "], "is empty"), (["--"], "is empty"), ([" . "], "is empty")],
        (["prostate, bladder"], "looks like a list.*--prompt 'prostate' --prompt 'bladder'"),
        (["prostate; bladder; rectum."], "--prompt 'prostate' --prompt 'bladder' --prompt 'rectum'"),
        (["prostate. bladder."], "looks like a list"),
    ],
)
def test_no_words_are_told(given: Sequence[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        cleaned_prompts(given)


def test_weak_boxes_continue_a_region_but_do_not_make_one() -> None:
    patient = a_patient()
    networks = simulated([patient], WORDS, spacing_mm=2.0, blur=PERFECT)
    sure = find(patient, ["prostate", "bladder"])
    best = {prompt: max(f.box.score for f in sure.detections if f.box.prompt == prompt) for prompt in sure.prompts}
    between = sum(best.values()) / 2
    source = GroundedSam(networks, networks, replace(SETTINGS, region_score=between))
    detected = source.find(patient[0], ["prostate", "bladder"])
    surer = max(best, key=best.__getitem__)
    assert [region.prompt for region in detected.regions] == [surer]
    same = next(region for region in sure.regions if region.prompt == surer)
    np.testing.assert_array_equal(detected.regions[0].box_kji, same.box_kji)
    assert {f.outcome for f in detected.detections if f.box.prompt != surer} == {"unsure"}
    assert "score too low on all slices" in " ".join(detected.sentences())
