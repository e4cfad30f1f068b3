"""Installing inside Slicer, with small fakes of the functions of it and of its PyTorch extension that are called."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from subprocess import CalledProcessError
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from Tell2RegLib.slicer_module.install.install_plan import InstallFailed
from Tell2RegLib.slicer_module.install.slicer_installer import SlicerInstaller, rememberToGoOn, shouldGoOn


class FakeSlicer:
    """Slicer as far as an install goes; `calls` is what it was asked, with the environment that pip would see."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[Any, str, str]] = []
        self.return_code, self.busy, self.testing, self.manager = 0, False, False, None
        self.settings: dict[str, Any] = {}
        self.packaging = ModuleType("slicer.packaging")
        vars(self.packaging).update(pip_install=self._pip, isPipInstallInProgress=lambda: self.busy)
        self.slicer = ModuleType("slicer")
        vars(self.slicer).update(
            packaging=self.packaging,
            util=SimpleNamespace(pip_install=self._record),
            app=SimpleNamespace(
                testingEnabled=lambda: self.testing,
                processEvents=self._event,
                extensionsManagerModel=lambda: self.manager,
                userSettings=lambda: SimpleNamespace(
                    setValue=self.settings.__setitem__, value=lambda name, default: self.settings.get(name, default)
                ),
            ),
        )
        self.qt = ModuleType("qt")
        vars(self.qt).update(QThread=SimpleNamespace(msleep=lambda ms: None))
        for name in ("slicer", "qt"):
            monkeypatch.setitem(sys.modules, name, getattr(self, name))
        monkeypatch.setitem(sys.modules, "slicer.packaging", self.packaging)
        self._waiting: list[Any] = []

    def _record(self, arguments: Any) -> None:
        self.calls.append((arguments, os.environ.get("PIP_CONSTRAINT", ""), os.environ.get("PYTHONUTF8", "")))

    def _pip(self, arguments: Any, *, blocking: bool, show_progress: bool, logCallback: Any, completedCallback: Any):
        assert not blocking
        self._record(arguments)
        logCallback("Collecting")
        self._waiting.append(completedCallback)

    def _event(self) -> None:
        if self._waiting:
            self._waiting.pop()(self.return_code)


@pytest.fixture
def slicer(monkeypatch: pytest.MonkeyPatch) -> FakeSlicer:
    monkeypatch.delenv("PIP_CONSTRAINT", raising=False)
    return FakeSlicer(monkeypatch)


@pytest.fixture
def constraints(tmp_path: Path) -> Path:
    path = tmp_path / "with space" / "constraints.txt"
    path.parent.mkdir()
    path.write_text("numpy==2.4.6\n")
    return path


def test_pip_gets_the_constraints_whatever_the_folder_is_called(slicer: FakeSlicer, constraints: Path) -> None:
    lines: list[str] = []
    SlicerInstaller().pip_install(["timm>=1.0"], constraints, True, lines.append)
    ((arguments, constraint, utf8),) = slicer.calls
    assert arguments == ["--no-deps", "timm>=1.0"]
    assert constraint == constraints.as_uri()
    assert " " not in constraint, "pip takes a space for the end of a name"
    assert utf8 == "1"
    assert lines == ["Collecting"]
    assert "PIP_CONSTRAINT" not in os.environ


