"""Types into every text box and every spin box of the panel, character by character, and reads back what stands there.

Run inside Slicer and on the stand-in (Testing/Python/slicer_module/test_keyboard.py).
"""

from __future__ import annotations

from typing import Any

from Testing.Slicer.events import Person, XDevice, openModule, process, until

NUMBERS = {
    "similarityThreshold": "0.65",
    "boxThreshold": "0.35",
    "spacingMm": "1.25",
    "sliceStep": "3",
    "smoothness": "0.75",
    "toleranceMm": "4.25",
    "nearMm": "2.75",
    "farMm": "25.5",
    "spreadCheckMm": "6.25",
    "spreadNeverMm": "12.5",
    "fadeSlider": "0.25",
}
"""What is typed into boxes of numbers, by their names."""
PARTS = ("", "SpinBox")
"""Object names of parts of widgets: CTK calls the box of a slider "SpinBox"."""
PATH = "/a site/mr us.json"
WORDS = "prostate\nfemoral head\nleft kidney (upper pole)"


def typeEverywhere(person: Person, widget: Any) -> None:
    """Type into every box that takes text or numbers.

    Raises:
        AssertionError: a box holds something else afterwards, or nobody says what to type into it.
    """
    before = widget.logic.parameters.view
    widget.logic.parameters.view = "fade"  # its slider is shown then
    process()
    boxes = boxesOf(widget)
    expected = {*NUMBERS, "prompts", "calibration"}
    assert set(boxes) == expected, f"Not said what is typed, or not there: {sorted(set(boxes) ^ expected)}."
    words(person, widget)
    for name, text in NUMBERS.items():
        person.typeNumber(boxes[name], text)
        assert abs(boxes[name].value - float(text)) < 1e-9, f"'{text}' was typed, '{name}' holds {boxes[name].value}."
        held = getattr(widget.logic.parameters, name, float(text))  # the slider of the fade is no parameter
        assert abs(held - float(text)) < 1e-9, f"'{text}' was typed into '{name}', the parameter is {held}."
    path(person, widget)
    widget.logic.parameters.view = before


def boxesOf(widget: Any) -> dict[str, Any]:
    """The boxes a person can type into, by name: a slider stands for the box of numbers in it."""
    root = widget.ui.Tell2Reg if hasattr(widget.ui, "Tell2Reg") else widget.parent
    boxes = {}
    for kind in ("QAbstractSpinBox", "QTextEdit", "QLineEdit", "QPlainTextEdit"):
        for box in root.findChildren(kind):
            box = named(box)
            if box is not None and not (hasattr(box, "readOnly") and box.readOnly):
                boxes[box.objectName] = box
    return boxes


def named(box: Any) -> Any:
    """A box of the .ui, or what it is a part of there; None for parts of lists and of tables."""
    while box is not None and (box.objectName in PARTS or box.objectName.startswith("qt_")):
        isPath = box.inherits("QComboBox") and box.parentWidget().inherits("ctkPathLineEdit")
        if box.inherits("QAbstractItemView") or (box.inherits("QComboBox") and not isPath):
            return None
        box = box.parentWidget()
    return box


def words(person: Person, widget: Any) -> None:
    """Words, a line that is put right, and a letter that was forgotten."""
    box, parameters = widget.ui.prompts, widget.logic.parameters
    person.typeInto(box, WORDS)
    assert box.plainText == WORDS, f"{WORDS!r} was typed, the box holds {box.plainText!r}."
    assert parameters.prompts == WORDS, parameters.prompts
    person.press("BackSpace", "BackSpace")
    person.type("es)")
    person.press("ctrl+Home", "Right", "Right")
    person.type("xy")
    expected = "prxyostate" + WORDS[len("prostate") : -2] + "es)"
    assert box.plainText == expected, f"{expected!r} was typed, the box holds {box.plainText!r}."
    assert parameters.prompts == expected, parameters.prompts


def path(person: Person, widget: Any) -> None:
    """The path of a calibration, typed and deleted again."""
    box, parameters = widget.ui.calibration, widget.logic.parameters
    person.typeInto(box.findChildren("QLineEdit")[0], PATH)
    assert box.currentPath == PATH, f"{PATH!r} was typed, the box holds {box.currentPath!r}."
    assert parameters.calibration == PATH, parameters.calibration
    person.press("ctrl+a", "Delete")
    assert parameters.calibration == "", parameters.calibration


def run() -> None:
    """Inside Slicer."""
    widget = openModule()
    person = Person(XDevice())
    person.click(widget.ui.demoButton)
    until(lambda: not widget.panel.busy, what="the demo pair")
    typeEverywhere(person, widget)
