"""The modal window of an installation."""

from __future__ import annotations

import qt
import slicer
from slicer.i18n import tr as _


class InstallDialog:
    """A modal window with a progress bar. *Cancel* takes effect before the next step; a running step is completed."""

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
        """Keep the window open while the current step is running."""
        self.cancelled = True
        self._dialog.setLabelText(_("Cancelling after the current step ..."))
        for button in self._dialog.findChildren("QPushButton"):
            button.enabled = False
        qt.QTimer.singleShot(0, self._showAgain)

    def _showAgain(self) -> None:
        if self._dialog is not None:
            self._dialog.show()

    def close(self) -> None:
        """Close the window after the installation."""
        self._dialog.disconnect("canceled()", self._cancel)
        dialog, self._dialog = self._dialog, None
        dialog.close()
        dialog.deleteLater()
