"""The panel at work without a process: a worker client whose answers the test gives, and a small pair in the scene."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from Tell2RegLib.evaluation.metrics import FieldQuality, centroid_distance_mm
from Tell2RegLib.results.result import PairAgreement, PairMetrics
from Tell2RegLib.space.displacement_field import DisplacementField
from Tell2RegLib.space.grid import Floats, apply_affine
from Tell2RegLib.space.jacobian import jacobian_determinant
from Tell2RegLib.space.region import Region, RegionPair
from Tell2RegLib.space.transform import affine_transform
from Tell2RegLib.space.volume import Volume
from Tell2RegLib.worker.requests import (
    Device,
    DevicesReply,
    DevicesRequest,
    FindReply,
    FindRequest,
    FitReply,
    FitRequest,
)
from Testing.Python import small
from Testing.Python.conftest import rotation


class SimulatedClient:
    """A worker client whose answers the test gives; each is heard at the next poll, look-ups at once.

    Args:
        obedient: whether a run that is cancelled says so; else it goes on, as one that had just ended.
    """

    def __init__(self, obedient: bool = True) -> None:
        self.obedient = obedient
        self.requests: list[Any] = []
        self.callbacks: dict[str, Callable[..., None]] = {}
        self.answers: list[Callable[[], None]] = []
        self.cancelled = self.closed = 0

    @property
    def request(self) -> Any:
        """The latest request that a person waits for."""
        return self.requests[-1]

    def submit(self, request: Any, **message: Callable[..., None]) -> None:
        if isinstance(request, DevicesRequest):
            reply = DevicesReply((Device("cpu", "CPU", 2**33, None),), "cpu")
            self.answers.append(lambda: message["on_done"](reply))
            return
        self.requests.append(request)
        self.callbacks = message

    def answer(self, name: str, *values: Any) -> None:
        message = self.callbacks[name]
        self.answers.append(lambda: message(*values))

    def poll(self) -> None:
        answers, self.answers = self.answers, []
        for answer in answers:
            answer()

    def wait(self, _timeout_s: float) -> None:
        self.poll()

    def cancel(self) -> None:
        self.cancelled += 1
        if self.obedient:
            self.answer("on_cancelled")

    def close(self) -> None:
        self.closed += 1
        self.answers = []


# --- a small pair ---


@dataclass(frozen=True, eq=False)
class Pair:
    """Two patients with the same organs, and the map between them."""

    fixed: small.Side
    moving: small.Side

    def regions(self, request: FindRequest) -> list[tuple[Region, Region]]:
        """The true regions, on the grids of a request."""
        sides = zip(self.fixed.regions, self.moving.regions, strict=True)
        return [(replace(a, grid=request.fixed.grid), replace(b, grid=request.moving.grid)) for a, b in sides]


@cache
def a_pair() -> Pair:
    """The fixed volume upright, the moving one oblique, left-handed and of other voxels."""
    turned = rotation((2, 1, -1), 20) @ np.diag([1.0, -1.0, 1.0])
    grid = small.centred_grid((36, 40, 26), (4.0, 3.5, 4.0), turned, (13.0, -1.0, 6.0))
    return Pair(small.a_side("MR", small.centred_grid()), small.a_side("US", grid, small.AFFINE))


# --- what the worker would answer ---


def find_reply(request: FindRequest, least: float = 0.8) -> FindReply:
    """Every organ found on both sides, each a little less alike than the one before; below `least` it is rejected."""
    pairs = [
        _paired(pair, 0.95 - 0.04 * number, request.prompts[0], least)
        for number, pair in enumerate(a_pair().regions(request))
    ]
    return reply_of(pairs)


def reply_of(
    pairs: Sequence[RegionPair], fixed: Sequence[Region] = (), moving: Sequence[Region] = (), reason: str = ""
) -> FindReply:
    """These pairs, these regions without a partner."""
    return FindReply(tuple(pairs), tuple(fixed), tuple(moving), ("Fixed: as asked.",), reason, (), {}, {"demo": "abc"})


def _paired(pair: tuple[Region, Region], similarity: float, prompt: str, least: float) -> RegionPair:
    fixed, moving = (replace(region, prompt=prompt, score=0.7) for region in pair)
    accepted = similarity >= least
    return RegionPair(fixed, moving, similarity, accepted, "" if accepted else "Not alike enough.")


def fitted(request: FitRequest) -> FitReply:
    """The affine map through the centres of the accepted pairs; a shift where there are fewer than four."""
    used = [pair for pair in request.pairs if pair.accepted]
    actual = np.array([pair.fixed.centroid_lps_mm() for pair in used])
    expected = np.array([pair.moving.centroid_lps_mm() for pair in used])
    shift, matrix = np.eye(4), np.eye(4)
    shift[:3, 3] = (expected - actual).mean(axis=0)
    matrix = shift if len(used) < 4 else _through(actual, expected)
    transform = affine_transform("affine", matrix, request.fixed.grid, request.moving.grid)
    return FitReply(
        transform=transform,
        rigid_lps=shift,
        affine_lps=matrix,
        metrics=tuple(_measured(pair, matrix) for pair in request.pairs),
        quality=FieldQuality(0.0, 1.0, 0.0, 0.0, 20.0),
        inverse_error_mm=(0.0, 0.0),
        jacobian=_jacobian(transform.fixed_to_moving),
        timing_s={"total": 0.1},
        provenance={"by": "the test"},
        linear={
            kind: tuple(PairAgreement(overlap, _after(pair, item)) for pair in request.pairs)
            for kind, item, overlap in (("rigid", shift, 0.7), ("affine", matrix, 0.8))
        },
    )


def _through(actual: Floats, expected: Floats) -> Floats:
    ones = np.ones((len(actual), 1))
    matrix = np.eye(4)
    matrix[:3] = np.linalg.lstsq(np.hstack([actual, ones]), expected, rcond=None)[0].T
    return matrix


def _measured(pair: RegionPair, matrix: Floats) -> PairMetrics:
    return PairMetrics(
        name=pair.name,
        prompt=pair.prompt,
        similarity=pair.similarity,
        accepted=pair.accepted,
        reason=pair.reason,
        dice_before=0.1,
        dice_after=0.9,
        centroid_mm_before=centroid_distance_mm(pair.fixed, pair.moving),
        centroid_mm_after=_after(pair, matrix),
        hd95_mm_before=7.5,
        hd95_mm_after=1.25,
        fixed_ml=pair.fixed.volume_ml,
        moving_ml=pair.moving.volume_ml,
    )


def _after(pair: RegionPair, matrix: Floats) -> float:
    moved = apply_affine(matrix, pair.fixed.centroid_lps_mm())
    return float(np.linalg.norm(moved - pair.moving.centroid_lps_mm()))


def _jacobian(field: DisplacementField) -> Volume:
    return Volume(jacobian_determinant(field.vectors_kji, field.grid), field.grid, "Jacobian")


# --- the panel ---


class Clinic:
    """The module's panel, entered, with the small pair loaded and chosen, and what a person does there.

    Args:
        standin: the stand-in for Slicer.
        widget: the module's widget.
        client: who answers instead of the worker.
    """

    def __init__(self, standin, widget, client: SimulatedClient) -> None:
        self.standin, self.widget, self.client = standin, widget, client
        self.panel, self.ui, self.logic = widget.panel, widget.ui, widget.logic

    @property
    def parameters(self):
        """The parameter node."""
        return self.logic.parameters

    @property
    def said(self) -> str:
        """The latest message, at whichever step."""
        return self.panel.messages.latest

    def load(self) -> None:
        """Load the small pair and choose it, with one word."""
        from Testing.Python.scene import a_volume_node

        pair, scene = a_pair(), self.standin.scene
        nodes = [
            a_volume_node(scene, side.volume.array_kji, side.volume.grid, side.volume.name)
            for side in (pair.fixed, pair.moving)
        ]
        for node in nodes:
            node.CreateDefaultDisplayNodes()
        self.parameters.fixedVolume, self.parameters.movingVolume = nodes
        self.parameters.prompts = "organ"

    def find(self, reply: Callable[[FindRequest], FindReply] = find_reply) -> None:
        """Press Find regions; the worker answers."""
        self.hear()
        self.press(self.ui.findButton)
        self.answer(reply)

    def fit(self, reply: Callable[[FitRequest], FitReply] = fitted) -> None:
        """Press Fit; the worker answers."""
        self.hear()
        self.press(self.ui.fitButton)
        self.answer(reply)

    def answer(self, reply: Callable[[Any], Any]) -> None:
        """What the worker makes of the latest request is heard."""
        self.client.answer("on_done", reply(self.client.request))
        self.hear()

    def hear(self) -> None:
        """The next tick of the timer."""
        self.logic.runs.poll()

    def press(self, button) -> None:
        """Click a button that can be clicked."""
        assert button.enabled, button.toolTip
        button.click()

    def select(self, *lines: int) -> None:
        """Select the only or the first of these rows of the table of pairs."""
        self.ui.pairsTable.selectRow(lines[0])

    def segment(self, side: str, line: int = 0):
        """The segment of a pair."""
        row = self.logic.rows[line]
        node = self.parameters.fixedRegions if side == "fixed" else self.parameters.movingRegions
        return node.GetSegmentation().GetSegment(getattr(row, side))

    def key(self, text: str) -> None:
        """Press a key in the table of pairs."""
        import qt

        keys = {item.key.toString(): item for item in self.ui.pairsTable.findChildren(qt.QShortcut)}
        keys[text].activated.emit()

    @property
    def idle(self) -> bool:
        """Whether nothing runs and the buttons say so."""
        return not self.panel.busy and self.ui.findButton.text != "Cancel" and self.ui.fitButton.text != "Cancel"
