"""A worker for whole sessions on the demo pair, without networks: it finds the true regions and fits the affine map."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from Tell2RegLib.space.region import RegionPair
from Tell2RegLib.worker.requests import DemoReply, DemoRequest, FindReply, FindRequest, FitRequest, ReportReply
from Tell2RegLib.workflows.demo import DemoPair, make_demo_pair
from Testing.Python.slicer_module.simulated import SimulatedClient, fitted, reply_of


@cache
def the_demo() -> DemoPair:
    """The pair that *Load demo pair* makes."""
    return make_demo_pair()


class DemoWorker(SimulatedClient):
    """Answers every request at the next polls, as the worker would."""

    def submit(self, request: Any, **message: Any) -> None:
        super().submit(request, **message)
        if self.requests and request is self.requests[-1]:
            self.answer("on_progress", "detect", 1, 2, 1.0)
            self.answer("on_done", _reply(request))


def _reply(request: Any) -> Any:
    if isinstance(request, DemoRequest):
        demo = the_demo()
        return DemoReply(demo.fixed, demo.moving, demo.plan, demo.plan_truth)
    if isinstance(request, FindRequest):
        return true_regions(request)
    if isinstance(request, FitRequest):
        return fitted(request)
    folder = Path(request.folder)
    folder.mkdir(parents=True)
    (folder / "report.html").write_text("<html></html>", encoding="utf-8")
    return ReportReply(folder, folder / "report.html")


def true_regions(request: FindRequest) -> FindReply:
    """The regions that both volumes of the demo have, each pair a little less alike than the one before."""
    moving = {region.name: region for region in the_demo().moving_regions}
    pairs = []
    for fixed in the_demo().fixed_regions:
        if fixed.name in moving:
            sides = [replace(item, prompt=fixed.name, score=0.7) for item in (fixed, moving[fixed.name])]
            sides = [replace(item, grid=v.grid) for item, v in zip(sides, (request.fixed, request.moving), strict=True)]
            pairs.append(RegionPair(*sides, 0.97 - 0.01 * len(pairs), True, ""))
    return reply_of(pairs)
