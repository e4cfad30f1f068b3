"""The settings of the library as rows of the panel: widgets, ranges, digits and tooltips from their declarations.

A setting without a widget of its own in Tell2Reg.ui gets a row in the *Advanced* box of its step.
"""

from __future__ import annotations

from typing import Any

import ctk
import qt
from slicer.i18n import tr as _

from Tell2RegLib.evaluation.settings import TrustSettings
from Tell2RegLib.fitting.settings import FitSettings
from Tell2RegLib.pipeline.find_options import FindOptions
from Tell2RegLib.slicer_module.logic.setting_parameters import SETTING_PARAMETERS, SettingParameter
from Tell2RegLib.slicer_module.panel.declared_texts import translated

BOX_OF = {FindOptions: "promptsAdvanced", FitSettings: "transformAdvanced", TrustSettings: "planAdvanced"}
"""The box in Tell2Reg.ui for the settings of a class."""
FILLED_BY_CODE = ("models", "source", "device")
"""Settings with a combo box that other parts of the panel fill: `modelsCombo`, `sourceCombo`, `deviceCombo`."""
PARAMETER = "SlicerParameterName"


def addSettings(ui: Any) -> None:
    """Add the missing rows, and take ranges and tooltips of all widgets of settings from the declarations.

    Args:
        ui: the named widgets of Tell2Reg.ui; new ones become attributes, named after their parameters.
    """
    for name, parameter in SETTING_PARAMETERS.items():
        if name in FILLED_BY_CODE:
            _explain(parameter, getattr(ui, f"{name}Combo"), getattr(ui, f"{name}ComboLabel"))
        elif hasattr(ui, name):
            _shape(parameter, getattr(ui, name))
            _explain(parameter, getattr(ui, name), getattr(ui, f"{name}Label"))
        else:
            _addRow(ui, parameter)
    for box in BOX_OF.values():
        getattr(ui, box).setVisible(getattr(ui, box).layout().rowCount() > 0)


def _addRow(ui: Any, parameter: SettingParameter) -> None:
    box, widget = getattr(ui, BOX_OF[parameter.settings]), _widget(parameter)
    widget.objectName = parameter.name
    widget.setProperty(PARAMETER, parameter.name)
    _shape(parameter, widget)
    folded = box.collapsed
    box.collapsed = False  # so that what is added is hidden with the rest
    if parameter.kind is bool:
        widget.text = translated(parameter.declared.title)
        _explain(parameter, widget)
        box.layout().addRow(widget)
    else:
        label = qt.QLabel(_("{title}:").format(title=translated(parameter.declared.title)))
        label.objectName = f"{parameter.name}Label"
        _explain(parameter, widget, label)
        box.layout().addRow(label, widget)
        setattr(ui, label.objectName, label)
    box.collapsed = folded
    setattr(ui, parameter.name, widget)


def _widget(parameter: SettingParameter) -> Any:
    """What suits a setting; Slicer binds each of these classes to a parameter of that kind."""
    offered = parameter.offered
    if parameter.kind is bool:
        return qt.QCheckBox()
    if offered.choices:
        return qt.QComboBox()
    if parameter.kind is int:
        return qt.QSpinBox()
    if parameter.kind is float:
        return qt.QDoubleSpinBox() if None in (offered.low, offered.high) else ctk.ctkSliderWidget()
    return qt.QLineEdit()


def _shape(parameter: SettingParameter, widget: Any) -> None:
    """Digits and steps; Slicer takes the range from the parameter node."""
    if parameter.kind is float:
        widget.decimals = parameter.declared.decimals
        widget.singleStep = 10.0**-widget.decimals if parameter.declared.step is None else parameter.declared.step


def _explain(parameter: SettingParameter, *widgets: Any) -> None:
    automatic = parameter.declared.default is None and parameter.kind in (int, float)
    tip = translated(parameter.declared.tip) + (_(" 0 leaves it to Tell2Reg.") if automatic else "")
    for widget in widgets:
        widget.toolTip = tip
