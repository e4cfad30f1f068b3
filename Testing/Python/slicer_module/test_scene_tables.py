"""Tables, texts and the folder of results in the scene, also after it was saved."""

from __future__ import annotations

import numpy as np
import pytest

from Testing.Python.scene import reloaded, slicer

from Tell2RegLib.slicer_module.scene import table_nodes  # isort: skip
from Tell2RegLib.slicer_module.scene import subject_hierarchy as hierarchy  # isort: skip

pytestmark = pytest.mark.mrml

COLUMNS = {
    "name": ["prostate", "Blåse, 2"],
    "dice": [0.5, None],
    "number": [1, np.int64(2)],
    "accepted": [True, False],
    "reason": [None, "too far"],
}


def content(node) -> dict[str, list]:
    table = node.GetTable()
    return {
        table.GetColumn(c).GetName(): [table.GetColumn(c).GetValue(r) for r in range(table.GetNumberOfRows())]
        for c in range(table.GetNumberOfColumns())
    }


# --- tables and texts ---


def test_numbers_stay_numbers_and_the_rest_is_text(a_scene) -> None:
    node = table_nodes.fill_table(a_scene, "pairs", COLUMNS)
    assert node.GetName() == "pairs"
    table = node.GetTable()
    kinds = [table.GetColumn(n).GetDataTypeAsString() for n in range(table.GetNumberOfColumns())]
    assert kinds == ["string", "double", "double", "string", "string"]
    message = content(node)
    assert message["name"] == COLUMNS["name"]
    assert message["number"] == [1.0, 2.0]
    assert message["dice"][0] == 0.5
    assert np.isnan(message["dice"][1])
    assert message["accepted"] == ["yes", "no"]
    assert message["reason"] == ["", "too far"]


def test_a_table_is_filled_again(a_scene) -> None:
    node = table_nodes.fill_table(a_scene, "pairs", COLUMNS)
    assert table_nodes.fill_table(a_scene, "targets", {"only": ["x"]}, node=node) is node
    assert content(node) == {"only": ["x"]}
    assert node.GetName() == "targets"
    assert a_scene.GetNumberOfNodesByClass("vtkMRMLTableNode") == 1


def test_a_table_without_rows_keeps_its_columns(a_scene) -> None:
    node = table_nodes.fill_table(a_scene, "pairs", {"name": [], "dice": []})
    assert content(node) == {"name": [], "dice": []}


def test_a_table_is_there_after_saving(a_scene, tmp_path) -> None:
    table_nodes.fill_table(a_scene, "pairs", COLUMNS)
    opened = reloaded(a_scene, tmp_path)
    message = content(opened.GetFirstNodeByName("pairs"))
    assert message["name"] == COLUMNS["name"]
    assert message["number"] == [1.0, 2.0]
    assert message["reason"] == ["", "too far"]


def test_a_text_is_there_after_saving(a_scene, tmp_path) -> None:
    node = table_nodes.text_node(a_scene, "record", '{"name": "Blåse"}\n')
    assert node.GetText() == '{"name": "Blåse"}\n'
    opened = reloaded(a_scene, tmp_path)
    assert opened.GetFirstNodeByName("record").GetText().strip() == '{"name": "Blåse"}'
    assert table_nodes.text_node(a_scene, "record", "again", node=node) is node
    assert node.GetText() == "again"


# --- the folder ---


@pytest.fixture
def a_tree(a_scene):
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(a_scene)


@pytest.fixture
def a_volume(a_scene, a_tree):
    """Below a study of a patient."""
    node = a_scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "MR")
    patient = a_tree.CreateSubjectItem(a_tree.GetSceneItemID(), "patient")
    a_tree.CreateItem(a_tree.CreateStudyItem(patient, "study"), node)
    return node


def test_the_folder_stands_beside_the_volume_and_is_made_once(a_scene, a_tree, a_volume) -> None:
    folder = hierarchy.results_folder(a_scene, a_volume, "Tell2Reg")
    assert hierarchy.results_folder(a_scene, a_volume, "Tell2Reg") == folder
    assert a_tree.GetItemName(folder.item) == "Tell2Reg"
    assert a_tree.GetItemParent(folder.item) == a_tree.GetItemParent(a_tree.GetItemByDataNode(a_volume))


def test_the_folder_is_found_where_a_person_moved_or_renamed_it(a_scene, a_tree, a_volume) -> None:
    folder = hierarchy.results_folder(a_scene, a_volume, "Tell2Reg")
    a_tree.SetItemParent(folder.item, a_tree.GetSceneItemID())
    a_tree.SetItemName(folder.item, "my results")
    assert hierarchy.results_folder(a_scene, a_volume, "Tell2Reg") == folder


def test_every_volume_has_a_folder_of_its_own(a_scene, a_tree, a_volume) -> None:
    second_volume = a_scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "other")
    folder = hierarchy.results_folder(a_scene, second_volume, "Tell2Reg")
    assert a_tree.GetItemParent(folder.item) == a_tree.GetSceneItemID()
    assert hierarchy.results_folder(a_scene, a_volume, "Tell2Reg") != folder


def test_nodes_are_put_into_it_whether_the_tree_knows_them_or_not(a_scene, a_tree, a_volume) -> None:
    folder = hierarchy.results_folder(a_scene, a_volume, "Tell2Reg")
    known, unknown = (a_scene.AddNewNodeByClass("vtkMRMLTableNode", name) for name in ("known", "unknown"))
    a_tree.CreateItem(a_tree.GetSceneItemID(), known)
    for node in (known, unknown, known):
        item = hierarchy.put_into(folder, node)
        assert a_tree.GetItemParent(item) == folder.item
        assert a_tree.GetItemDataNode(item) is node
    assert a_tree.GetNumberOfItemChildren(folder.item) == 2


def test_the_folder_is_found_again_after_saving(a_scene, a_tree, a_volume, tmp_path) -> None:
    folder = hierarchy.results_folder(a_scene, a_volume, "Tell2Reg")
    hierarchy.put_into(folder, table_nodes.fill_table(a_scene, "pairs", COLUMNS))
    opened = reloaded(a_scene, tmp_path)
    again = hierarchy.results_folder(opened, opened.GetFirstNodeByName("MR"), "Tell2Reg")
    tree = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(opened)
    assert tree.GetNumberOfItemChildren(again.item) == 1
    assert tree.GetItemName(again.item) == "Tell2Reg"


def test_a_folder_whose_volume_got_another_id_goes_by_its_place(a_scene, a_tree, a_volume) -> None:
    folder = hierarchy.results_folder(a_scene, a_volume, "Tell2Reg")
    a_tree.SetItemAttribute(folder.item, hierarchy.NEXT_TO, "vtkMRMLScalarVolumeNode99")
    assert hierarchy.results_folder(a_scene, a_volume, "Tell2Reg") == folder
