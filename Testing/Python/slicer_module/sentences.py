"""What every message must be, and every control touched once."""

from __future__ import annotations


def is_a_sentence(text: str) -> bool:
    return (
        (text[:1].isupper() or text[:1] == "'") and text.endswith(".") and "\n" not in text and "Traceback" not in text
    )


def touch_everything(clinic) -> None:
    """Press whatever can be pressed, but for what asks back."""
    import slicer

    ui = clinic.ui
    clinic.select(1)
    decide = (ui.rejectButton, ui.acceptButton, ui.undoButton, ui.redoButton, ui.acceptAllButton, ui.nextButton)
    show = (ui.rigidButton, ui.deformableButton, ui.checkerboardButton, ui.fadeButton, ui.flickerButton, ui.sideButton)
    rest = (ui.jacobianButton, ui.jacobianButton, ui.plotButton, ui.noneButton, ui.pairButton, ui.editMovingButton)
    for button in (*decide, *show, *rest):
        if button.enabled:
            button.click()
        clinic.standin.process_events(1)
    for message in clinic.standin.answers.texts:
        assert is_a_sentence(message)
    slicer.util.selectModule("Tell2Reg")  # the last button leads to the Segment Editor