def test_constraints_of_the_hospital_stay(
    slicer: FakeSlicer, constraints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_CONSTRAINT", "theirs.txt")
    SlicerInstaller().pip_install(["rich"], constraints, False, lambda line: None)
    assert slicer.calls[0][1] == f"theirs.txt {constraints.as_uri()}"
    assert os.environ["PIP_CONSTRAINT"] == "theirs.txt"


def test_a_pip_that_fails_is_told_with_what_it_said(slicer: FakeSlicer, constraints: Path) -> None:
    slicer.return_code = 1
    with pytest.raises(
        InstallFailed, match=("rich could not be installed. The details show the output of pip")
    ) as raised:
        SlicerInstaller().pip_install(["rich"], constraints, False, lambda line: None)
    assert "Collecting" in raised.value.detail


def test_an_install_of_another_module_is_waited_for(slicer: FakeSlicer, constraints: Path) -> None:
    slicer.busy = True
    with pytest.raises(InstallFailed) as raised:
        SlicerInstaller().pip_install(["rich"], constraints, False, lambda line: None)
    assert "Another module" in raised.value.detail
    assert not slicer.calls


@pytest.mark.parametrize("why", ["an older Slicer", "testing mode"])
def test_where_callbacks_are_not_called_slicer_waits_itself(slicer: FakeSlicer, constraints: Path, why: str) -> None:
    if why == "testing mode":
        slicer.testing = True
    else:
        del vars(slicer.slicer)["packaging"]
        sys.modules["slicer.packaging"] = None  # type: ignore[assignment]
    SlicerInstaller().pip_install(["rich"], constraints, False, lambda line: None)
    assert [arguments for arguments, _, _ in slicer.calls] == [["rich"]]


# --- PyTorch ---


def pytorch_extension(monkeypatch: pytest.MonkeyPatch, act: Any) -> None:
    module = ModuleType("PyTorchUtils")
    vars(module).update(PyTorchUtilsLogic=lambda: SimpleNamespace(installTorch=act))
    monkeypatch.setitem(sys.modules, "PyTorchUtils", module)


def test_pytorch_comes_through_the_extension_within_the_constraints(
    slicer: FakeSlicer, constraints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytorch_extension(monkeypatch, lambda **options: slicer._record(options))
    SlicerInstaller().install_pytorch(["torch>=2.2", "torchvision>=0.17"], constraints, lambda line: None)
    ((options, constraint, _),) = slicer.calls
    assert options == {
        "askConfirmation": False,
        "torchVersionRequirement": ">=2.2",
        "torchvisionVersionRequirement": ">=0.17",
    }
    assert constraint == constraints.as_uri()


def test_an_extension_that_fails_is_told(
    slicer: FakeSlicer, constraints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**options: Any) -> None:
        raise CalledProcessError(1, "light_the_torch")

    pytorch_extension(monkeypatch, fail)
    with pytest.raises(InstallFailed, match="PyTorch could not be installed"):
        SlicerInstaller().install_pytorch(["torch>=2.2", "torchvision>=0.17"], constraints, lambda line: None)


def test_the_extension_itself_is_installed_without_asking_twice(slicer: FakeSlicer) -> None:
    requested: list[tuple[str, bool, bool]] = []
    slicer.manager = SimpleNamespace(interactive=True)
    slicer.manager.installExtensionFromServer = lambda name, restart: (
        requested.append((name, restart, slicer.manager.interactive)) is None
    )
    SlicerInstaller().add_extension()
    assert requested == [("PyTorch", False, False)]
    assert slicer.manager.interactive


def test_how_to_get_the_extension_by_hand_is_told(slicer: FakeSlicer) -> None:
    slicer.manager = SimpleNamespace(interactive=True, installExtensionFromServer=lambda name, restart: False)
    with pytest.raises(InstallFailed, match="open the Extensions Manager"):
        SlicerInstaller().add_extension()
    slicer.manager = None
    with pytest.raises(InstallFailed, match="no Extensions Manager"):
        SlicerInstaller().add_extension()


def test_an_install_that_waits_for_a_restart_is_remembered(slicer: FakeSlicer) -> None:
    assert not shouldGoOn()
    rememberToGoOn(True)
    assert shouldGoOn()
    rememberToGoOn(False)
    assert not shouldGoOn()


def pytorch_that_fails(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    def fail(**options: Any) -> None:
        for line in lines:
            print(line)  # as slicer.util.logProcessOutput does
        raise CalledProcessError(1, "light_the_torch")

    pytorch_extension(monkeypatch, fail)


def test_what_pip_said_of_pytorch_is_heard_logged_and_still_printed(
    slicer: FakeSlicer, constraints: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytorch_that_fails(monkeypatch, "Collecting torch", "ERROR: something new")
    logged: list[str] = []
    with pytest.raises(InstallFailed) as raised:
        SlicerInstaller().install_pytorch(["torch>=2.2", "torchvision>=0.17"], constraints, logged.append)
    assert logged[1:] == ["Collecting torch", "ERROR: something new"]
    assert "ERROR: something new" in raised.value.detail
    assert "The details show the output of pip" in str(raised.value)
    assert "internet" not in str(raised.value)
    assert capsys.readouterr().out == "Collecting torch\nERROR: something new\n"


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("ERROR: OSError: [WinError 206] The filename or extension is too long", "shorter name"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "free some space"),
        ("WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError'", "internet connection"),
        ("ERROR: Could not install packages due to an OSError: [WinError 5] Access is denied", "is in use"),
        ("ERROR: No matching distribution found for torch>=2.2", "no build for this system"),
        (
            "ERROR: ResolutionImpossible: for help visit https://pip.pypa.io",
            "The packages conflict with those of Slicer",
        ),
    ],
)
def test_the_advice_follows_from_what_pip_said(
    slicer: FakeSlicer, constraints: Path, monkeypatch: pytest.MonkeyPatch, said: str, advice: str
) -> None:
    pytorch_that_fails(monkeypatch, said)
    with pytest.raises(InstallFailed, match=advice):
        SlicerInstaller().install_pytorch(["torch>=2.2", "torchvision>=0.17"], constraints, lambda line: None)
