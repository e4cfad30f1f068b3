"""The models of step 3: status, installation and removal, the device, and the packages needed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from Tell2RegLib.errors import Tell2RegError
from Tell2RegLib.models.catalogue.entries import load_catalog
from Tell2RegLib.models.catalogue.status_rows import SetRow, model_rows, rows_without_store, set_rows
from Tell2RegLib.pipeline.find_options import DEFAULT_MODELS
from Tell2RegLib.slicer_module.install.install_plan import InstallOutcome, InstallPlan, install, plan_install
from Tell2RegLib.slicer_module.install.requirements import read_requirements, requirements_file
from Tell2RegLib.slicer_module.install.slicer_installer import rememberToGoOn, shouldGoOn
from Tell2RegLib.slicer_module.panel import messages, tables
from Tell2RegLib.slicer_module.panel.declared_texts import stageLabel, translated
from Tell2RegLib.slicer_module.panel.install_dialog import InstallDialog
from Tell2RegLib.slicer_module.run.application import makeClient
from Tell2RegLib.worker.requests import (
    CheckReply,
    CheckRequest,
    DevicesReply,
    DevicesRequest,
    ModelsReply,
    ModelsRequest,
)

MODELS = "models"
"""The name of these runs."""
CHECK = "check"
"""The name of the run that imports every package."""


class ModelsBox:
    """Sets of models in a table, the buttons below it, the device, the packages."""

    def __init__(self, panel: Any) -> None:
        self._panel, self._ui, self._runs = panel, panel.ui, panel.logic.runs
        self._sets: tuple[SetRow, ...] = ()
        self._memory: dict[str, int] = {}
        self._auto = ""
        self._whyNotInstall = ""
        self._packages: str | None = None
        """What keeps the networks from running; None before anybody looked."""
        ui = self._ui
        tables.prepare(ui.modelsTable, (_("Set"), _("Status"), _("Size"), _("Memory"), _("Licence")), stretched=(4,))
        ui.modelsCombo.connect("activated(int)", self._modelsChosen)
        ui.deviceCombo.connect("activated(int)", self._deviceChosen)
        ui.modelsTable.connect("itemSelectionChanged()", self._updateButtons)
        for button, slot in (
            (ui.modelsInstallButton, self._install),
            (ui.modelsImportButton, self._import),
            (ui.modelsVerifyButton, lambda: self._ask(ModelsRequest("verify"))),
            (ui.modelsRemoveButton, self._remove),
            (ui.modelsFolderButton, self._openFolder),
            (ui.modelsClearButton, self._clear),
            (ui.installButton, self._installPackages),
            (ui.checkButton, self._check),
        ):
            button.connect("clicked(bool)", lambda _checked, slot=slot: slot())
        ui.modelsCombo.addItem(_("none (demo networks, demo pair only)"), "")
        self._fillDevices((("auto", _("automatic")), ("cpu", _("CPU"))))
        self._runs.progressed.connect(self._progressed)

    def disconnect(self) -> None:
        """Disconnect from the runs."""
        self._runs.progressed.disconnect(self._progressed)

    # --- what is shown ---

    def enter(self) -> None:
        """Update models, packages and, in the background, devices."""
        self.look()
        if not self._packages:
            self._runs.lookUp(DevicesRequest(), self._devices)
        elif shouldGoOn():
            rememberToGoOn(False)
            self._installPackages()

    def look(self) -> None:
        """Update the status of models and packages from files."""
        catalog = load_catalog()
        try:
            from Tell2RegLib.models.catalogue.installed import Store

            rows = model_rows(Store())
        except (ImportError, Tell2RegError, OSError) as error:
            rows = rows_without_store(catalog)
            if not isinstance(error, ImportError):
                self._panel.say(str(error), messages.ERROR, messages.MODELS)
        self._show(set_rows(catalog, rows))
        missing = self._plan().missing
        self._packages = ""
        if missing:
            names = ", ".join(package.needed.name for package in missing)
            self._packages = _(
                "Packages are missing: {names}. Press 'Install packages...' (Models and packages)."
            ).format(names=names)
        self._ui.packagesStatus.text = self._packages or _("Packages: all installed.")
        self._whyNotInstall = "" if missing else _("All required packages are installed")
        self._panel.enable(self._ui.installButton, self._whyNotInstall)

    @property
    def missingPackages(self) -> str:
        """The missing packages and the remedy, one sentence; empty if none is missing or before the check."""
        return self._packages or ""

    def whyNotFind(self) -> str:
        """Why the chosen models cannot be used; empty if they can, or before the check."""
        if self._packages:
            return self._packages
        chosen = self._panel.logic.parameters.models or DEFAULT_MODELS
        for modelSet in self._sets:
            if modelSet.name == chosen and modelSet.status == "missing":
                return _("The models '{name}' are not installed: install them below, or choose others.").format(
                    name=chosen
                )
        return ""

    def update(self) -> None:
        """Show what was chosen."""
        parameters, ui = self._panel.logic.parameters, self._ui
        for combo, value in ((ui.modelsCombo, parameters.models), (ui.deviceCombo, parameters.device)):
            index = combo.findData(value)
            if index < 0 and value:
                combo.addItem(value, value)
                index = combo.findData(value)
            combo.setCurrentIndex(index)
        for modelSet in self._sets:
            if modelSet.name == (parameters.models or DEFAULT_MODELS):
                ui.modelsStatus.text = _inOneLine(modelSet) + self._memoryWarning(modelSet)
                ui.modelsCombo.toolTip = modelSet.purpose
        self._updateButtons()

    def _memoryWarning(self, modelSet: SetRow) -> str:
        """A warning if the chosen device has less memory than the models need; empty otherwise."""
        device = self._panel.logic.parameters.device
        memory = self._memory.get(self._auto if device == "auto" else device)
        if memory is None or memory >= modelSet.memory_gb * 1e9:
            return ""
        return _("; they need about {need} GB, the device has {has}: choose smaller models or another device").format(
            need=f"{modelSet.memory_gb:g}", has=size(memory)
        )

    def _show(self, sets: tuple[SetRow, ...]) -> None:
        self._sets, table, combo = sets, self._ui.modelsTable, self._ui.modelsCombo
        table.setRowCount(len(sets))
        for line, modelSet in enumerate(sets):
            members = "\n".join(f"{row.model.title}: {row.status}" for row in modelSet.models)
            tables.cell(table, line, 0, modelSet.name, f"{modelSet.purpose}\n{members}")
            tables.cell(table, line, 1, translated(modelSet.status))
            tables.cell(table, line, 2, size(modelSet.bytes))
            tables.cell(table, line, 3, f"{modelSet.memory_gb:g} GB")
            tables.cell(table, line, 4, ", ".join(modelSet.licences))
            if combo.findData(modelSet.name) < 0:
                combo.addItem(modelSet.name, modelSet.name)
        tables.fitHeight(table)

    def _updateButtons(self) -> None:
        ui, busy, chosen = self._ui, self._panel.busy, self._chosen()
        why = _("A run is in progress") if busy else "" if chosen else _("Select a set in the table first")
        isRunning = self._runs.current == MODELS
        ui.modelsInstallButton.text = _("Cancel") if isRunning else _("Install...")
        done = _("These models are installed") if chosen and chosen.installed else why
        self._panel.enable(ui.modelsInstallButton, "" if isRunning else done)
        self._panel.enable(ui.modelsRemoveButton, why)
        self._panel.enable(ui.installButton, _("A run is in progress") if busy else self._whyNotInstall)
        for button in (ui.modelsImportButton, ui.modelsVerifyButton, ui.modelsClearButton, ui.checkButton):
            self._panel.enable(button, _("A run is in progress") if busy else "")

    def _chosen(self) -> SetRow | None:
        rows = tables.selectedRows(self._ui.modelsTable)
        return self._sets[rows[0]] if rows and rows[0] < len(self._sets) else None

    def _fillDevices(self, devices: Sequence[tuple[str, str]]) -> None:
        combo = self._ui.deviceCombo
        chosen = self._panel.logic.parameters.device
        combo.clear()
        for name, label in devices:
            combo.addItem(label, name)
        combo.setCurrentIndex(max(combo.findData(chosen), 0))

    def _devices(self, reply: DevicesReply) -> None:
        self._auto = reply.auto
        self._memory = {info.name: info.memory_bytes for info in reply.devices if info.memory_bytes is not None}
        best = next((device.label for device in reply.devices if device.name == reply.auto), reply.auto)
        rows = [("auto", _("automatic: {device}").format(device=best))]
        rows += [(device.name, f"{device.label}, {size(device.memory_bytes)}") for device in reply.devices]
        self._fillDevices(rows)
        self.update()

    # --- models ---

    def _modelsChosen(self, index: int) -> None:
        self._panel.logic.parameters.models = self._ui.modelsCombo.itemData(index)

    def _deviceChosen(self, index: int) -> None:
        self._panel.logic.parameters.device = self._ui.deviceCombo.itemData(index)

    def _ask(self, request: ModelsRequest) -> None:
        try:
            self._runs.start(MODELS, request, self._answered)
        except Tell2RegError as error:
            self._panel.say(str(error), messages.ERROR, messages.MODELS)
        self._panel.update()

    def _answered(self, reply: ModelsReply) -> None:
        self._show(reply.sets)
        self._panel.say(reply.message, step=messages.MODELS)

    def _progressed(self, run: str, stage: str, done: int, total: int, _secondsLeft: float | None) -> None:
        if run == MODELS:
            share = f"{100 * done // max(total, 1)} %"
            self._panel.show(f"{stageLabel(stage)}: {share} ({size(done)} / {size(total)})", step=messages.MODELS)

    def _install(self) -> None:
        if self._runs.current == MODELS:
            self._runs.cancel()
            return
        modelSet = self._chosen()
        if modelSet is None:
            return
        lines = [
            _("Download the models '{name}'?").format(name=modelSet.name),
            "",
            *(f"- {row.model.title}, {size(row.bytes)}, {row.licence}" for row in modelSet.models if not row.installed),
            "",
            _("Total: {size}. They are stored in your own model folder, outside Slicer. No image is sent.").format(
                size=size(modelSet.missing_bytes)
            ),
        ]
        if slicer.util.confirmOkCancelDisplay("\n".join(lines), windowTitle="Tell2Reg"):
            self._ask(ModelsRequest("install", modelSet.name))

    def _import(self) -> None:
        path = qt.QFileDialog.getOpenFileName(slicer.util.mainWindow(), _("Weights file"), "", "")
        if path:
            self._ask(ModelsRequest("import", path=Path(path)))

    def _remove(self) -> None:
        modelSet = self._chosen()
        if modelSet is None:
            return
        text = _("Delete the downloaded files of '{name}'?").format(name=modelSet.name)
        if slicer.util.confirmYesNoDisplay(text, windowTitle="Tell2Reg"):
            self._ask(ModelsRequest("remove", modelSet.name))

    def _clear(self) -> None:
        if slicer.util.confirmYesNoDisplay(_("Delete all downloaded models?"), windowTitle="Tell2Reg"):
            self._ask(ModelsRequest("clear"))

    def _openFolder(self) -> None:
        try:
            from Tell2RegLib.models.catalogue.models_folder import models_folder

            folder = models_folder()
            os.makedirs(folder, exist_ok=True)
        except ImportError:
            text = _("Install the packages first: they determine where models are stored.")
            self._panel.say(text, messages.ERROR, messages.MODELS)
            return
        except (OSError, Tell2RegError) as error:
            self._panel.say(str(error), messages.ERROR, messages.MODELS)
            return
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(folder)))

    # --- packages ---

    def _plan(self) -> InstallPlan:
        from Tell2RegLib.slicer_module.install.slicer_installer import SlicerInstaller

        return plan_install(read_requirements(requirements_file()), SlicerInstaller())

    def _installPackages(self) -> None:
        from Tell2RegLib.slicer_module.install.slicer_installer import SlicerInstaller

        plan = self._plan()
        if plan.problem:
            slicer.util.errorDisplay(plan.problem, windowTitle="Tell2Reg")
            return
        if not slicer.util.confirmOkCancelDisplay(plan.dialog_text, windowTitle="Tell2Reg"):
            return
        self._panel.lock(True)
        dialog = InstallDialog()
        try:
            outcome = install(
                plan,
                SlicerInstaller(),
                self._verified,
                on_step=dialog.step,
                on_log=self._panel.log,
                is_cancelled=lambda: dialog.cancelled,
            )
        finally:
            dialog.close()
            self._panel.lock(False)
        self._installed(outcome)

    def _installed(self, outcome: InstallOutcome) -> None:
        self.look()
        rememberToGoOn(outcome.go_on)
        level = messages.INFO if outcome.done else messages.ERROR
        self._panel.say(outcome.message, messages.WARNING if outcome.go_on else level, messages.MODELS)
        if outcome.detail:
            self._panel.log(outcome.detail)
        if outcome.restart:
            text = outcome.message + "\n\n" + _("Restart Slicer now? Save your scene first.")
            if slicer.util.confirmYesNoDisplay(text, windowTitle="Tell2Reg", detailedText=outcome.detail):
                slicer.util.restart()
        else:
            display = slicer.util.infoDisplay if outcome.done else slicer.util.errorDisplay
            display(outcome.message, windowTitle="Tell2Reg", detailedText=outcome.detail)
        self._panel.update()

    def _verified(self) -> list[tuple[str, str]]:
        """Import all packages in a new worker; returns those that fail."""
        replies: list[CheckReply] = []
        self._runs.renew(makeClient())
        self._runs.start(CHECK, CheckRequest(), replies.append, wait=True)
        return [(missing.package, missing.reason) for missing in replies[0].missing]

    def _check(self) -> None:
        try:
            unusable = self._verified()
        except Tell2RegError as error:
            self._panel.say(str(error), messages.ERROR, messages.MODELS)
            return
        self.look()
        if unusable:
            self._ui.packagesStatus.text = "\n".join(f"{name}: {reason}" for name, reason in unusable)
        else:
            self._ui.packagesStatus.text = _("Packages: all installed, and all can be loaded.")


def size(count: int | None) -> str:
    """Bytes as a person reads them.

    >>> size(2_500_000_000), size(11_000_000)
    ('2.5 GB', '11 MB')
    """
    if count is None:
        return "?"
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def _inOneLine(modelSet: SetRow) -> str:
    status = (
        _("installed") if modelSet.installed else _("not installed, {size}").format(size=size(modelSet.missing_bytes))
    )
    return f"{status}; {', '.join(modelSet.licences)}"
