"""The stand-in behaves as PythonQt and Slicer do where the module relies on it."""

from __future__ import annotations

import functools
import gc

import pytest

pytestmark = pytest.mark.mrml


@pytest.fixture
def qt(standin):
    import qt

    return qt


@pytest.fixture
def slicer(standin):
    import slicer

    return slicer


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
            self.seen = []

        def eventFilter(self, _watched, event):  # noqa: N802
            self.seen.append(event.type())
            return False

    watcher, label = Filter(), qt.QLabel()
    label.installEventFilter(watcher)
    label.text = "new"
    label.show()
    assert qt.QEvent.Show in watcher.seen


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


# --- the application and its scene ---


def test_layouts_have_slice_views_with_nodes_and_logics(slicer) -> None:
    manager = slicer.app.layoutManager()
    assert set(manager.sliceViewNames()) == {"Red", "Green", "Yellow"}
    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutSideBySideView)
    assert manager.layout == 29
    red = manager.sliceWidget("Red")
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    assert red.sliceLogic().GetSliceCompositeNode().GetBackgroundVolumeID() == volume.GetID()
    assert red.mrmlSliceNode().GetOrientation() == "Axial"


def test_new_nodes_get_an_item_of_the_subject_hierarchy_and_lose_it(slicer) -> None:
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "a volume")
    item = hierarchy.GetItemByDataNode(volume)
    assert hierarchy.GetItemParent(item) == hierarchy.GetSceneItemID()
    slicer.mrmlScene.RemoveNode(volume)
    assert not hierarchy.GetItemDataNode(item)


def test_settings_last_as_long_as_the_test(slicer, qt) -> None:
    assert not slicer.app.userSettings().contains("a/key")
    slicer.app.userSettings().setValue("a/key", "value")
    assert slicer.util.settingsValue("a/key", "") == qt.QSettings().value("a/key") == "value"


def test_the_end_of_the_application_is_told(slicer, standin) -> None:
    heard = []
    slicer.app.connect("aboutToQuit()", lambda: heard.append("end"))
    standin.quit()
    assert heard == ["end"]


def test_logics_of_modules_know_the_scene(slicer) -> None:
    assert slicer.modules.segmentations.logic().GetMRMLScene() is slicer.mrmlScene
    assert slicer.util.getModuleLogic("Transforms").IsA("vtkSlicerTransformLogic")
    with pytest.raises(AttributeError, match="elastix"):
        _ = slicer.modules.elastix


def test_pip_is_asked_and_installs_nothing(slicer, standin) -> None:
    heard = []
    standin.pip.lines, standin.pip.exit_code = ["Collecting"], 2
    slicer.packaging.pip_install("torch", blocking=False, logCallback=heard.append, completedCallback=heard.append)
    standin.wait_until(lambda: len(heard) == 2)
    assert heard == ["Collecting", 2]
    assert [call["requirements"] for call in standin.pip.calls] == ["torch"]


def test_sample_data_is_registered_and_made_by_its_button(standin, slicer) -> None:
    import SampleData

    register = SampleData.SampleDataLogic.registerCustomSampleDataSource
    register(
        category="Ours", sampleName="pair", uris=[], fileNames=[], customDownloader=lambda source: source.sampleName
    )
    assert standin.press_sample("pair") == "pair"
    with pytest.raises(TypeError):
        register(category="Ours", sampleName="without lists", customDownloader=print)


# --- .ui files ---


def test_a_node_box_follows_the_scene(small, slicer) -> None:
    box, heard = small.ui.volume, []
    box.connect("currentNodeChanged(vtkMRMLNode*)", heard.append)
    assert box.currentNode() is None
    first = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "first")
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", "not a volume")
    assert (box.nodeCount(), box.currentNode()) == (1, None)
    box.setCurrentNode(first)
    slicer.mrmlScene.RemoveNode(first)
    assert heard == [first, None]
    assert box.currentNodeID == ""


def test_a_node_box_shows_new_names_and_leaves_out_hidden_nodes(small, slicer) -> None:
    box = small.ui.volume
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "before")
    box.setCurrentNode(node)
    node.SetName("after")
    assert "after" in [label.currentText for label in box.findChildren("QComboBox")]
    node.SetHideFromEditors(True)
    assert (box.nodeCount(), small.parameterNode.volume) == (0, None)
    node.SetHideFromEditors(False)
    assert box.nodeCount() == 1


def test_without_a_scene_a_node_box_is_disabled(slicer) -> None:
    assert not slicer.qMRMLNodeComboBox().enabled


def test_what_is_folded_hides_what_is_inside(small, standin) -> None:
    assert small.ui.hint.isHidden()
    small.ui.more.collapsed = False
    small.ui.inputs.collapsed = True
    assert not small.ui.hint.isHidden()
    assert small.ui.volume.isHidden()


def test_a_ui_file_with_what_does_not_exist_is_an_error(slicer, tmp_path) -> None:
    from Testing.standin.ui_files import UnknownInUi

    path = tmp_path / "wrong.ui"
    wrong = '<property name="txt"><string/></property>'
    path.write_text(f'<ui version="4.0"><class>W</class><widget class="QLabel" name="W">{wrong}</widget></ui>')
    with pytest.raises(UnknownInUi, match="txt"):
        slicer.util.loadUI(str(path))


