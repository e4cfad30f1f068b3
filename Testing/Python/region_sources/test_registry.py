"""Sources by name: the built-in one, and the example plug-in through a real entry point of an installed package."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from Tell2RegLib.errors import GeometryError, InputError
from Tell2RegLib.matching import match_source_results, regions_without_partner
from Tell2RegLib.pipeline.find_options import FindOptions
from Tell2RegLib.region_sources.grounded_sam import GroundedSam
from Tell2RegLib.region_sources.registry import accepted_options, check_source_result, make_source, source_names
from Tell2RegLib.region_sources.source_result import SourceResult
from Tell2RegLib.space.grid import Grid
from Tell2RegLib.space.region import Region
from Tell2RegLib.space.volume import Volume
from Testing.Python.simulated_networks import SimulatedNetworks

NETWORKS = SimulatedNetworks({}, {})


def two_spots(grid: Grid, turned: bool = False) -> Volume:
    """A large and a small bright box in the dark."""
    array = np.zeros(grid.shape_kji)
    array[1:4, 2:5, 1:4] = 100
    array[6:8, 6:8, 6:8] = 95
    return Volume(array[::-1, ::-1].copy() if turned else array, grid, "spots")


# --- the example ---


@pytest.mark.usefixtures("the_example")
def test_the_example_plug_in_is_found_made_and_used() -> None:
    assert source_names() == ("grounded_sam", "bright_spots")
    source = make_source("bright_spots", share=0.1)
    volume = two_spots(Grid((10, 10, 10), (1.0, 2.0, 3.0)))
    reports: list[tuple[str, int, int]] = []
    detected = check_source_result(
        source.find(volume, ["bright spot"], progress=lambda *step: reports.append(step)), volume
    )
    assert [(region.name, round(region.volume_ml * 1000)) for region in detected.regions] == [
        ("bright spot 1", 27 * 6),
        ("bright spot 2", 8 * 6),
    ]
    assert reports[-1] == ("spots", 2, 2)
    assert detected.sentences() == ("'bright spot': 2 regions.",)
    assert source.find(volume, ["dog"]).sentences() == ("'dog': nothing was found.",)


@pytest.mark.usefixtures("the_example")
def test_regions_without_prototypes_are_paired_by_their_names() -> None:
    source = make_source("bright_spots")
    fixed = source.find(two_spots(Grid((10, 10, 10))), ["bright spot"])
    moving = source.find(two_spots(Grid((10, 10, 10)), turned=True), ["bright spot"])
    pairs = match_source_results(fixed, moving)
    assert [pair.name for pair in pairs] == ["bright spot 1", "bright spot 2"]
    assert match_source_results(fixed, replace(moving, regions=())) == ()
    assert regions_without_partner(pairs[:1], fixed, moving) == ((fixed.regions[1],), (moving.regions[1],))


# --- the registry ---


def test_the_built_in_source_is_made_by_name() -> None:
    source = make_source("grounded_sam", detector=NETWORKS, segmenter=NETWORKS)
    assert isinstance(source, GroundedSam)
    assert source_names()[0] == source.name == "grounded_sam"


def test_listing_loads_no_plug_in_and_no_network_code(install: Callable[..., None]) -> None:
    install("broken", {"broken": "broken_module:Source"}, broken_module="raise ImportError('no CUDA here')")
    assert "broken" in source_names()
    assert "broken_module" not in sys.modules
    with pytest.raises(InputError, match=r"'broken' of the package 'broken' cannot be loaded \(no CUDA here\)"):
        make_source("broken")


def test_an_unknown_source_is_told_with_those_that_exist() -> None:
    with pytest.raises(InputError, match="There is no source 'medsam'. These exist: grounded_sam"):
        make_source("medsam")


def test_wrong_options_are_told() -> None:
    with pytest.raises(InputError, match="'grounded_sam' cannot be created with these options: .*detector"):
        make_source("grounded_sam", segmenter=NETWORKS)


def test_a_plug_in_that_is_no_source_is_told(install: Callable[..., None]) -> None:
    install("empty", {"empty": "empty_module:Source"}, empty_module="class Source:\n    name = 'empty'\n")
    with pytest.raises(InputError, match="no name or no method `find`"):
        make_source("empty")


def test_two_packages_with_one_name_are_told_apart(install: Callable[..., None]) -> None:
    install("one", {"twin": "one_module:Source"})
    install("two", {"twin": "two_module:Source"})
    assert source_names() == ("grounded_sam", "twin")
    with pytest.raises(InputError, match=r"Several packages offer a source 'twin' \(one, two\)"):
        make_source("twin")


def test_a_plug_in_cannot_take_the_place_of_a_built_in_source(
    install: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    install("thief", {"grounded_sam": "thief_module:Source"})
    assert source_names() == ("grounded_sam",)
    assert "'grounded_sam' of 'thief' is ignored" in caplog.text
    assert isinstance(make_source("grounded_sam", detector=NETWORKS, segmenter=NETWORKS), GroundedSam)


OPTIONS = """
class Source:
    def __init__(self, spacing_mm=3.0, *, device="cpu", box_threshold=0.2, colour="red"):
        self.name, self.options = "optioned", (spacing_mm, device, box_threshold, colour)

    def find(self, volume, prompts, *, progress=None, check=None):
        ...
"""


def test_a_plug_in_is_handed_the_users_options_that_it_has_parameters_for(install: Callable[..., None]) -> None:
    install("optioned", {"optioned": "optioned_module:Source"}, optioned_module=OPTIONS)
    looking = FindOptions(source="optioned", spacing_mm=2.0, slice_step=3, device="cuda:1")
    assert looking.query(["a"], ()).source.options == (2.0, "cuda:1", 0.2, "red")  # type: ignore[attr-defined]


@pytest.mark.usefixtures("the_example")
def test_a_plug_in_that_takes_none_of_the_options_is_made_all_the_same(tmp_path: Path) -> None:
    words = FindOptions(source="bright_spots", spacing_mm=2.0, keep_embeddings=tmp_path).query(["bright spot"], ())
    assert words.source == make_source("bright_spots")
    assert words.store is not None
    assert accepted_options("bright_spots", {"share": 0.1, "device": "cpu", "name": None}) == {"share": 0.1}


# --- what a source hands over ---


def test_what_cannot_be_used_is_told_with_the_sources_name() -> None:
    grid = Grid((4, 3, 2))
    volume = Volume(np.zeros(grid.shape_kji), grid)
    good = Region.from_mask("a", np.ones(grid.shape_kji), grid, prompt="a")
    assert check_source_result(SourceResult("plug", ("a",), (good,)), volume).regions == (good,)
    elsewhere = Region.from_mask("a", np.ones((2, 3, 4)), Grid((4, 3, 2), (2.0, 1.0, 1.0)), prompt="a")
    with pytest.raises(GeometryError, match="'plug' returned the region 'a' on a grid of"):
        check_source_result(SourceResult("plug", ("a",), (elsewhere,)), volume)
    with pytest.raises(InputError, match="'plug' gave two regions the name 'A'"):
        check_source_result(SourceResult("plug", ("a",), (good, replace(good, name="A"))), volume)
    with pytest.raises(InputError, match="the prompt 'a', which is not one of the requested prompts"):
        check_source_result(SourceResult("plug", ("b",), (good,)), volume)
