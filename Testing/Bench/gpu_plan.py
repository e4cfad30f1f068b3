"""What the GPU bench runs: everything at real size, or a miniature of it on the CPU."""

from __future__ import annotations

from dataclasses import dataclass

from Tell2RegLib.fitting import FitSettings
from Tell2RegLib.space.grid import Grid
from Testing.Bench.networks_measure import PROMPTS


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Sizes of one run of the bench.

    Args:
        device: under test. The reference is always the CPU in fp32.
        fits: names of cases in `Testing.Bench.cases`, fitted on the CPU and on the device.
        kinds: deformable transforms that are fitted to the first case besides the default one.
        max_steps: of the optimiser per level.
        phantom: grid of the synthetic pair that the demo networks look at.
        compared: slices on which the demo networks and the packages are compared.
        networks: names of cases in `networks_measure`, timed with random weights.
        slices: how many slices are timed.
        package_slices: how many of them the packages' own predictors get.
        prompts: how many words are looked for.
        profiled_slices: how many slices are profiled.
        matrix: side of the product that stands for what the device can do; None: the usual one.
    """

    device: str
    fits: tuple[str, ...]
    kinds: tuple[str, ...]
    max_steps: int
    phantom: Grid
    compared: int
    networks: tuple[str, ...]
    slices: int
    package_slices: int
    prompts: int
    profiled_slices: int
    matrix: int | None = None

    @property
    def asked(self) -> tuple[str, ...]:
        """The prompts."""
        return PROMPTS[: self.prompts]

    def settings(self, device: str, **more: object) -> FitSettings:
        """Of a fit on a device."""
        return FitSettings(device=device, max_steps=self.max_steps, **more)  # type: ignore[arg-type]


def full_plan(device: str) -> Plan:
    """Real sizes: the slices of a pair of volumes, six prompts, the official networks."""
    from Tell2RegLib.phantom import default_grid

    return Plan(
        device=device,
        fits=("gland", "organs"),
        kinds=("ffd", "ddf"),
        max_steps=FitSettings.max_steps,
        phantom=default_grid(),
        compared=16,
        networks=("sam-vit-b", "dino-swin-t", "dino-swin-b", "sam-vit-h"),
        slices=192,
        package_slices=8,
        prompts=6,
        profiled_slices=32,
    )


def dry_plan() -> Plan:
    """The same steps in seconds on a CPU: small networks, few slices, coarse grids."""
    from Tell2RegLib.phantom import centred_grid

    return Plan(
        device="cpu",
        fits=("small-gland",),
        kinds=(),
        max_steps=2,
        phantom=centred_grid((96, 80, 5), (3.0, 3.0, 6.0)),
        compared=2,
        networks=("sam-demo", "dino-demo"),
        slices=2,
        package_slices=1,
        prompts=2,
        profiled_slices=1,
        matrix=256,
    )
