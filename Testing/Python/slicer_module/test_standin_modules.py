"""The stand-in's application, .ui files, scripted modules and parameter nodes do what Slicer's do."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.mrml

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
