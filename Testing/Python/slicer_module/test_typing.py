"""What a person types, key by key: it arrives as it was typed, in every box of the panel."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.mrml

TYPED = "0.75"
"""All boxes for real numbers take it; CTK's slider rewrites it after "0.7" when it is told of every key."""


@pytest.fixture
def at_the_panel(clinic, docked):
    """The panel, and the person at it."""
    return clinic, docked(clinic.widget)


def editable(root, kind: str) -> list:
    """Every box of a kind in which a person can type."""
    return [box for box in root.findChildren(kind) if not box.readOnly and not box.objectName.startswith("qt_")]


def test_every_text_box_takes_words_in_the_order_of_their_letters(at_the_panel) -> None:
    clinic, person = at_the_panel
    root = clinic.widget.parent
    boxes = [box for kind in ("QTextEdit", "QPlainTextEdit", "QLineEdit") for box in editable(root, kind)]
    boxes = [box for box in boxes if not box.parentWidget().inherits("QAbstractSpinBox")]
    assert clinic.ui.prompts in boxes
    for box in boxes:
        person.typeInto(box, "left femoral head")
        text = box.text if box.inherits("QLineEdit") else box.plainText
        assert text == "left femoral head", box.objectName
    assert clinic.parameters.prompts == "left femoral head"


def test_every_number_box_takes_all_digits(at_the_panel) -> None:
    clinic, person = at_the_panel
    clinic.press(clinic.ui.fadeButton)
    root = clinic.widget.parent
    numbers = [(box, "10", 10) for box in editable(root, "QSpinBox")]
    numbers += [(box, TYPED, float(TYPED)) for box in editable(root, "QDoubleSpinBox")]
    assert len(numbers) >= 6
    for box, text, value in numbers:
        person.typeNumber(box, text)
        assert box.value == pytest.approx(value, abs=1e-9), box.parentWidget().objectName
    parameters = clinic.parameters
    assert (
        parameters.similarityThreshold,
        parameters.boxThreshold,
        parameters.spacingMm,
        parameters.smoothness,
        parameters.sliceStep,
    ) == pytest.approx((0.75, 0.75, 0.75, 0.75, 10))


def test_a_number_that_is_typed_and_not_left_counts_for_the_run(at_the_panel) -> None:
    clinic, person = at_the_panel
    (box,) = clinic.ui.spacingMm.findChildren("QDoubleSpinBox")
    person.click(box)
    person.press("ctrl+a")
    person.type("2.25")
    clinic.press(clinic.ui.findButton)
    assert clinic.client.request.options.spacing_mm == 2.25


def test_words_are_typed_anywhere_pasted_and_undone(at_the_panel) -> None:
    import qt

    clinic, person = at_the_panel
    box, said = clinic.ui.prompts, lambda: (clinic.ui.prompts.plainText, clinic.parameters.prompts)
    person.typeInto(box, "bladder")
    assert said() == ("bladder", "bladder")
    person.press("Home")
    person.type("full ")
    assert said() == ("full bladder", "full bladder")
    person.press("Left")
    person.type("ish")
    assert said() == ("fullish bladder", "fullish bladder")
    person.press("End")
    person.type("\nrectum")
    assert said() == ("fullish bladder\nrectum",) * 2
    qt.QApplication.clipboard().setText("\nleft kidney")
    person.press("ctrl+v")
    person.type("s")
    assert said() == ("fullish bladder\nrectum\nleft kidneys",) * 2
    undone = []
    while box.document.isUndoAvailable():
        person.press("ctrl+z")
        assert clinic.parameters.prompts == box.plainText
        undone.append(box.plainText)
    assert [text for text in undone if text in ("fullish bladder", "organ")] == ["fullish bladder", "organ"]


def test_a_script_does_not_write_where_a_person_types(at_the_panel) -> None:
    clinic, person = at_the_panel
    person.typeInto(clinic.ui.prompts, "blad")
    clinic.parameters.prompts = "something else"
    person.type("der")
    assert clinic.ui.prompts.plainText == clinic.parameters.prompts == "bladder"
    person.press("Home")
    clinic.parameters.crossPrompts = True
    person.type("a ")
    assert clinic.parameters.prompts == "a bladder"
    person.click(clinic.ui.crossPrompts)
    clinic.parameters.prompts = "prostate"
    assert clinic.ui.prompts.plainText == "prostate"


def test_a_preset_can_be_undone_to_what_was_typed(at_the_panel) -> None:
    clinic, person = at_the_panel
    person.typeInto(clinic.ui.prompts, "gut")
    person.choose(clinic.ui.presetCombo, "Pelvis demo")
    assert clinic.ui.prompts.plainText == clinic.parameters.prompts
    assert "prostate" in clinic.parameters.prompts
    person.click(clinic.ui.prompts)
    person.press("ctrl+z")
    assert clinic.ui.prompts.plainText == clinic.parameters.prompts == "gut"


def test_the_words_of_another_scene_are_shown_where_a_person_typed(at_the_panel, tmp_path) -> None:
    import slicer

    clinic, person = at_the_panel
    person.typeInto(clinic.ui.prompts, "kept")
    slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    person.type(" and more")
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    assert clinic.ui.prompts.plainText == clinic.parameters.prompts == "kept"
    person.press("ctrl+z")
    assert clinic.ui.prompts.plainText == clinic.parameters.prompts == "kept"


def test_a_name_is_typed_to_its_end_whatever_happens_meanwhile(at_the_panel) -> None:
    clinic, person = at_the_panel
    clinic.find()
    person.clickCell(clinic.ui.pairsTable, 2, 1, count=2)
    person.press("ctrl+a")
    person.type("gu")
    clinic.panel.update()
    person.type("t")
    person.press("Return")
    assert clinic.logic.rows[2].name == "gut"
