"""The panel's widgets of settings: range, digits, default, unit and tooltip are those of the declaration."""

from __future__ import annotations

import pytest

from Tell2RegLib.errors import InputError

pytestmark = pytest.mark.mrml


@pytest.fixture
def parameters():
    from Tell2RegLib.slicer_module.logic.setting_parameters import SETTING_PARAMETERS

    return SETTING_PARAMETERS


def test_every_widget_of_a_setting_says_and_takes_what_the_declaration_says(clinic, parameters) -> None:
    bound = {name: one for name, one in parameters.items() if hasattr(clinic.ui, name)}
    assert {"similarityThreshold", "boxThreshold", "spacingMm", "sliceStep", "smoothness", "paperMode"} <= set(bound)
    for name, one in bound.items():
        widget = getattr(clinic.ui, name)
        assert widget.toolTip.startswith(one.declared.help), name
        assert widget.property("SlicerParameterName") == name
        if one.kind in (int, float):
            assert (widget.minimum, widget.maximum) == (one.offered.low, one.offered.high), name
            assert widget.value == one.default, name
            assert getattr(clinic.ui, f"{name}Label").toolTip == widget.toolTip
        if one.kind is float:
            assert (widget.decimals, widget.singleStep) == (one.declared.decimals, one.declared.step), name


def test_the_ui_file_repeats_no_range_default_or_tooltip_of_a_setting(clinic, parameters) -> None:
    import xml.etree.ElementTree as ElementTree

    from Testing.Python.small import ROOT

    root = ElementTree.parse(ROOT / "Tell2Reg" / "Resources" / "UI" / "Tell2Reg.ui").getroot()
    names = {name for one in parameters for name in (one, f"{one}Label", f"{one}Combo", f"{one}ComboLabel")}
    repeated = {"minimum", "maximum", "singleStep", "decimals", "value", "toolTip"}
    for widget in root.iter("widget"):
        if widget.get("name") in names:
            said = {one.get("name") for one in widget.findall("property")} & repeated
            assert not said, f"{widget.get('name')}: {said}"


def test_the_row_of_a_setting_has_its_title_with_its_unit(clinic) -> None:
    assert clinic.ui.spacingMmLabel.text == "Pixel size, mm:"
    assert clinic.ui.boxThreshold.toolTip.endswith("0 leaves it to Tell2Reg.")


def test_a_setting_that_is_left_to_the_library_reaches_it_as_none(clinic) -> None:
    clinic.find()
    options = clinic.client.request.options
    assert (options.box_threshold, options.cross_prompts) == (None, None)
    clinic.parameters.boxThreshold, clinic.parameters.crossPrompts = 0.35, True
    clinic.find()
    options = clinic.client.request.options
    assert (options.box_threshold, options.cross_prompts) == (0.35, True)


SPACING = "'spacing_mm' is 0, but must be a number above 0 mm."


def test_parameter_node_script_and_run_say_what_the_library_says(clinic) -> None:
    parameters, scene_value = clinic.parameters, clinic.parameters.parameterNode.SetParameter
    with pytest.raises(InputError) as node:
        parameters.spacingMm = 0.0
    assert str(node.value) == SPACING
    with pytest.raises(InputError) as script:
        clinic.logic.registerVolumes(parameters.fixedVolume, parameters.movingVolume, ["organ"], spacingMm=0.0)
    assert str(script.value) == SPACING
    scene_value("spacingMm", "0.0")  # a scene file that was edited
    clinic.press(clinic.ui.findButton)
    assert clinic.panel.messages.at("regions") == SPACING


def test_a_script_that_is_refused_has_changed_nothing(clinic) -> None:
    before = clinic.parameters.fixedVolume, clinic.parameters.spacingMm
    with pytest.raises(InputError, match="'similarity_threshold' is 7"):
        clinic.logic.registerVolumes(None, None, ["organ"], spacingMm=2.0, similarityThreshold=7.0)
    assert (clinic.parameters.fixedVolume, clinic.parameters.spacingMm) == before


def test_beyond_the_panels_own_range_the_sentence_names_that_range(clinic) -> None:
    with pytest.raises(InputError, match=r"'spacing_mm' is 7, but must be a number of at least 0\.25 and at most 5 mm"):
        clinic.parameters.spacingMm = 7.0