# --- scripted modules ---


def test_a_module_is_loaded_entered_left_and_reloaded(small, slicer) -> None:
    assert small.events == ["enter"]
    slicer.util.getModule("Small").widgetRepresentation().exit()
    slicer.mrmlScene.Clear(0)
    assert small.events == ["enter", "exit", "closed"]
    slicer.util.reloadScriptedModule("Small")
    assert small.events[-1] == "cleanup"
    assert slicer.modules.SmallWidget is not small
    assert slicer.util.getModuleWidget("Small") is slicer.modules.SmallWidget


def test_the_test_of_a_module_runs(small, slicer) -> None:
    slicer.selfTests["Small"]()


def test_an_error_of_a_button_is_shown(small, standin) -> None:
    small.ui.applyButton.click()
    assert standin.answers.texts == ["It did not work.\n\nChoose a volume."]
    assert isinstance(standin.errors.pop(), ValueError)


# --- parameter nodes ---


def test_parameters_and_widgets_follow_each_other(small, slicer) -> None:
    node, ui = small.parameterNode, small.ui
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    ui.volume.setCurrentNode(volume)
    ui.threshold.value, ui.steps.value, ui.invert.checked = 12.5, 4, True
    ui.words.plainText, ui.flavor.currentIndex = "prostate", 0
    values = (node.volume, node.threshold, node.steps, node.invert, node.words, node.flavor.value)
    assert values == (volume, 12.5, 4, True, "prostate", "sweet")
    node.threshold, node.words, node.volume = 7.0, "bladder", None
    assert (ui.threshold.value, ui.words.plainText, ui.volume.currentNode()) == (7.0, "bladder", None)
    node.disconnectGui(small.tag)
    ui.steps.value = 9
    assert node.steps == 4


def test_a_text_box_bound_by_its_name_takes_words_backwards(small, docked) -> None:
    person = docked(small)
    person.typeInto(small.ui.words, "bladder")
    assert small.ui.words.plainText == small.parameterNode.words == "reddalb"


def test_a_slider_that_tracks_the_keyboard_loses_the_last_digit_of_some_values(qt, slicer) -> None:
    import ctk

    slider = ctk.ctkSliderWidget()
    slider.decimals, slider.singleStep, slider.maximum = 2, 0.01, 1.0
    (box,) = slider.findChildren("QDoubleSpinBox")
    line = box.findChildren("QLineEdit")[0]
    line.setText("0.7")
    assert line.text == "0.70"
    assert slider.value != 0.7
    line.setText("0.5")
    assert line.text == "0.5"
    assert slider.value == 0.5


def test_a_value_that_does_not_fit_is_refused(small) -> None:
    for name, value, error in (
        ("threshold", 101.0, ValueError),
        ("words", None, ValueError),
        ("steps", "3", TypeError),
        ("volume", 3, TypeError),
    ):
        with pytest.raises(error):
            setattr(small.parameterNode, name, value)


def test_only_the_widgets_that_slicer_knows_can_be_bound(small, qt) -> None:
    node = small.parameterNode
    for name, widget in (("words", qt.QPlainTextEdit()), ("words", qt.QComboBox()), ("steps", qt.QLineEdit())):
        with pytest.raises(RuntimeError):
            node.connectParametersToGui({name: widget})
    with pytest.raises(ValueError, match="nobody"):
        node.connectParametersToGui({"nobody": qt.QLineEdit()})


def test_parameters_are_saved_with_the_scene(small, slicer, tmp_path) -> None:
    node = small.parameterNode
    node.volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "kept")
    node.threshold, node.words = 3.25, "two\nlines"
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(0)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    again = small.logic.getParameterNode()
    assert (again.threshold, again.words, again.volume.GetName()) == (3.25, "two\nlines", "kept")


def test_the_panel_can_be_seen(small, standin, tmp_path) -> None:
    window = small.parent.window()
    window.resize(400, 500)
    window.show()
    standin.process_events()
    assert small.parent.grab().save(str(tmp_path / "panel.png"))
    bar = window._modules._area.verticalScrollBar()
    assert small.parent.grab().width() == 400 - bar.width


def test_a_module_gets_its_minimum_height_and_no_more(small, qt, standin) -> None:
    label = qt.QLabel("word " * 200)
    label.setWordWrap(True)
    small.parent.layout().insertWidget(0, label)
    window = small.parent.window()
    window.resize(400, 100)
    window.show()
    standin.process_events()
    assert small.parent.height == small.parent.minimumSizeHint.height()
    assert label.height < label.heightForWidth(label.width)


def test_the_segment_editor_keeps_what_it_edits(slicer) -> None:
    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    segmentation.GetSegmentation().AddEmptySegment("one", "one")
    slicer.util.selectModule("SegmentEditor")
    editor = slicer.modules.segmenteditor.widgetRepresentation().self().editor
    editor.setSegmentationNode(segmentation)
    editor.setCurrentSegmentID("one")
    assert (editor.segmentationNode(), editor.currentSegmentID()) == (segmentation, "one")
    assert slicer.util.selectedModule() == "SegmentEditor"


def test_a_reloaded_panel_is_not_entered(small, slicer) -> None:
    """As in Slicer: setup runs again, enter does not come until the person leaves and returns."""
    small.onReload()
    assert slicer.modules.SmallWidget.events == []
