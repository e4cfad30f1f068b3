"""What `apply` refuses, in one sentence, and what it never touches."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from Tell2RegLib.errors import NothingFound, OutputError, Tell2RegError
from Tell2RegLib.region_sources.label_map import write_segmentation
from Tell2RegLib.space.grid import Grid, apply_affine
from Tell2RegLib.space.region import Region
from Tell2RegLib.space.transform import Transform
from Tell2RegLib.space.volume import read_volume, write_volume
from Tell2RegLib.workflows.apply import MODEL_ENDINGS, VOLUME_ENDINGS, apply_file
from Testing.Python.maps import (
    AFFINE,
    LANDMARKS,
    a_wavy_transform,
    moving_grid,
)
from Testing.Python.workflows.plan_files import balls, every_source, point_file

ROOT = Path(__file__).resolve().parents[3]


def test_no_source_is_ever_changed(tmp_path: Path) -> None:
    for source in every_source(tmp_path):
        before = source.read_bytes(), source.stat().st_mtime_ns
        target = f"out.{source.name.split('.', 1)[1]}".replace("fcsv", "csv")
        apply_file(a_wavy_transform("oblique", "flipped"), source, tmp_path / target)
        assert (source.read_bytes(), source.stat().st_mtime_ns) == before
        (tmp_path / target).unlink()


def test_a_file_is_never_written_over_itself(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for source in every_source(tmp_path):
        before = source.read_bytes()
        for target in (source, tmp_path / "sub" / ".." / source.name):
            with pytest.raises(OutputError, match="is the input itself"):
                apply_file(a_wavy_transform("oblique", "flipped"), source, target)
        assert source.read_bytes() == before


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
@pytest.mark.parametrize("kind", ["symbolic", "hard"])
def test_a_link_to_the_file_is_the_file_itself(kind: str, tmp_path: Path) -> None:
    source = point_file(tmp_path / "p.csv", LANDMARKS, "LPS")
    link = tmp_path / "other.csv"
    link.symlink_to(source) if kind == "symbolic" else link.hardlink_to(source)
    with pytest.raises(OutputError, match="is the input itself"):
        apply_file(a_wavy_transform("oblique", "flipped"), source, link)


# --- errors ---


def refused(source: Path, target: Path, transform: Transform | None = None) -> str:
    """The one or two sentences that an unusable file gets; nothing is left behind."""
    before = set(target.parent.iterdir()) if target.parent.is_dir() else set()
    with pytest.raises(Tell2RegError) as caught:
        apply_file(transform or a_wavy_transform("oblique", "flipped"), source, target)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 600
    assert message[-1] in ".!?"
    if target.parent.is_dir():
        assert set(target.parent.iterdir()) == before
    return message


def test_a_source_that_is_not_there_is_told(tmp_path: Path) -> None:
    for name in ("v.nrrd", "s.seg.nrrd", "p.mrk.json", "p.fcsv", "m.vtk", "x"):
        assert "There is no file" in refused(tmp_path / name, tmp_path / "out.nrrd")


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    for source in every_source(tmp_path):
        assert "does not exist" in refused(source, tmp_path / "none" / source.name)


@pytest.mark.parametrize("name", ["O.NII.GZ", "o.Nii.gz", "o.NII", "o.MHA", "o.mHd"])
def test_capitals_with_which_itk_writes_no_file_are_told(name: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    source = next(path for path in every_source(tmp_path) if path.name.endswith(".nrrd"))
    assert "use a lower-case extension" in refused(source, tmp_path / "out" / name)


def test_one_kind_of_file_is_not_written_as_another(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for source in every_source(tmp_path):
        for name in ("o.seg.nrrd", "o.nrrd", "o.csv", "o.stl", "o.tif", "o.vtk", "o.docx", "o"):
            volume, segmentation, points, model = (
                file.name.endswith(endings)
                for file in [Path(name)]
                for endings in (VOLUME_ENDINGS, ".seg.nrrd", (".csv", ".json"), MODEL_ENDINGS)
            )
            fits = {
                ".seg.nrrd": segmentation,
                ".nrrd": volume and not segmentation,
                ".json": points,
                ".csv": points,
                ".fcsv": points,
            }.get(".seg.nrrd" if source.name.endswith(".seg.nrrd") else source.suffix, model)
            if not fits:
                assert name in refused(source, tmp_path / "out" / name)


@pytest.mark.parametrize("name", ["v.nrrd", "v.nii.gz", "s.seg.nrrd", "p.mrk.json", "p.csv", "p.fcsv", "v.docx"])
@pytest.mark.parametrize(
    "content", [b"", b"shopping list\nmilk\n", bytes(range(256)) * 8], ids=["empty", "text", "bytes"]
)
def test_rubbish_is_told(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    target = f"out{''.join(Path(name).suffixes)}".replace(".docx", ".nrrd")
    assert name in refused(tmp_path / name, tmp_path / target)


@pytest.mark.parametrize("ending", MODEL_ENDINGS)
@pytest.mark.parametrize("content", [b"", b"shopping list\nmilk\n"], ids=["empty", "text"])
def test_rubbish_called_a_surface_is_told(ending: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / f"m{ending}").write_bytes(content)
    assert "holds no surface" in refused(tmp_path / f"m{ending}", tmp_path / f"out{ending}")


def test_a_segmentation_that_lands_outside_is_told(tmp_path: Path) -> None:
    far = Grid((6, 5, 4), (1, 2, 3), (5000, 0, 0))
    mask = np.zeros(far.shape_kji, bool)
    mask[1:3, 1:3, 1:4] = True
    write_segmentation([Region.from_mask("far", mask, far)], tmp_path / "far.seg.nrrd")
    with pytest.raises(NothingFound, match="No segment of .* lands inside"):
        apply_file(a_wavy_transform("oblique", "flipped"), tmp_path / "far.seg.nrrd", tmp_path / "out.seg.nrrd")
    assert not (tmp_path / "out.seg.nrrd").exists()


def test_segments_that_fall_outside_are_counted(tmp_path: Path) -> None:
    transform = a_wavy_transform("oblique", "flipped")
    grid = moving_grid("flipped").crop((0, 0, 0), (300, 32, 18))
    near = Region.from_mask("near", balls(grid, apply_affine(AFFINE, LANDMARKS))[0], grid)
    mask = np.zeros(grid.shape_kji, bool)
    mask[5:8, 5:8, 290:295] = True
    write_segmentation([near, Region.from_mask("far", mask, grid)], tmp_path / "s.seg.nrrd")
    message = apply_file(transform, tmp_path / "s.seg.nrrd", tmp_path / "out.seg.nrrd")
    assert message.startswith("1 segment(s) carried to")
    assert message.endswith("; 1 fell outside.")


@pytest.mark.parametrize("space", [" (2-D)", " (colour)"])
def test_an_image_that_is_no_volume_is_told(space: str, tmp_path: Path) -> None:
    array = np.zeros((5, 4, 3) if "colour" in space else (5, 4), np.uint8)
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector="colour" in space), str(tmp_path / "v.nrrd"))
    assert "3-D volume is needed" in refused(tmp_path / "v.nrrd", tmp_path / "out.nrrd")


CARRY_TO_A_FULL_DISK = """
import json, resource, signal, sys
from pathlib import Path
from Tell2RegLib.workflows.apply import apply_file
from Tell2RegLib.errors import OutputError
from Testing.Python.maps import an_affine_transform
transform = an_affine_transform("oblique", "flipped")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, -1))
told = {}
for name in sys.argv[2:]:
    source = Path(sys.argv[1]) / name
    target = source.parent / "out" / name
    try:
        told[name] = apply_file(transform, source, target)
    except OutputError as error:
        told[name] = str(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
print(json.dumps(told))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of file sizes to try this with")
def test_a_full_disk_is_told_for_every_kind_of_file(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    names = [path.name for path in every_source(tmp_path) if path.suffix != ".fcsv"]
    done = subprocess.run(
        [sys.executable, "-c", CARRY_TO_A_FULL_DISK, str(tmp_path), *names], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    reports = json.loads(done.stdout.splitlines()[-1])
    assert set(reports) == set(names)
    for name, message in reports.items():
        assert "cannot be written" in message, f"{name}: {message}"
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of file sizes to try this with")
def test_a_full_disk_leaves_every_earlier_file_as_it_was(tmp_path: Path) -> None:
    names = [path.name for path in every_source(tmp_path) if path.suffix != ".fcsv"]
    names += [f"v{ending}" for ending in VOLUME_ENDINGS]
    for ending in VOLUME_ENDINGS:
        write_volume(read_volume(tmp_path / "v.nrrd"), tmp_path / f"v{ending}")
    shutil.copytree(tmp_path, tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    code = [sys.executable, "-c", CARRY_TO_A_FULL_DISK, str(tmp_path), *names]
    done = subprocess.run(code, cwd=ROOT, capture_output=True, text=True)
    assert all("cannot be written" in message for message in json.loads(done.stdout.splitlines()[-1]).values())
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
