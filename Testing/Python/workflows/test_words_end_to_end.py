"""Words to a plan with the real networks and the project's own weights, on subjects that no training has seen."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from Tell2RegLib.evaluation.metrics import dice
from Tell2RegLib.phantom import centred_grid, make_pair, make_subject, render
from Tell2RegLib.pipeline.find import find_regions
from Tell2RegLib.pipeline.prompt_query import PromptQuery, query_by_models
from Tell2RegLib.region_sources.source_result import SourceResult
from Tell2RegLib.results.result import RegistrationResult
from Tell2RegLib.space.volume import write_volume
from Tell2RegLib.workflows.demo import PROMPTS, make_demo_pair
from Tell2RegLib.workflows.register import register
from Testing.Python.conftest import rotation
from Testing.Python.small import ROOT, environment

pytest.importorskip("groundingdino", reason="needs the extra 'networks'")

AXIAL = centred_grid((128, 108, 48), (2.25, 2.25, 3.0))
"""The demo's field of view, coarser."""
OBLIQUE = centred_grid((120, 100, 44), (2.4, 2.4, 3.3), rotation((1, 2, 0), 8))
LEFT_HANDED = centred_grid((128, 108, 48), (2.25, 2.25, 3.0), np.diag([1.0, -1.0, 1.0]))


@pytest.fixture(scope="module")
def words() -> PromptQuery:
    return query_by_models(PROMPTS, "demo", device="cpu")


@dataclass(frozen=True, eq=False)
class Case:
    """A run, and what it says of targets and the true gland."""

    result: RegistrationResult

    def error_mm(self, kind: str) -> float:
        return float(np.mean([target.errors_mm[kind] for target in self.result.targets]))

    @property
    def true_gland_dice(self) -> float:
        (gland,) = (metric for metric in self.result.truth if metric.name == "prostate")
        assert gland.dice_after is not None
        return gland.dice_after


def registered(words: PromptQuery, seed: int, fixed_grid=AXIAL, moving_grid=AXIAL) -> Case:  # type: ignore[no-untyped-def]
    from Tell2RegLib.workflows import demo

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "make_pair", lambda seed: make_pair(seed, fixed_grid, moving_grid))
        pair = make_demo_pair(seed)
    truth = (pair.fixed_regions, pair.moving_regions)
    plans = {"plan": pair.plan, "plan_truth": pair.plan_truth}
    return Case(register(pair.fixed, pair.moving, query=words, true_regions=truth, **plans))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "fixed_grid", "moving_grid"),
    [(31, AXIAL, AXIAL), (57, OBLIQUE, LEFT_HANDED)],
    ids=["fresh subject", "fresh subject, oblique onto left-handed"],
)
def test_words_alone_bring_gland_and_targets_together(words: PromptQuery, seed: int, fixed_grid, moving_grid) -> None:  # type: ignore[no-untyped-def]
    case = registered(words, seed, fixed_grid, moving_grid)
    assert case.result.status == "ok"
    assert case.true_gland_dice >= 0.85
    assert case.error_mm("deformable") <= 0.6 * case.error_mm("before")  # slices of 3 mm; the demo has 2 mm
    assert case.result.fitted is not None
    assert case.result.fitted.quality.folding_percent == 0
    detected = {row.prompt: row.detection_ratio for row in case.result.prompts_result.prompts}  # type: ignore[union-attr]
    assert detected["prostate"] == detected["bladder"] == 1.0


def looked_for(
    words: PromptQuery, seed: int, prompts: tuple[str, ...], without: tuple[str, ...] = ()
) -> tuple[SourceResult, tuple]:
    scan = render(make_subject(seed, without=without), AXIAL, seed=seed)
    (detected,) = find_regions(words.source, [scan.volume], prompts)
    return detected, scan.regions()


@pytest.mark.slow
def test_a_region_lies_where_the_organ_is_that_the_words_name(words: PromptQuery) -> None:
    detected, truth = looked_for(words, 41, ("prostate", "bladder", "left femoral head", "right femoral head"))
    true = {region.name: region for region in truth}
    for region in detected.regions[:4]:
        assert dice(region, true[region.prompt]) > 0.8, region.name


@pytest.mark.slow
def test_of_two_words_the_one_whose_organ_was_removed_finds_nothing(words: PromptQuery) -> None:
    detected, _ = looked_for(words, 43, ("bladder", "prostate"), without=("bladder",))
    assert {region.prompt for region in detected.regions} == {"prostate"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("organ", "seed"),
    [("prostate", 43), ("prostate", 222), ("prostate", 223), ("rectum", 224), ("pubic symphysis", 225)],
)
def test_words_for_an_organ_that_was_removed_find_nothing(words: PromptQuery, organ: str, seed: int) -> None:
    detected, _ = looked_for(words, seed, (organ,), without=(organ,))
    assert not detected.regions


@pytest.mark.slow
def test_words_that_the_networks_do_not_know_find_nothing_and_are_told(words: PromptQuery) -> None:
    detected, _ = looked_for(words, 44, ("dog",))
    assert not detected.regions
    assert detected.sentences()[0].startswith("'dog': no")


WITHOUT_NETWORK = """
import socket, sys
def refuse(*args, **kwargs):
    raise SystemExit("it opened a socket")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = refuse
from Tell2RegLib.cli.main import main
sys.argv = ["tell2reg", *sys.argv[1:]]
main()
"""


@pytest.mark.slow
def test_the_command_needs_no_network_and_no_home(tmp_path: Path) -> None:
    volume, out = tmp_path / "scan.nrrd", tmp_path / "found.seg.nrrd"
    write_volume(render(make_subject(45), AXIAL, seed=45).volume, volume)
    command = [sys.executable, "-c", WITHOUT_NETWORK, "regions", str(volume), "--prompt", "prostate", "--out", str(out)]
    home_folder = tmp_path / "home"
    done = subprocess.run(
        command, cwd=ROOT, env={**environment(), "HOME": str(home_folder)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "prostate" in done.stdout
    assert out.is_file()
    assert not home_folder.exists()
