"""Installing from the panel: what can be used meanwhile, what is said when it fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from Tell2RegLib.slicer_module.install.environment import PackagesFolder
from Tell2RegLib.slicer_module.install.install_plan import InstallFailed

pytestmark = pytest.mark.mrml


class Installer:
    """Everything is missing; `meanwhile` is called while PyTorch is installed."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self._meanwhile = meanwhile
        self.steps: list[str] = []

    def versions(self) -> dict[str, str]:
        return {}

    def loaded(self) -> set[str]:
        return set()

    def destination(self) -> PackagesFolder:
        return PackagesFolder(Path("/slicer"), 50_000, True)

    def has_extension(self) -> bool:
        return True

    def install_pytorch(self, *_arguments: object) -> None:
        self.steps.append("pytorch")
        self._meanwhile()

    def pip_install(self, *_arguments: object) -> None:
        self.steps.append("pip")


@pytest.fixture
def install(clinic, monkeypatch: pytest.MonkeyPatch):
    """Presses Install, agrees, and gives the installer when it has ended."""
    from Tell2RegLib.slicer_module.install import slicer_installer

    def run(meanwhile: Callable[[], None], *answers: str) -> Installer:
        installer = Installer(meanwhile)
        monkeypatch.setattr(slicer_installer, "SlicerInstaller", lambda: installer)
        monkeypatch.setattr(clinic.panel.regions.models, "_verified", lambda: [])
        clinic.panel.regions.models.look()
        clinic.standin.answers.expect("Ok", *answers)
        clinic.press(clinic.ui.installButton)
        return installer

    return run


def the_dialog():
    import qt

    return qt.QApplication.activeModalWidget()


def test_nothing_else_can_be_used_while_packages_are_installed(clinic, install) -> None:
    import qt

    recorded = []

    def meanwhile() -> None:
        recorded.append((the_dialog().className(), the_dialog().windowModality == qt.Qt.ApplicationModal))
        steps = ("imagesStep", "promptsStep", "regionsStep", "transformStep", "planStep")
        recorded.append([getattr(clinic.ui, step).enabled for step in steps])

    install(meanwhile)
    assert recorded == [("QProgressDialog", True), [False] * 5]
    assert the_dialog() is None
    assert clinic.ui.regionsStep.enabled
    assert clinic.ui.modelsMessage.text == "All packages are installed and can be loaded."


def test_a_cancelled_install_keeps_its_window_until_the_step_has_ended(clinic, install) -> None:
    shown = []

    def meanwhile() -> None:
        dialog = the_dialog()
        (button,) = dialog.findChildren("QPushButton")
        button.click()
        clinic.standin.process_events()
        shown.append((dialog.visible, button.enabled, dialog.labelText))

    installer = install(meanwhile)
    assert shown == [(True, False, "Cancelling after the current step ...")]
    assert installer.steps == ["pytorch"]
    assert "cancelled" in clinic.ui.modelsMessage.text


def test_what_pip_said_is_shown_and_logged_when_an_install_fails(clinic, install) -> None:
    def meanwhile() -> None:
        raise InstallFailed("PyTorch could not be installed. The disk is full.", "ERROR: [Errno 28] No space left")

    install(meanwhile)
    (message,) = [item for item in clinic.standin.answers.messages if "could not be installed" in item.text]
    assert message.details == "ERROR: [Errno 28] No space left"
    assert "[Errno 28]" in clinic.ui.logText.toPlainText()
    assert clinic.ui.modelsMessage.text == "PyTorch could not be installed. The disk is full."
    assert clinic.ui.regionsStep.enabled
