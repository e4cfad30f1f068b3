"""Point lists on disk: frames honoured, nothing of the user's file lost, malformed files told in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from Tell2RegLib.errors import InputError, OutputError
from Tell2RegLib.space.point_files import PointList, read_points, write_points

coordinates = st.floats(-1e4, 1e4, allow_nan=False)
named_points = st.lists(
    st.tuples(st.text("abc ,\"'äµ-1", max_size=8), coordinates, coordinates, coordinates), min_size=1, max_size=6
)


def markup(points: list[dict], **more: object) -> dict:
    return {"type": "Fiducial", "coordinateSystem": "LPS", "controlPoints": points, **more}


def write_json(path: Path, *markups: dict) -> Path:
    path.write_text(json.dumps({"@schema": "x", "markups": list(markups)}))
    return path


@pytest.fixture
def rich_file(tmp_path: Path) -> Path:
    """Two nodes of different types and systems, with colours, and points that were never placed in between."""
    return write_json(
        tmp_path / "rich.mrk.json",
        markup(
            [
                {"id": "7", "label": "L base", "description": "MR 5", "position": [1.0, 2.0, 3.0], "selected": False},
                {"id": "8", "label": "todo", "positionStatus": "undefined"},
                {"id": "9", "label": "R apex", "position": [4.0, 5.0, 6.0], "positionStatus": "defined"},
            ],
            display={"color": [0.1, 0.2, 0.3]},
        ),
        markup(
            [{"label": "core", "position": [-10.0, -20.0, 30.0]}],
            type="ROI",
            coordinateSystem="RAS",
            center=[-11.0, -20.0, 30.0],
            size=[1, 2, 3],
        ),
    )


# --- round trips ---


@pytest.mark.parametrize("ending", [".mrk.json", ".json", ".csv"])
@settings(max_examples=30, deadline=None)
@given(points=named_points)
def test_what_is_written_is_read_back_exactly(tmp_path_factory, ending: str, points: list[tuple]) -> None:
    path = tmp_path_factory.mktemp("points") / f"plan{ending}"
    names, values = [p[0].strip() for p in points], [p[1:] for p in points]
    write_points(path, names, values)
    back = read_points(path)
    assert back.names == tuple(names)
    np.testing.assert_array_equal(back.points_lps_mm, values)


def test_a_new_markups_file_says_lps_and_names_every_point(tmp_path: Path) -> None:
    write_points(tmp_path / "plan.mrk.json", ["L", "R"], [[1, 2, 3], [-1, 2, 3]])
    (node,) = json.loads((tmp_path / "plan.mrk.json").read_text())["markups"]
    assert (node["type"], node["coordinateSystem"], node["name"]) == ("Fiducial", "LPS", "plan")
    assert [point["label"] for point in node["controlPoints"]] == ["L", "R"]


def test_a_new_table_has_the_documented_header(tmp_path: Path) -> None:
    write_points(tmp_path / "plan.csv", ["L base, PZ"], [[1.5, -2, 3]])
    assert (tmp_path / "plan.csv").read_text() == 'label,l,p,s\n"L base, PZ",1.5,-2.0,3.0\n'


# --- frames ---


@pytest.mark.parametrize(
    ("system", "expected"),
    [("LPS", [1, 2, 3]), ("RAS", [-1, -2, 3]), (1, [1, 2, 3]), (0, [-1, -2, 3]), ("1", [1, 2, 3]), ("0", [-1, -2, 3])],
)
def test_every_way_to_name_the_coordinate_system_is_honoured(tmp_path: Path, system: object, expected: list) -> None:
    path = write_json(tmp_path / "p.mrk.json", markup([{"label": "a", "position": [1, 2, 3]}], coordinateSystem=system))
    np.testing.assert_array_equal(read_points(path).points_lps_mm, [expected])


def test_a_markups_file_without_a_coordinate_system_is_lps(tmp_path: Path) -> None:
    path = write_json(tmp_path / "p.mrk.json", {"controlPoints": [{"label": "a", "position": [1, 2, 3]}]})
    np.testing.assert_array_equal(read_points(path).points_lps_mm, [[1, 2, 3]])


@pytest.mark.parametrize(("system", "x"), [("LPS", 1.0), ("1", 1.0), ("RAS", -1.0), ("0", -1.0)])
def test_slicers_older_fcsv_is_read_in_its_own_system(tmp_path: Path, system: str, x: float) -> None:
    path = tmp_path / "old.fcsv"
    path.write_text(
        f"# Markups fiducial file version = 4.11\n# CoordinateSystem = {system}\n"
        "# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID\n"
        "vtkMRMLMarkupsFiducialNode_0,1.0,2.0,3.0,0,0,0,1,1,1,0,L base,,\n"
    )
    points = read_points(path)
    assert points.names == ("L base",)
    np.testing.assert_array_equal(points.points_lps_mm, [[x, 2 * x, 3.0]])


@pytest.mark.parametrize(("header", "sign"), [("label,l,p,s,defined", 1), ("label,r,a,s,defined", -1)])
def test_slicers_control_point_table_is_read_in_its_own_system(tmp_path: Path, header: str, sign: int) -> None:
    path = tmp_path / "table.csv"
    path.write_text(f"{header}\nF-1,1,2,3,1\nF-2,0,0,0,0\n")
    points = read_points(path)
    assert points.names == ("F-1",)
    np.testing.assert_array_equal(points.points_lps_mm, [[sign, 2 * sign, 3]])


def test_a_table_from_a_spreadsheet_with_byte_order_mark_and_more_columns_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbfID,Name,X,Y,Z\r\n7,L base,1,2,3\r\n\r\n")
    points = read_points(path)
    assert (points.names, points.points_lps_mm.tolist()) == (("L base",), [[1, 2, 3]])


# --- templates ---


def test_all_nodes_are_read_in_order_and_unplaced_points_are_left_out(rich_file: Path) -> None:
    points = read_points(rich_file)
    assert points.names == ("L base", "R apex", "core")
    np.testing.assert_array_equal(points.points_lps_mm, [[1, 2, 3], [4, 5, 6], [10, 20, 30]])


def test_with_a_template_only_positions_change(rich_file: Path, tmp_path: Path) -> None:
    points = read_points(rich_file)
    moved = points.points_lps_mm + [100.0, 10.0, 1.0]
    write_points(tmp_path / "out.mrk.json", points.names, moved, template=rich_file)
    np.testing.assert_array_equal(read_points(tmp_path / "out.mrk.json").points_lps_mm, moved)
    expected = json.loads(rich_file.read_text())
    first, second = expected["markups"]
    first["controlPoints"][0]["position"] = [101.0, 12.0, 4.0]
    first["controlPoints"][2]["position"] = [104.0, 15.0, 7.0]
    second["controlPoints"][0]["position"] = [-110.0, -30.0, 31.0]
    second["center"] = [-111.0, -30.0, 31.0]
    assert json.loads((tmp_path / "out.mrk.json").read_text()) == expected


def test_writing_back_what_was_read_changes_nothing(rich_file: Path, tmp_path: Path) -> None:
    points = read_points(rich_file)
    write_points(tmp_path / "same.mrk.json", points.names, points.points_lps_mm, template=rich_file)
    assert json.loads((tmp_path / "same.mrk.json").read_text()) == json.loads(rich_file.read_text())


@pytest.mark.parametrize("names", [["L base", "R apex"], ["R apex", "L base", "core"]])
def test_a_template_with_other_points_is_refused(rich_file: Path, tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(InputError, match="other points"):
        write_points(tmp_path / "out.mrk.json", names, np.zeros((len(names), 3)), template=rich_file)


def test_a_template_is_refused_for_a_table_and_from_a_table(rich_file: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="template"):
        write_points(tmp_path / "out.csv", ["a"], [[0, 0, 0]], template=rich_file)
    write_points(tmp_path / "t.csv", ["a"], [[0, 0, 0]])
    with pytest.raises(InputError, match="template"):
        write_points(tmp_path / "out.mrk.json", ["a"], [[0, 0, 0]], template=tmp_path / "t.csv")


# --- malformed input ---


MALFORMED = {
    "not json": "{",
    "no markups": '{"a": 1}',
    "a list": "[]",
    "markups of numbers": '{"markups": [1]}',
    "points not a list": '{"markups": [{"controlPoints": {}}]}',
    "points of numbers": '{"markups": [{"controlPoints": [1]}]}',
    "no position": '{"markups": [{"controlPoints": [{"label": "a"}]}]}',
    "two numbers": '{"markups": [{"controlPoints": [{"label": "a", "position": [1, 2]}]}]}',
    "words": '{"markups": [{"controlPoints": [{"label": "a", "position": ["1", "2", "3"]}]}]}',
    "not finite": '{"markups": [{"controlPoints": [{"label": "a", "position": [1, 2, NaN]}]}]}',
    "label a number": '{"markups": [{"controlPoints": [{"label": 5, "position": [1, 2, 3]}]}]}',
    "unknown system": '{"markups": [{"coordinateSystem": "XYZ", "controlPoints": [{"position": [1, 2, 3]}]}]}',
    "system true": '{"markups": [{"coordinateSystem": true, "controlPoints": [{"position": [1, 2, 3]}]}]}',
    "metres": '{"markups": [{"coordinateUnits": "m", "controlPoints": [{"position": [1, 2, 3]}]}]}',
    "nothing placed": '{"markups": [{"controlPoints": [{"positionStatus": "undefined"}]}]}',
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_markups_file_is_told_in_one_line_with_its_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.mrk.json").write_text(text)
    with pytest.raises(InputError, match=r"bad\.mrk\.json") as caught:
        read_points(tmp_path / "bad.mrk.json")
    assert "\n" not in str(caught.value)


def test_a_table_without_names_numbers_its_points(tmp_path: Path) -> None:
    (tmp_path / "plan.csv").write_text("x,y,z\n1,2,3\n\n4,5,6\n")
    points = read_points(tmp_path / "plan.csv")
    assert points.names == ("1", "2")
    np.testing.assert_array_equal(points.points_lps_mm, [[1, 2, 3], [4, 5, 6]])


@pytest.mark.parametrize(
    "text", ["", "a,b\n1,2\n", "1,2,3\n4,5,6\n", "name,x,y,z\na,1,2\n", "name,x,y,z\na,1,2,inf\n", "name,x,y,z\n"]
)
def test_a_malformed_table_is_told_in_one_line_with_its_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(InputError, match=r"bad\.csv"):
        read_points(tmp_path / "bad.csv")


def test_a_missing_file_a_binary_file_and_another_ending_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file"):
        read_points(tmp_path / "none.mrk.json")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(InputError, match="text"):
        read_points(tmp_path / "bytes.csv")
    (tmp_path / "points.txt").write_text("1 2 3")
    with pytest.raises(InputError, match=r"\.mrk\.json"):
        read_points(tmp_path / "points.txt")
    with pytest.raises(InputError, match=r"\.mrk\.json"):
        write_points(tmp_path / "points.txt", ["a"], [[0, 0, 0]])


def test_a_folder_that_is_not_there_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        write_points(tmp_path / "no" / "plan.csv", ["a"], [[0, 0, 0]])


def test_a_point_list_refuses_what_is_not_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="2 names"):
        PointList(("a", "b"), np.zeros((1, 3)))
    with pytest.raises(InputError, match="'b'.*finite"):
        PointList(("a", "b"), np.array([[0, 0, 0], [0, np.nan, 0]]))
    with pytest.raises(InputError, match="names"):
        write_points(tmp_path / "p.csv", ["a"], [[0, 0, 0], [1, 1, 1]])


def test_a_point_list_is_a_copy_and_read_only() -> None:
    values = np.zeros((1, 3))
    points = PointList(("a",), values)
    values[:] = 5
    assert points.points_lps_mm.tolist() == [[0, 0, 0]]
    with pytest.raises(ValueError, match="read-only"):
        points.points_lps_mm[0, 0] = 1


def test_a_name_that_looks_like_a_formula_is_no_formula_in_a_table_and_comes_back(tmp_path: Path) -> None:
    names = ("=1+1", "-3 mm", "'tis", "core")
    write_points(tmp_path / "p.csv", names, np.zeros((4, 3)))
    lines = (tmp_path / "p.csv").read_text().splitlines()[1:]
    assert [line.split(",")[0] for line in lines] == ["'=1+1", "'-3 mm", "'tis", "core"]
    assert read_points(tmp_path / "p.csv").names == names
