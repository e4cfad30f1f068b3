"""The stand-in behaves as PythonQt and Slicer do where the module relies on it."""

from __future__ import annotations

import functools
import gc

import pytest

pytestmark = pytest.mark.mrml


# --- PythonQt ---


def test_qt_properties_are_attributes_and_not_methods(qt) -> None:
    button, table = qt.QPushButton("one"), qt.QTableWidget(2, 3)
    button.text, table.rowCount = "two", 5
    assert (button.text, table.rowCount, table.columnCount) == ("two", 5, 3)
    with pytest.raises(TypeError, match="not callable"):
        button.text()
    with pytest.raises(TypeError, match="not callable"):
        qt.QLabel("wide").sizeHint()


def test_what_is_no_property_is_a_method(qt) -> None:
    button, item = qt.QPushButton(), qt.QTableWidgetItem("cell")
    assert item.text() == "cell"
    assert button.isVisible() is button.visible is False


def test_a_text_takes_only_a_text(qt) -> None:
    label = qt.QLabel()
    for value in (3, None):
        with pytest.raises(AttributeError, match="does not accept"):
            label.text = value


def test_objects_of_cpp_take_no_new_attributes_and_keep_their_slots(qt) -> None:
    label = qt.QLabel()
    with pytest.raises(AttributeError, match="creating new attributes"):
        label.remark = 1
    with pytest.raises(AttributeError, match="can not be overwritten"):
        label.show = print
    with pytest.raises(AttributeError, match="wordwrap"):
        _ = label.wordwrap


def test_classes_derived_in_python_take_attributes(qt) -> None:
    class Filter(qt.QObject):
        def __init__(self):
            qt.QObject.__init__(self)
            self.events = []

        def eventFilter(self, _watched, event):  # noqa: N802
            self.events.append(event.type())
            return False

    watcher, label = Filter(), qt.QLabel()
    label.installEventFilter(watcher)
    label.text = "new"
    label.show()
    assert qt.QEvent.Show in watcher.events


def test_names_children_and_dynamic_properties_are_attributes(qt) -> None:
    box = qt.QWidget()
    rows = qt.QVBoxLayout(box)
    label = qt.QLabel("here")
    label.name = "notice"
    rows.addWidget(label)
    label.setProperty("SlicerParameterName", "words")
    assert box.notice is label
    assert label.objectName == label.name == "notice"
    assert label.SlicerParameterName == "words"
    assert box.findChildren("QLabel") == [label] == box.findChildren(qt.QLabel)
    assert box.findChild(qt.QLabel, "notice") is label
    assert label.className() == "QLabel"


def test_a_child_lives_with_its_parent(qt) -> None:
    box = qt.QWidget()
    qt.QVBoxLayout(box).addWidget(qt.QLabel("kept"))
    gc.collect()
    assert [label.text for label in box.findChildren("QLabel")] == ["kept"]


def test_a_destroyed_object_says_so(qt) -> None:
    label = qt.QLabel("gone")
    label.delete()
    with pytest.raises(ValueError, match="destroyed"):
        _ = label.text


def test_slots_get_as_many_arguments_as_they_name(qt) -> None:
    button, heard = qt.QPushButton(), []
    button.clicked.connect(lambda checked: heard.append(("signal", checked)))
    button.clicked.connect(lambda: heard.append("nothing"))
    button.clicked.connect(lambda checked=None, more="kept": heard.append((checked, more)))
    button.clicked.connect(functools.partial(heard.append))
    button.connect("clicked(bool)", lambda *values: heard.append(values))
    button.connect("clicked()", lambda *values: heard.append(values))
    button.click()
    assert heard == [("signal", False), "nothing", (False, "kept"), False, (False,), ()]


def test_a_slot_can_be_taken_off(qt) -> None:
    box, heard = qt.QSpinBox(), []

    class Panel:
        def changed(self, value):
            heard.append(value)

    panel = Panel()
    box.connect("valueChanged(int)", panel.changed)
    box.value = 3
    box.disconnect("valueChanged(int)", panel.changed)
    box.valueChanged.connect(heard.append)
    box.value = 4
    box.valueChanged.disconnect(heard.append)
    box.value = 5
    assert heard == [3, 4]


