"""What the panel says: where, in which colour, for how long."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from Testing.Python import small
from Testing.Python.slicer_module.simulated import a_pair, find_reply, reply_of

pytestmark = pytest.mark.mrml

STEPS = ("images", "models", "regions", "transform", "plan", "report")


def labels(clinic) -> dict:
    """Every message line that is shown, by its step."""
    named = {"top": clinic.ui.messageLabel, **{step: getattr(clinic.ui, f"{step}Message") for step in STEPS}}
    return {step: label.text for step, label in named.items() if not label.isHidden()}


def nothing_found(request):
    return reply_of([], reason="Nothing was found for 'organ' in the fixed volume.")


def without_partners(request):
    (first, *_), regions = find_reply(request).pairs, a_pair().regions(request)
    return reply_of([first], [regions[1][0]], [regions[2][1], regions[3][1]])


def luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(style: str) -> float:
    text, background = re.search(r"(?<!-)color: (#\w{6}).*background-color: (#\w{6})", style).groups()
    dark, light = sorted((luminance(text), luminance(background)))
    return (light + 0.05) / (dark + 0.05)


def test_every_level_sets_text_and_background_so_that_any_theme_can_be_read(clinic) -> None:
    from Tell2RegLib.slicer_module.panel import messages

    styles = [messages.STYLES[level] for level in (messages.INFO, messages.WARNING, messages.ERROR)]
    assert len(set(styles)) == 3
    assert min(map(contrast, styles)) >= 7.0  # AAA of the WCAG


def test_a_message_stands_at_the_step_that_it_belongs_to(clinic) -> None:
    clinic.find()
    assert set(labels(clinic)) == {"regions"}
    clinic.fit()
    clinic.client.cancelled = 0
    clinic.press(clinic.ui.fitButton)
    clinic.client.answer("on_error", "OutOfMemory", "The device has not enough memory.", "")
    clinic.hear()
    assert labels(clinic)["transform"] == "The device has not enough memory."
    assert clinic.ui.messageLabel.text == ""


def test_a_warning_does_not_look_like_a_success(clinic) -> None:
    from Tell2RegLib.slicer_module.panel import messages

    clinic.find()
    assert clinic.ui.regionsMessage.styleSheet == messages.STYLES[messages.INFO]
    clinic.find(without_partners)
    assert clinic.ui.regionsMessage.styleSheet == messages.STYLES[messages.WARNING]
    clinic.find(nothing_found)
    assert clinic.ui.regionsMessage.styleSheet == messages.STYLES[messages.ERROR]


def test_targets_that_need_a_second_look_are_a_warning_at_the_plan(clinic, monkeypatch) -> None:
    from Tell2RegLib.slicer_module.panel import messages
    from Tell2RegLib.slicer_module.scene.markups import fiducials_from_points
    from Tell2RegLib.space.point_files import PointList

    far = fiducials_from_points(clinic.standin.scene, PointList(("far",), [[900.0, 0.0, 0.0]]), "plan")
    clinic.find()
    clinic.fit()
    clinic.panel.plan.check([far])
    clinic.press(clinic.ui.propagateButton)
    assert "need checking" in labels(clinic)["plan"]
    assert clinic.ui.planMessage.styleSheet == messages.STYLES[messages.WARNING]


def test_nothing_was_found_goes_when_the_fit_succeeds(clinic) -> None:
    clinic.find()
    clinic.find(nothing_found)
    assert "Nothing was found" in labels(clinic)["regions"]
    clinic.fit()
    assert "regions" not in labels(clinic)


def test_a_new_search_takes_back_what_later_steps_said_of_the_one_before(clinic) -> None:
    clinic.find()
    clinic.press(clinic.ui.fitButton)
    clinic.press(clinic.ui.fitButton)
    clinic.hear()
    assert labels(clinic)["transform"] == "Cancelled; the scene is unchanged."
    clinic.press(clinic.ui.findButton)
    assert labels(clinic) == {}


def test_a_decision_takes_back_why_the_pairs_could_not_be_fitted(clinic) -> None:
    clinic.find()
    clinic.press(clinic.ui.fitButton)
    clinic.client.answer("on_error", "InputError", "These pairs cannot be fitted.", "")
    clinic.hear()
    clinic.select(0)
    clinic.press(clinic.ui.rejectButton)
    assert "transform" not in labels(clinic)


def test_other_volumes_take_back_everything(clinic) -> None:
    clinic.find(nothing_found)
    clinic.press(clinic.ui.swapButton)
    assert labels(clinic) == {}


@pytest.mark.parametrize("running", [False, True])
def test_a_closed_scene_leaves_no_message_and_no_log(clinic, running: bool) -> None:
    clinic.find(nothing_found)
    if running:
        clinic.press(clinic.ui.findButton)
    clinic.standin.scene.Clear(0)
    clinic.hear()
    clinic.standin.process_events()
    assert labels(clinic) == {}
    assert clinic.ui.logText.toPlainText() == ""


def test_a_message_unfolds_its_step(clinic) -> None:
    clinic.find()
    clinic.ui.transformStep.collapsed = True
    clinic.logic.fit()
    clinic.client.answer("on_error", "InputError", "These pairs cannot be fitted.", "")
    clinic.hear()
    assert not clinic.ui.transformStep.collapsed
    assert clinic.ui.transformMessage.text == "These pairs cannot be fitted."


def test_the_log_keeps_the_runs_of_the_scene(clinic) -> None:
    clinic.find()
    clinic.fit()
    clinic.find(nothing_found)
    log = clinic.ui.logText.toPlainText()
    assert log.count("Fixed: as asked.") == 1
    assert log.count("Find regions") == 2
    assert "Pairs used: 4" in log
    assert log.index("Fixed: as asked.") < log.index("Pairs used: 4") < log.index("Nothing was found")


def test_the_log_of_a_scene_that_is_loaded_says_what_was_found(clinic, tmp_path) -> None:
    import slicer

    clinic.find()
    path = str(tmp_path / "scene.mrb")
    slicer.util.saveScene(path)
    clinic.standin.scene.Clear(0)
    slicer.util.loadScene(path)
    assert clinic.ui.logText.toPlainText() == "Fixed: as asked."


def test_regions_without_a_partner_are_named(clinic) -> None:
    clinic.find(without_partners)
    names = list(small.ORGANS)
    expected = f"Unpaired: {names[1]} (fixed); {names[2]}, {names[3]} (moving)."
    assert clinic.said == f"Pairs: 1; accepted: 1. {expected}"
    assert expected in clinic.ui.logText.toPlainText()


def test_networks_that_do_not_know_the_volumes_are_reported_first(clinic) -> None:
    warning = "The demo networks know only the synthetic pelvis of the demo, and both volumes are unlike it."
    clinic.find(lambda request: replace(find_reply(request), warnings=(warning,)))
    assert clinic.said.startswith(f"{warning} Pairs: 4;")
    log = clinic.ui.logText.toPlainText()
    assert log.index(warning) < log.index("Fixed: as asked.")


def test_nobody_has_to_choose_models_for_the_demo_pair(clinic) -> None:
    assert clinic.parameters.models == ""
    assert clinic.ui.modelsCombo.currentText == "none (demo networks, demo pair only)"
    clinic.press(clinic.ui.findButton)
    assert clinic.client.request.options.models is None


def test_segments_without_a_partner_are_named(clinic) -> None:
    from Tell2RegLib.slicer_module.scene.segmentations import segmentation_from_regions

    parameters, scene, pair = clinic.parameters, clinic.standin.scene, a_pair()
    renamed = replace(pair.moving.regions[2], name="gut")
    parameters.fixedSegmentation, _ = segmentation_from_regions(
        scene, "in MR", pair.fixed.regions[:3], parameters.fixedVolume
    )
    moving = [*pair.moving.regions[:2], renamed]
    parameters.movingSegmentation, _ = segmentation_from_regions(scene, "in US", moving, parameters.movingVolume)
    parameters.source = "segmentations"
    clinic.press(clinic.ui.findButton)
    expected = f"Unpaired: {list(small.ORGANS)[2]} (fixed); gut (moving)."
    assert clinic.said == f"Pairs: 2; accepted: 2. {expected}"
    assert expected in clinic.ui.logText.toPlainText()
    assert "Pair segments" in clinic.ui.logText.toPlainText()
