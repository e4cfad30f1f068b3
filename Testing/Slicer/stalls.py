"""How long the window stands still at each step: the longest pause between two beats of a timer of 10 ms.

Run inside Slicer, on a quiet machine; each step prints its longest pause in milliseconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import qt
import slicer

from Tell2RegLib.slicer_module.logic.sample_data import NAME
from Testing.Slicer.events import openModule, until
from Testing.Slicer.walk import settle

BEAT_MS = 10
LONGEST_MS = 2000.0
"""More than this is a fault also on a slow machine."""


class Heartbeat:
    """A timer of the event loop, and the longest pause between two of its beats."""

    def __init__(self) -> None:
        self._timer = qt.QTimer()
        self._timer.setInterval(BEAT_MS)
        self._timer.connect("timeout()", self._beat)
        self._last = time.perf_counter()
        self.longest_ms = 0.0
        self._timer.start()

    def reset(self) -> None:
        """Measure anew from now on."""
        self._last, self.longest_ms = time.perf_counter(), 0.0

    def _beat(self) -> None:
        now = time.perf_counter()
        self.longest_ms = max(self.longest_ms, 1000 * (now - self._last))
        self._last = now


class Stalls:
    """Measures one step after the other."""

    def __init__(self, widget: Any) -> None:
        self._widget, self._heart = widget, Heartbeat()
        self.longest_ms: dict[str, float] = {}

    def measure(self, step: str, action: Callable[[], Any]) -> None:
        """Do something and wait until nothing runs and the views have settled."""
        self._heart.reset()
        action()
        until(lambda: not self._widget.panel.busy, what=f"the end of '{step}'")
        settle()
        self.longest_ms[step] = self._heart.longest_ms
        print(f"[Tell2Reg] {self._heart.longest_ms:6.0f} ms at most: {step}", flush=True)


def sample() -> Any:
    """What the button of the Sample Data module does."""
    (source,) = (one for one in slicer.modules.sampleDataSources["Tell2Reg"] if one.sampleName == NAME)
    return source.customDownloader(source)


def run() -> None:
    """Inside Slicer: a session on the demo pair, by the panel's buttons."""
    widget = openModule()
    settle()
    stalls, ui = Stalls(widget), widget.ui
    stalls.measure("nothing", settle)
    stalls.measure("demo pair from Sample Data", sample)
    slicer.mrmlScene.Clear(0)
    settle()
    stalls.measure("demo pair from the panel", ui.demoButton.click)
    stalls.measure("search, regions arrive", ui.findButton.click)
    assert widget.logic.rows, widget.panel.messages.latest
    stalls.measure("a pair is selected", lambda: ui.pairsTable.selectRow(2))
    stalls.measure("a pair is rejected", ui.rejectButton.click)
    stalls.measure("undo", ui.undoButton.click)
    stalls.measure("fit, transforms arrive", ui.fitButton.click)
    assert widget.logic.parameters.deformableTransform is not None, widget.panel.messages.latest
    for way in ("none", "rigid", "deformable", "checkerboard", "side", "checkerboard", "fade", "flicker", "side"):
        stalls.measure(f"{way} is shown", getattr(ui, f"{way}Button").click)
    stalls.measure("Jacobian map on", ui.jacobianButton.click)
    stalls.measure("Jacobian map off", ui.jacobianButton.click)
    stalls.measure("plot", ui.plotButton.click)
    stalls.measure("surfaces on", ui.show3DButton.click)
    stalls.measure("side is shown again", ui.sideButton.click)
    stalls.measure("plan propagated", ui.propagateButton.click)
    stalls.measure("to Data", lambda: slicer.util.selectModule("Data"))
    stalls.measure("and back", lambda: slicer.util.selectModule("Tell2Reg"))
    slow = {step: round(ms) for step, ms in stalls.longest_ms.items() if ms > LONGEST_MS}
    assert not slow, f"The window stood still for longer than {LONGEST_MS:.0f} ms: {slow}"
