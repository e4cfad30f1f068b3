"""The window of an install: nothing else in Slicer can be used until it has ended."""

from __future__ import annotations

import qt
import slicer
from slicer.i18n import tr as _


class InstallDialog:
    """A modal window with a bar. *Cancel* works before the next step; a step that runs is never cut off."""

    def __init__(self) -> None:
        self.cancelled = False
        self._dialog = slicer.util.createProgressDialog(
            windowTitle="Tell2Reg",
            labelText=_("Installing..."),
            maximum=0,
            autoClose=False,
            autoReset=False,
            windowModality=qt.Qt.ApplicationModal,
        )
        self._dialog.connect("canceled()", self._cancel)
        self._dialog.show()
        slicer.app.processEvents()

    def step(self, title: str, done: int, total: int) -> None:
        """Show which step begins."""
        self._dialog.setLabelText(title)
        self._dialog.setMaximum(total)
        self._dialog.setValue(done)
        slicer.app.processEvents()

    def _cancel(self) -> None:
        """Qt hides the window, but the step goes on: so does the window."""
        self.cancelled = True
        self._dialog.setLabelText(_("Cancelling: the step that runs is let end ..."))
        for button in self._dialog.findChildren("QPushButton"):
            button.enabled = False
        qt.QTimer.singleShot(0, self._showAgain)

    def _showAgain(self) -> None:
        if self._dialog is not None:
            self._dialog.show()

    def close(self) -> None:
        """The install has ended."""
        self._dialog.disconnect("canceled()", self._cancel)
        dialog, self._dialog = self._dialog, None
        dialog.close()
        dialog.deleteLater()
