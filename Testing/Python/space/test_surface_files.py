"""Surfaces of other programs: whole ones are read, truncated and damaged ones refused in one sentence."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from Tell2RegLib.errors import InputError
from Tell2RegLib.space.surface_files import MODEL_ENDINGS, load_vtk, read_surface, write_surface

pytest.importorskip("vtkmodules", reason="reads and writes surfaces: pip install -e .[slicer-tests]")

TETRAHEDRON = np.array([[0.0, 0.0, 0.0], [10.5, 0.0, 0.0], [0.0, 12.25, 0.0], [0.0, 0.0, 14.0]])
FACES = np.array([[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]])


def obj() -> str:
    return "".join(f"v {x} {y} {z}\n" for x, y, z in TETRAHEDRON) + "".join(f"f {a} {b} {c}\n" for a, b, c in FACES + 1)


def ply(form: str = "ascii", faces: int = 4) -> bytes:
    header = f"ply\nformat {form} 1.0\nelement vertex 4\n" + "".join(f"property float {axis}\n" for axis in "xyz")
    header += f"element face {faces}\nproperty list uchar int vertex_indices\nend_header\n"
    if form == "ascii":
        lines = [" ".join(map(str, point)) for point in TETRAHEDRON] + ["3 " + " ".join(map(str, f)) for f in FACES]
        return (header + "\n".join(lines) + "\n").encode()
    order = "<" if "little" in form else ">"
    faces_data = b"".join(b"\x03" + struct.pack(f"{order}3i", *face) for face in FACES.tolist())
    return header.encode() + TETRAHEDRON.astype(f"{order}f4").tobytes() + faces_data


def stl(form: str) -> bytes:
    corners = TETRAHEDRON[FACES]
    if form == "binary":
        records = b"".join(bytes(12) + triangle.astype("<f4").tobytes() + bytes(2) for triangle in corners)
        return bytes(80) + struct.pack("<I", 4) + records
    lines = ["solid a"]
    for triangle in corners:
        points = [f"vertex {x} {y} {z}" for x, y, z in triangle]
        lines += ["facet normal 0 0 1", "outer loop", *points, "endloop", "endfacet"]
    return "\n".join([*lines, "endsolid a", ""]).encode()


def legacy(version: str, form: str) -> bytes:
    """With normals and a field, as exported by other programs."""

    def values(array: np.ndarray, kind: str) -> bytes:
        if form == "ASCII":
            return " ".join(map(str, array.ravel().tolist())).encode() + b"\n"
        return array.astype(kind).tobytes() + b"\n"

    head = f"# vtk DataFile Version {version}\na surface\n{form}\nDATASET POLYDATA\nPOINTS 4 float\n"
    data = head.encode() + values(TETRAHEDRON, ">f4")
    if version == "5.1":
        data += b"POLYGONS 5 12\nOFFSETS vtktypeint64\n" + values(np.arange(0, 13, 3), ">i8")
        data += b"CONNECTIVITY vtktypeint64\n" + values(FACES, ">i8")
    else:
        data += b"POLYGONS 4 16\n" + values(np.insert(FACES, 0, 3, axis=1), ">i4")
    data += b"POINT_DATA 4\nNORMALS Normals float\n" + values(TETRAHEDRON, ">f4")
    data += b"SCALARS size short 1\nLOOKUP_TABLE default\n" + values(np.arange(4), ">i2")
    return (
        data
        + b"FIELD FieldData 1\nthickness 1 4 double\n"
        + values(np.arange(4.0), ">f8")
        + b"METADATA\nINFORMATION 0\n\n"
    )


WHOLE = {
    "a.obj": obj().encode(),
    "ascii.ply": ply(),
    "little.ply": ply("binary_little_endian"),
    "big.ply": ply("binary_big_endian"),
    "ascii.stl": stl("ascii"),
    "binary.stl": stl("binary"),
    "old ascii.vtk": legacy("3.0", "ASCII"),
    "old binary.vtk": legacy("4.2", "BINARY"),
    "new ascii.vtk": legacy("5.1", "ASCII"),
    "new binary.vtk": legacy("5.1", "BINARY"),
}


def points_of(path: Path) -> np.ndarray:
    vtk = load_vtk()
    return vtk.numpy_support.vtk_to_numpy(read_surface(path, vtk).GetPoints().GetData())


@pytest.mark.parametrize("name", WHOLE)
def test_whole_surfaces_of_other_programs_are_read(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(WHOLE[name])
    vtk = load_vtk()
    surface = read_surface(tmp_path / name, vtk)
    assert surface.GetNumberOfPolys() == 4
    np.testing.assert_array_equal(vtk.numpy_support.vtk_to_numpy(surface.GetPoints().GetData()), TETRAHEDRON)


def test_an_array_with_a_name_beyond_ascii_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "a.vtk"
    path.write_bytes(legacy("4.2", "ASCII").replace(b"thickness", "Größe".encode()))
    assert read_surface(path, load_vtk()).GetNumberOfPoints() == 4


@pytest.mark.parametrize("ending", MODEL_ENDINGS)
def test_what_is_written_here_is_read_here(ending: str, tmp_path: Path) -> None:
    (tmp_path / "a.ply").write_bytes(WHOLE["ascii.ply"])
    vtk = load_vtk()
    write_surface(read_surface(tmp_path / "a.ply", vtk), tmp_path / f"b{ending}", vtk)
    np.testing.assert_array_equal(points_of(tmp_path / f"b{ending}"), TETRAHEDRON)


@pytest.mark.parametrize("name", [name for name in WHOLE if not name.endswith(".obj")])
def test_a_truncated_surface_is_refused_wherever_it_ends(name: str, tmp_path: Path) -> None:
    """VTK reads most of them without an error, with coordinates up to 1e35. OBJ does not state how long it is."""
    path = tmp_path / name
    for size in range(0, len(WHOLE[name]) - 25, len(WHOLE[name]) // 12):
        path.write_bytes(WHOLE[name][:size])
        if WHOLE[name][size:].startswith((b"POINT_DATA", b"SCALARS", b"FIELD", b"METADATA")):  # whole sections
            continue
        with pytest.raises(InputError, match="holds no surface|is truncated|is damaged"):
            read_surface(path, load_vtk())


def test_a_truncated_vtp_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.ply").write_bytes(WHOLE["ascii.ply"])
    vtk, path = load_vtk(), tmp_path / "b.vtp"
    write_surface(read_surface(tmp_path / "a.ply", vtk), path, vtk)
    whole = path.read_bytes()
    for size in range(0, len(whole) - 2, len(whole) // 12):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match="holds no surface|is truncated|is damaged"):
            read_surface(path, vtk)


SPOILT = {
    "a face of a missing point": ("a.obj", obj().replace("f 2 3 4", "f 2 3 5").encode(), "refers to point 5 of 4"),
    "a point without z": ("a.obj", obj().replace("v 0.0 0.0 14.0", "v 0.0 0.0").encode(), "'v 0.0 0.0' is no point"),
    "no number": ("a.obj", obj().replace("14.0", "nan").encode(), "is no point"),
    "fewer faces than stated": ("a.ply", ply(faces=5), "is incomplete"),
    "more faces than stated": ("a.ply", ply(faces=3), "more lines than its header states"),
    "more binary faces than stated": ("a.ply", ply("binary_big_endian", faces=3), "but needs"),
    "a face of a missing point, binary": (
        "a.ply",
        ply("binary_little_endian")[:-4] + struct.pack("<i", 9),
        "a face refers to point 10 of 4",
    ),
    "another number of triangles": ("a.stl", stl("binary")[:80] + b"\5" + stl("binary")[81:], "5 triangles need 334"),
    "a far point": ("a.stl", stl("ascii").replace(b"14.0", b"1e35"), r"point \d of \d+ is at \(0, 0, 1e\+35\) mm"),
    "more points than stated": ("a.vtk", legacy("3.0", "ASCII").replace(b"POINTS 4", b"POINTS 3"), "but states 9"),
    "a section of another name": (
        "a.vtk",
        legacy("3.0", "ASCII").replace(b"NORMALS N", b"NORMAL N"),
        "'normal' is not",
    ),
}


@pytest.mark.parametrize(("name", "content", "message"), SPOILT.values(), ids=SPOILT)
def test_a_surface_that_contradicts_itself_is_refused(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_surface(tmp_path / name, load_vtk())
