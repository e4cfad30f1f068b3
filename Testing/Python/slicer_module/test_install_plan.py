"""The install flow with a recorded installer: the order, what stays, what a person is told. No package is installed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from Tell2RegLib.errors import ResourceError
from Tell2RegLib.slicer_module.install.environment import (
    PackagesFolder,
    installed_versions,
    loaded_packages,
    packages_folder,
)
from Tell2RegLib.slicer_module.install.install_plan import (
    InstallFailed,
    InstallOutcome,
    InstallPlan,
    constraints_text,
    install,
    plan_install,
)
from Tell2RegLib.slicer_module.install.requirements import DOWNLOAD_MB, PYTORCH, read_requirements, requirements_file

ROOT = Path(__file__).resolve().parents[3]
SLICER = {"numpy": "2.4.6", "scipy": "1.17.1", "simpleitk": "2.5.5", "vtk": "9.6.2", "pillow": "12.2.0"}
WITH_PYTORCH = SLICER | {"torch": "2.15.0+cpu", "torchvision": "0.29.2+cpu"}
NEEDED = read_requirements(requirements_file())


@dataclass
class RecordedInstaller:
    """Installs into a dict and remembers what it was asked; `breaks` fails there, `replaces` is what pip does wrong."""

    installed_versions: dict[str, str]
    extension: bool = True
    where: PackagesFolder = field(default_factory=lambda: PackagesFolder(Path("/slicer/site-packages"), 50_000, True))
    breaks: str = ""
    replaces: dict[str, str] = field(default_factory=dict)
    in_use: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)

    def versions(self) -> dict[str, str]:
        return dict(self.installed_versions)

    def loaded(self) -> set[str]:
        return self.in_use

    def destination(self) -> PackagesFolder:
        return self.where

    def has_extension(self) -> bool:
        return self.extension

    def add_extension(self) -> None:
        self._call("extension")

    def install_pytorch(self, requirements: Sequence[str], constraints: Path, on_log: Callable[[str], None]) -> None:
        self._call("pytorch", requirements, constraints)

    def pip_install(
        self, requirements: Sequence[str], constraints: Path, alone: bool, on_log: Callable[[str], None]
    ) -> None:
        on_log("Collecting")
        self._call("alone" if alone else "pip", requirements, constraints)

    def _call(self, name: str, requirements: Sequence[str] = (), constraints: Path | None = None) -> None:
        self.calls.append(name)
        if constraints is not None:
            self.constraints.append(constraints.read_text())
        if name == self.breaks:
            raise InstallFailed(f"{name} could not be installed.", "pip said no")
        for text in requirements:
            floor = re.search(r">=([\d.]+)", text)
            self.installed_versions[canonicalize_name(Requirement(text).name)] = floor[1] if floor else "1"
        self.installed_versions.update(self.replaces)


def run(installer: RecordedInstaller, unusable: Sequence[tuple[str, str]] = ()) -> InstallOutcome:
    return install(plan_install(NEEDED, installer), installer, lambda: unusable)


# --- the plan ---


def test_a_fresh_slicer_lacks_pytorch_and_every_package() -> None:
    plan = plan_install(NEEDED, RecordedInstaller(dict(SLICER)))
    assert {package.needed.name for package in plan.missing} == {"torch", "torchvision"} | {
        item.name for item in NEEDED
    }
    assert {package.status for package in plan.packages} == {"Missing"}


def test_a_complete_slicer_lacks_nothing_and_says_which_versions() -> None:
    installer = RecordedInstaller(dict(WITH_PYTORCH))
    run(installer)
    plan = plan_install(NEEDED, installer)
    assert not plan.missing
    assert "Installed 2.15.0+cpu" in [package.status for package in plan.packages]


def test_a_package_that_is_too_new_or_too_old_is_named_with_what_is_needed() -> None:
    for version in ("4.40.0", "5.1.0"):
        plan = plan_install(NEEDED, RecordedInstaller(WITH_PYTORCH | {"transformers": version}))
        (package,) = [package for package in plan.packages if package.needed.name == "transformers"]
        assert not package.is_installed
        assert package.status == f"{version}, but <5,>=4.57 is needed"


def test_the_dialog_says_what_how_large_and_where() -> None:
    text = plan_install(NEEDED, RecordedInstaller(dict(SLICER), extension=False)).dialog_text
    for words in ("extension PyTorch, first", "torch and torchvision", "transformers", "GB", "/slicer/site-packages"):
        assert words in text
    assert "are not changed" in text


def test_what_is_there_is_neither_named_nor_counted() -> None:
    plan = plan_install(NEEDED, RecordedInstaller(dict(WITH_PYTORCH)))
    assert "torchvision" not in plan.dialog_text
    assert "GPU" not in plan.dialog_text
    assert plan.download_mb[0] == plan.download_mb[1] < 100


@pytest.mark.parametrize(
    ("destination", "words"),
    [
        (PackagesFolder(Path("/opt/slicer"), 50_000, False), "You may not write to '/opt/slicer'"),
        (PackagesFolder(Path("/opt/slicer"), 300, True), "300 MB of free space"),
        (PackagesFolder(Path("/slicer" * 20), 50_000, True, 259), "shorter name"),
    ],
    ids=["no right to write", "no room", "no room for names"],
)
def test_what_cannot_work_is_told_before_anything_is_done(destination: PackagesFolder, words: str) -> None:
    installer = RecordedInstaller(dict(SLICER), where=destination)
    outcome = run(installer)
    assert not outcome.done
    assert words in outcome.message
    assert not installer.calls


# --- the steps ---


def test_pytorch_comes_first_then_plain_packages_then_those_without_dependencies() -> None:
    installer = RecordedInstaller(dict(SLICER))
    reports: list[str] = []
    outcome = install(
        plan_install(NEEDED, installer), installer, lambda: (), on_step=lambda title, done, total: reports.append(title)
    )
    assert installer.calls == ["pytorch", "pip", "alone"]
    assert len(reports) == 4
    assert outcome.done
    assert not outcome.restart


@pytest.mark.parametrize(("folder", "left_out"), [("/slicer" * 12, True), ("/slicer", False)])
def test_builds_with_very_long_paths_are_left_out_where_windows_cannot_hold_them(folder: str, left_out: bool) -> None:
    installer = RecordedInstaller(dict(SLICER), where=PackagesFolder(Path(folder), 50_000, True, 259))
    plan = plan_install(NEEDED, installer)
    (torch, _) = (Requirement(text) for text in plan.pytorch_requirements)
    assert torch.specifier.contains("2.13.0") is not left_out
    assert torch.specifier.contains("2.12.1")
    assert ("2.13 and 2.14 are excluded" in plan.dialog_text) is left_out
    assert run(installer).done
    assert plan_install(NEEDED, RecordedInstaller(dict(SLICER))).pytorch_requirements == PYTORCH


def test_what_is_there_already_is_left_alone() -> None:
    installer = RecordedInstaller(dict(WITH_PYTORCH))
    run(installer)
    assert installer.calls == ["pip", "alone"]
    installer.calls.clear()
    assert run(installer).done
    assert not installer.calls


def test_without_the_extension_it_is_installed_alone_and_the_rest_waits_for_a_restart() -> None:
    installer = RecordedInstaller(dict(SLICER), extension=False)
    outcome = run(installer)
    assert installer.calls == ["extension"]
    assert (outcome.done, outcome.restart, outcome.go_on) == (False, True, True)
    assert "Restart Slicer" in outcome.message


def test_an_extension_is_not_asked_for_where_pytorch_is_there() -> None:
    installer = RecordedInstaller(dict(WITH_PYTORCH), extension=False)
    assert run(installer).done
    assert "extension" not in installer.calls


def test_every_step_keeps_slicers_own_packages_and_the_later_ones_pytorch() -> None:
    installer = RecordedInstaller(dict(SLICER))
    run(installer)
    pytorch, *later = installer.constraints
    assert all("numpy==2.4.6\n" in text and "vtk==9.6.2\n" in text for text in installer.constraints)
    assert "torch" not in pytorch
    assert all("torch==2.2\n" in text for text in later)


def test_a_package_of_slicer_that_pip_does_not_know_is_not_installed_over() -> None:
    lines = constraints_text({"numpy": "2.4.6"}).split()
    assert lines == ["numpy==2.4.6", "scipy<0", "simpleitk<0", "vtk<0"]


# --- how it ends ---


@pytest.mark.parametrize("step", ["pytorch", "pip", "alone"])
def test_a_step_that_fails_ends_the_install_with_what_pip_said(step: str) -> None:
    installer = RecordedInstaller(dict(SLICER), breaks=step)
    outcome = run(installer)
    assert installer.calls[-1] == step
    assert not outcome.done
    assert (outcome.message, outcome.detail) == (f"{step} could not be installed.", "pip said no")
    installer.breaks = ""
    assert run(installer).done, "pressing Install again goes on"


def test_cancelling_stops_before_the_next_step() -> None:
    installer = RecordedInstaller(dict(SLICER))
    outcome = install(
        plan_install(NEEDED, installer), installer, lambda: (), is_cancelled=lambda: "pytorch" in installer.calls
    )
    assert installer.calls == ["pytorch"]
    assert not outcome.done
    assert "cancelled" in outcome.message


def test_what_cannot_be_imported_afterwards_is_named() -> None:
    outcome = run(RecordedInstaller(dict(SLICER)), unusable=[("torchvision", "operator nms does not exist")])
    assert not outcome.done
    assert "torchvision cannot be used" in outcome.message
    assert outcome.detail == "torchvision: operator nms does not exist"


def test_a_check_that_does_not_come_about_is_told() -> None:
    def dies() -> Sequence[tuple[str, str]]:
        raise ResourceError("The worker stopped unexpectedly.")

    installer = RecordedInstaller(dict(SLICER))
    outcome = install(plan_install(NEEDED, installer), installer, dies)
    assert not outcome.done
    assert outcome.detail == "the worker: The worker stopped unexpectedly."


@pytest.mark.parametrize("breaks", ["", "alone"])
def test_a_package_of_slicers_own_that_changed_is_told_with_the_way_back(breaks: str) -> None:
    outcome = run(RecordedInstaller(dict(SLICER), replaces={"numpy": "2.9.0"}, breaks=breaks))
    assert not outcome.done
    assert "numpy from 2.4.6 to 2.9.0" in outcome.message
    assert "slicer.util.pip_install('numpy==2.4.6')" in outcome.message


def test_a_restart_is_asked_for_only_when_a_package_in_use_changed() -> None:
    newer = {"typing-extensions": "4.16"}
    old = SLICER | {"typing-extensions": "4.5"}
    assert not run(RecordedInstaller(dict(old), replaces=newer)).restart
    outcome = run(RecordedInstaller(dict(old), replaces=newer, in_use={"typing-extensions"}))
    assert (outcome.done, outcome.restart) == (True, True)


# --- the list ---


def test_the_list_holds_what_pyproject_asks_for_with_its_floors_and_nothing_of_slicers_own() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    requested = {
        str(Requirement(line)) for line in project["dependencies"] + project["optional-dependencies"]["networks"]
    }
    listed = {str(item.requirement) for item in NEEDED} | set(PYTORCH)
    slicers = {line for line in requested if canonicalize_name(Requirement(line).name) in SLICER}
    assert listed - requested == {"timm>=1.0"}, "groundingdino needs it and is installed without its dependencies"
    assert requested - listed == slicers


def test_packages_that_bring_other_builds_of_slicers_libraries_come_alone() -> None:
    assert {item.name for item in NEEDED if item.alone} == {"groundingdino-py", "segment-anything", "timm"}


def test_every_size_is_of_a_package_in_the_list() -> None:
    assert set(DOWNLOAD_MB) <= {item.name for item in NEEDED}


def test_a_damaged_list_is_told(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("what is this\n")
    with pytest.raises(ResourceError, match="'what is this'.*not a valid requirement"):
        read_requirements(tmp_path / "requirements.txt")


# --- this environment ---


def test_the_environment_is_read_as_it_is() -> None:
    import numpy as np

    versions = installed_versions()
    assert versions["numpy"] == np.__version__
    assert "simpleitk" in versions
    assert {"numpy", "pytest"} <= loaded_packages()
    place = packages_folder()
    assert place.folder.is_dir()
    assert place.free_mb > 0


def test_a_plan_is_a_value() -> None:
    installer = RecordedInstaller(dict(SLICER))
    assert plan_install(NEEDED, installer) == plan_install(NEEDED, installer)
    assert isinstance(plan_install(NEEDED, installer), InstallPlan)
