"""A small synthetic pair and simulated networks that know it: words to a result in a second."""

from __future__ import annotations

from dataclasses import dataclass, replace

from Tell2RegLib.fitting import FitSettings
from Tell2RegLib.phantom import PhantomPair, centred_grid, make_pair
from Tell2RegLib.pipeline.prompt_query import PromptQuery
from Tell2RegLib.region_sources.grounded_sam import GroundedSam
from Tell2RegLib.region_sources.settings import DetectionSettings
from Tell2RegLib.results.result import RegistrationResult
from Tell2RegLib.workflows.register import register
from Testing.Python.simulated_networks import SimulatedNetworks, simulated_pelvis, without_calls

SPACING_MM = 4.0
PROMPTS = ("prostate", "bladder", "femoral head")
QUICK = FitSettings(kind="affine")


@dataclass(frozen=True, eq=False)
class Bench:
    """A pair, networks that know it, and what was found so far."""

    pair: PhantomPair
    networks: SimulatedNetworks

    def words(self, *prompts: str, **settings: object) -> PromptQuery:
        detection_settings = DetectionSettings(spacing_mm=SPACING_MM, **settings)  # type: ignore[arg-type]
        return PromptQuery(prompts=prompts, source=GroundedSam(self.networks, self.networks, detection_settings))

    def run(self, words: PromptQuery, **more: object) -> RegistrationResult:
        given = {"settings": QUICK, **more}
        return register(self.pair.fixed.volume, self.pair.moving.volume, query=words, **given)  # type: ignore[arg-type]

    @property
    def calls(self) -> dict[str, int]:
        return self.networks.calls

    def fresh(self) -> Bench:
        """The same with counters at zero."""
        return replace(self, networks=without_calls(self.networks))


def a_bench(seed: int = 11) -> Bench:
    """The pair of a seed, 4 x 4 x 5.5 mm."""
    grid = centred_grid((72, 60, 26), (4.0, 4.0, 5.5))
    pair = make_pair(seed, grid, grid)
    return Bench(pair, simulated_pelvis(pair.fixed, pair.moving, spacing_mm=SPACING_MM))
