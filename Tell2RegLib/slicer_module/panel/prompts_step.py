"""Step 2 of the panel: the prompts."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from Tell2RegLib.slicer_module.logic.presets import presets
from Tell2RegLib.slicer_module.panel.text_box import TextBox

NO_PRESET = ""
"""Name of no preset, when the user typed other prompts."""


class PromptsStep:
    """Presets fill the text box, which is bound by hand; the advanced choices are bound by their names in the .ui."""

    def __init__(self, panel: Any) -> None:
        self._panel, self._ui = panel, panel.ui
        combo = self._ui.presetCombo
        combo.addItem(_("my prompts"), NO_PRESET)
        for preset in presets():
            combo.addItem(preset.name, preset.name)
        combo.connect("activated(int)", self._chosen)
        self._box = TextBox(self._ui.prompts, self._typed)

    def bind(self) -> None:
        """Show the prompts of the current scene."""
        self._box.reset(self._panel.logic.parameters.prompts)

    def choose(self, name: str) -> None:
        """Fill in a preset by its name."""
        parameters = self._panel.logic.parameters
        for preset in presets():
            if preset.name == name:
                parameters.prompts = "\n".join(preset.words)
                parameters.preset = name
                self._box.replace(parameters.prompts)

    def update(self) -> None:
        """Show the preset that matches the prompts, if any."""
        parameters = self._panel.logic.parameters
        self._box.follow(parameters.prompts)
        known = {preset.name: "\n".join(preset.words) for preset in presets()}
        name = parameters.preset if known.get(parameters.preset) == parameters.prompts.strip() else NO_PRESET
        index = self._ui.presetCombo.findData(name)
        if index != self._ui.presetCombo.currentIndex:
            self._ui.presetCombo.setCurrentIndex(index)

    def _typed(self, text: str) -> None:
        if self._panel.bound:
            self._panel.logic.parameters.prompts = text

    def _chosen(self, index: int) -> None:
        name = self._ui.presetCombo.itemData(index)
        if name:
            self.choose(name)
