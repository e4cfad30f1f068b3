"""Files that could crash this process are read in another one: a crash, a hang or too much memory is one sentence."""

from __future__ import annotations

import locale
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from Tell2RegLib.errors import GeometryError, InputError
from Tell2RegLib.space import foreign_files
from Tell2RegLib.space.image_files import read_image
from Tell2RegLib.space.plain_headers import has_plain_header
from Tell2RegLib.support.reader_process import Limits, ReaderProcess

READY = "from Tell2RegLib.support.reader_process import Reply, serve\n"
JOBS = """
import os, time
from Tell2RegLib.errors import GeometryError

def crash(path):
    os.abort()

def hang(path):
    while True:
        time.sleep(1)

def eat(path):
    return Reply({}, bytes(1 << 33))

def refuse(path):
    raise GeometryError(f"'{path}' is flat.")

def fail(path):
    raise KeyError("size")

def chatter(path):
    os.write(1, b"a library prints")
    return Reply({"pid": os.getpid()}, b"ab\\n\\0c")

def copy(path):
    return Reply({}, path.read_bytes())
"""
LIMITS = Limits(30.0, 4 << 30)


@pytest.fixture
def a_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ReaderProcess]:
    """A process with jobs of the worst kinds."""
    names = ("crash", "hang", "eat", "refuse", "fail", "chatter", "copy")
    jobs = "{" + ", ".join(f"'{name}': '__main__:{name}'" for name in names) + "}"
    (tmp_path / "jobs_of_the_test.py").write_text(
        f"{READY}{JOBS}\nif __name__ == '__main__':\n    serve({jobs}, {{}})\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    reader = ReaderProcess("jobs_of_the_test")
    yield reader
    reader.end()


def test_a_crash_is_one_sentence_and_the_next_file_is_read(a_reader: ReaderProcess) -> None:
    with pytest.raises(InputError, match=r"'scan\.h5' cannot be read: the library for this format crashed on it"):
        a_reader.read("crash", Path("scan.h5"), LIMITS)
    assert a_reader.read("chatter", Path("scan.h5"), LIMITS).data == b"ab\n\0c"


def test_a_hang_is_ended_and_told(a_reader: ReaderProcess) -> None:
    with pytest.raises(InputError, match="had not ended after 1 seconds"):
        a_reader.read("hang", Path("scan.h5"), Limits(1.0, 4 << 30))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of a process")
def test_too_much_memory_is_told(a_reader: ReaderProcess) -> None:
    with pytest.raises(InputError, match="needs more than the 4.0 GB of memory that a file of its size may take"):
        a_reader.read("eat", Path("scan.h5"), LIMITS)


def test_errors_of_a_job_arrive_as_they_were(a_reader: ReaderProcess) -> None:
    with pytest.raises(GeometryError, match=r"^'scan\.h5' is flat\.$"):
        a_reader.read("refuse", Path("scan.h5"), LIMITS)
    with pytest.raises(InputError, match=r"'scan\.h5' cannot be read: 'size'\. Copy"):
        a_reader.read("fail", Path("scan.h5"), LIMITS)


def test_one_process_reads_all_files_and_what_libraries_print_is_no_reply(a_reader: ReaderProcess) -> None:
    replies = [a_reader.read("chatter", Path("scan.h5"), LIMITS) for _ in range(3)]
    assert len({reply.values["pid"] for reply in replies} - {os.getpid()}) == 1


def test_a_relative_path_is_that_of_the_folder_now(
    a_reader: ReaderProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "scan.h5").write_text(name)
        monkeypatch.chdir(tmp_path / name)
        assert a_reader.read("copy", Path("scan.h5"), LIMITS).data == name.encode()


def test_limits_follow_the_size_of_the_file() -> None:
    small, large = Limits.of(1000), Limits.of(10**9)
    assert 60 <= small.seconds < 61 < 500 < large.seconds
    assert 2 << 30 <= small.memory_bytes <= large.memory_bytes


# --- images ---


def unusual_images(folder: Path) -> dict[str, sitk.Image]:
    """Images in formats without a plain header, as written."""
    noise = np.random.default_rng(1).integers(0, 200, (4, 5, 6))
    images = {}
    for name, kind in {"a.gipl": "int16", "a.gipl.gz": "uint8", "a.vtk": "float32", "a.hdr": "int16"}.items():
        images[name] = sitk.GetImageFromArray(noise.astype(kind))
    images["colour.png"] = sitk.GetImageFromArray(noise[0, :, :3, None].repeat(3, 2).astype("uint8"), isVector=True)
    images["frames.hdr"] = sitk.GetImageFromArray(np.stack([noise, noise]).astype("int16"))
    for name, image in images.items():
        image.SetSpacing((1.5, 2.0, 3.0, 1.0)[: image.GetDimension()])
        sitk.WriteImage(image, str(folder / name))
    return images


@pytest.fixture
def any_locale() -> Iterator[None]:
    """Some of ITK's readers leave another locale behind, in whichever process they run."""
    before = locale.setlocale(locale.LC_ALL)
    yield
    locale.setlocale(locale.LC_ALL, before)


@pytest.mark.usefixtures("any_locale")
def test_unusual_images_come_back_through_the_other_process(tmp_path: Path) -> None:
    for name, image in unusual_images(tmp_path).items():
        assert not has_plain_header(tmp_path / name)
        expected, actual = sitk.ReadImage(str(tmp_path / name)), read_image(tmp_path / name)
        assert actual.GetSize() == expected.GetSize() == image.GetSize(), name
        assert actual.GetPixelID() == expected.GetPixelID(), name
        assert actual.GetDirection() == expected.GetDirection(), name
        np.testing.assert_array_equal(sitk.GetArrayFromImage(actual), sitk.GetArrayFromImage(expected))
        np.testing.assert_allclose(actual.GetSpacing(), expected.GetSpacing())


def test_nothing_is_left_of_the_transfer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unusual_images(tmp_path)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(foreign_files.tempfile, "tempdir", str(tmp_path / "temporary"))
    read_image(tmp_path / "a.gipl")
    assert not list((tmp_path / "temporary").iterdir())


@pytest.mark.parametrize("ending", ["nii", "nii.gz", "nrrd", "nhdr", "mha", "mhd"])
@pytest.mark.parametrize("kind", ["uint8", "int16", "int32", "float32", "float64"])
@pytest.mark.parametrize("shape", [(3, 4, 5), (3, 4, 5, 3), (2, 3, 4, 5)], ids=["scalars", "vectors", "frames"])
def test_what_itk_writes_has_a_plain_header(ending: str, kind: str, shape: tuple, tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(np.zeros(shape, kind), isVector=shape[-1] == 3)
    for compressed in (True, False):
        path = tmp_path / f"scan {compressed}.{ending}"
        sitk.WriteImage(image, str(path), useCompression=compressed)
        assert has_plain_header(path)