def test_a_signal_that_does_not_exist_raises(qt) -> None:
    with pytest.raises(AttributeError, match="does not exist"):
        qt.QPushButton().connect("clicked(int)", print)


def test_an_object_can_be_told_by_the_name_of_its_slot(qt) -> None:
    button, label = qt.QPushButton(), qt.QLabel()
    label.show()
    button.connect("clicked()", label, "hide()")
    button.click()
    assert not label.visible


def test_what_a_slot_raises_is_kept_for_the_end_of_the_test(qt, standin) -> None:
    button, heard = qt.QPushButton(), []
    button.clicked.connect(lambda: {}["missing"])
    button.clicked.connect(lambda: heard.append("next"))
    button.click()
    assert heard == ["next"]
    with pytest.raises(AssertionError, match="missing"):
        standin.check()
    standin.errors.clear()


def test_timers_have_both_kinds_of_single_shot(qt, standin) -> None:
    timer, heard = qt.QTimer(), []
    timer.singleShot, timer.interval = True, 0
    timer.connect("timeout()", lambda: heard.append("timer"))
    timer.start()
    qt.QTimer.singleShot(0, lambda: heard.append("once"))
    standin.wait_until(lambda: len(heard) == 2)
    assert set(heard) == {"timer", "once"}
    assert not timer.active


def test_enums_are_short_and_integers(qt) -> None:
    item = qt.QTableWidgetItem()
    item.setFlags(item.flags() & ~qt.Qt.ItemIsEditable)
    item.setData(qt.Qt.UserRole + 1, "id")
    item.setCheckState(qt.Qt.Checked)
    assert item.data(qt.Qt.UserRole + 1) == "id"
    assert item.checkState() == 2
    assert not item.flags() & qt.Qt.ItemIsEditable


def test_names_of_pyside_alone_are_unknown(qt) -> None:
    for name in ("Signal", "QNoSuchThing"):
        with pytest.raises(AttributeError, match=name):
            getattr(qt, name)


def test_signals_of_qt_6_are_unknown(qt) -> None:
    with pytest.raises(AttributeError, match="checkStateChanged"):
        _ = qt.QCheckBox().checkStateChanged


def test_the_shortcut_is_heard_below_its_widget(qt, standin) -> None:
    box, heard = qt.QWidget(), []
    shortcut = qt.QShortcut(qt.QKeySequence("n"), box)
    shortcut.connect("activated()", lambda: heard.append("n"))
    shortcut.context = qt.Qt.WidgetWithChildrenShortcut
    shortcut.activated.emit()
    assert heard == ["n"]


# --- questions ---


def test_questions_are_answered_by_the_test(slicer, qt, standin) -> None:
    standin.answers.expect("Yes", "Cancel", "No", "/a/folder")
    assert slicer.util.confirmYesNoDisplay("Really?") is True
    assert slicer.util.confirmOkCancelDisplay("Go on?") is False
    assert qt.QMessageBox.question(None, "title", "Sure?", qt.QMessageBox.Yes | qt.QMessageBox.No) == qt.QMessageBox.No
    assert qt.QFileDialog.getExistingDirectory(None, "Where", "/") == "/a/folder"
    assert standin.answers.texts == ["Really?", "Go on?", "Sure?"]


def test_what_only_tells_needs_no_answer(slicer, standin) -> None:
    slicer.util.errorDisplay("It broke.", detailedText="why")
    slicer.util.showStatusMessage("ready")
    (message,) = standin.answers.messages
    assert (message.kind, message.text, message.details) == ("critical", "It broke.", "why")
    assert standin.answers.status == ["ready"]


def test_a_question_nobody_expected_is_an_error(slicer) -> None:
    from Testing.standin.answers import Unanswered

    with pytest.raises(Unanswered, match="Really"):
        slicer.util.confirmYesNoDisplay("Really?")


def test_an_answer_nobody_asked_for_is_an_error(standin) -> None:
    standin.answers.expect("Yes")
    with pytest.raises(AssertionError, match="Never asked"):
        standin.check()
    standin.answers.clear()
