"""Step 2 of the panel: which words."""

from __future__ import annotations

from slicer.i18n import tr as _

from Tell2RegLib.module.presets import presets

OWN = ""
"""The preset's name when a person typed his own words."""


class WordsStep:
    """Presets fill the text box; the box and the advanced choices are bound to the parameter node by the .ui."""

    def __init__(self, panel) -> None:
        self._panel, self._ui = panel, panel.ui
        combo = self._ui.presetCombo
        combo.addItem(_("my own words"), OWN)
        for preset in presets():
            combo.addItem(preset.name, preset.name)
        combo.connect("activated(int)", self._chosen)

    def choose(self, name: str) -> None:
        """Fill in a preset by its name."""
        own = self._panel.logic.parameters
        for preset in presets():
            if preset.name == name:
                own.prompts, own.smoothness = "\n".join(preset.words), preset.smoothness
                own.preset = name

    def update(self) -> None:
        """Show which preset the words are, if they are one."""
        own = self._panel.logic.parameters
        known = {preset.name: "\n".join(preset.words) for preset in presets()}
        name = own.preset if known.get(own.preset) == own.prompts.strip() else OWN
        index = self._ui.presetCombo.findData(name)
        if index != self._ui.presetCombo.currentIndex:
            self._ui.presetCombo.setCurrentIndex(index)

    def _chosen(self, index: int) -> None:
        name = self._ui.presetCombo.itemData(index)
        if name:
            self.choose(name)
