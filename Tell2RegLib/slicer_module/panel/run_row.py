"""A button that starts a run and cancels it, with its bar, stage and time left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from Tell2RegLib.slicer_module.panel.declared_texts import stageLabel
from Tell2RegLib.slicer_module.run.runs import Outcome, Runs


class RunRow:
    """Start, cancel and progress of one kind of run.

    Args:
        runs: who runs.
        run: which run this row is of.
        button, bar, label: widgets.
        start: called when the button is pressed while nothing runs.
    """

    def __init__(self, runs: Runs, run: str, button: Any, bar: Any, label: Any, start: Callable[[], None]) -> None:
        self._runs, self._run, self._start = runs, run, start
        self._button, self._bar, self._label = button, bar, label
        self._text, self._tip = button.text, button.toolTip
        self._cancelling = False
        bar.setTextVisible(False)
        button.connect("clicked(bool)", self._pressed)
        runs.started.connect(self._started)
        runs.progressed.connect(self._progressed)
        runs.ended.connect(self._ended)

    def disconnect(self) -> None:
        """Disconnect from the runs."""
        self._runs.started.disconnect(self._started)
        self._runs.progressed.disconnect(self._progressed)
        self._runs.ended.disconnect(self._ended)

    def update(self, reason: str, tip: str = "") -> None:
        """Enable the button, or say in its tooltip why not.

        Args:
            reason: why it cannot be used now; empty when it can.
            tip: what it does; the tooltip of Tell2Reg.ui when empty.
        """
        isRunning = self._runs.current == self._run
        if self._runs.busy and not isRunning:
            reason = _("A run is in progress: wait for it, or cancel it first.")
        self._button.enabled = not self._cancelling if isRunning else not reason
        self._button.toolTip = _("Cancel the run") if isRunning else reason or tip or self._tip

    def _pressed(self, _checked: bool = False) -> None:
        if self._runs.current == self._run:
            self._label.text = _("cancelling ...")
            self._cancelling, self._button.enabled = True, False
            self._runs.cancel()
        else:
            self._start()

    def _started(self, run: str) -> None:
        if run != self._run:
            return
        self._button.text = _("Cancel")
        self._cancelling, self._button.enabled = False, True
        self._bar.setRange(0, 0)
        self._label.text = _("starting ...")
        for widget in (self._bar, self._label):
            widget.setVisible(True)

    def _progressed(self, run: str, stage: str, done: int, total: int, secondsLeft: float | None) -> None:
        if run != self._run or self._cancelling:
            return
        self._bar.setRange(0, max(total, 1))
        self._bar.setValue(done)
        timeLeft = "" if secondsLeft is None else _(", {time} left").format(time=readableTime(secondsLeft))
        self._label.text = stageLabel(stage) + timeLeft

    def _ended(self, outcome: Outcome) -> None:
        if outcome.run != self._run:
            return
        self._button.text = self._text
        self._cancelling, self._button.enabled = False, True
        for widget in (self._bar, self._label):
            widget.setVisible(False)


def readableTime(seconds: float) -> str:
    """A duration as short text.

    >>> readableTime(3.2), readableTime(75)
    ('4 s', '1 min 15 s')
    """
    whole = int(-(-seconds // 1))
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"
