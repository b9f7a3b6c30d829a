"""Image files from a stranger: no program is started, and memory stays within limits."""

import os
import resource
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commands import assert_refused, call_command
from conftest import PROJECT, write_faces
from facemask.data import pictures
from facemask.data.index import index
from facemask.data.pictures import FORMATS, read_image
from facemask.data.store import check_readable, open_store
from facemask.errors import DataError

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n({mark}) (w) file closefile showpage\n"


def png(side: int, depth: int) -> bytes:
    """Return a small PNG file of a huge grey image."""
    row = zlib.compress(bytes((1 + side * depth // 8) * 64), 9)
    assert row  # the image's own data are cut off: only the header is read
    header = side.to_bytes(4, "big") * 2 + bytes([depth, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")
        for name, data in ((b"IHDR", header), (b"IDAT", row), (b"IEND", b""))
    )


@pytest.mark.parametrize("suffix", [".jpg", ".eps", ""])
def test_postscript_starts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    if not shutil.which("gs"):  # whether it is there or not, it must not be looked for
        monkeypatch.setattr("PIL.EpsImagePlugin.has_ghostscript", lambda: pytest.fail("asked for Ghostscript"))
    file = tmp_path / f"face{suffix}"
    file.write_bytes(POSTSCRIPT.replace(b"{mark}", str(tmp_path / "mark").encode()))
    with pytest.raises(DataError, match="cannot be read as an image"):
        read_image(file)
    assert not (tmp_path / "mark").exists()
    assert {"EPS", "WMF", "PSD", "FITS", "HDF5"}.isdisjoint(FORMATS)


def test_a_huge_image_is_refused_before_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "huge.png").write_bytes(png(13_000, 16))
    with pytest.raises(DataError, match="13,000 x 13,000 pixels; .* set FACEMASK_MAX_PIXELS=169000000"):
        read_image(tmp_path / "huge.png")
    Image.fromarray(np.zeros((20, 30), np.uint8)).save(tmp_path / "small.png")
    monkeypatch.setenv(pictures.MAX_PIXELS_VARIABLE, "599")
    with pytest.raises(DataError, match="30 x 20 pixels"):
        read_image(tmp_path / "small.png")
    monkeypatch.setenv(pictures.MAX_PIXELS_VARIABLE, "600")
    assert read_image(tmp_path / "small.png").shape == (20, 30, 3)
    monkeypatch.setenv(pictures.MAX_PIXELS_VARIABLE, "many")
    with pytest.raises(DataError, match="must be a number of pixels greater than 0, got 'many'"):
        read_image(tmp_path / "small.png")


MEASURE = """
import resource, sys
from pathlib import Path
from facemask.data.pictures import read_image
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
read_image(Path(sys.argv[1]))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["I;16", "RGBA"])
def test_the_largest_allowed_image_takes_less_than_two_gigabytes(tmp_path: Path, mode: str) -> None:
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    side = int(pictures.MAX_PIXELS**0.5)
    shape = (side, side) if mode == "I;16" else (side, side, 4)
    Image.fromarray(np.zeros(shape, np.uint16 if mode == "I;16" else np.uint8)).save(
        tmp_path / "large.png", compress_level=1
    )
    command = [sys.executable, "-c", MEASURE, str(tmp_path / "large.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert int(done.stdout) < 2e9


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    root = write_faces(tmp_path / "faces", {"mask": 6, "no_mask": 6})
    os.mkfifo(root / "mask/pipe.png")
    paths = index(root)["path"].tolist()
    store = open_store(root, paths, 16, tmp_path / "store")
    with pytest.raises(DataError, match=r"1 of 13 images .* cannot be read"):
        check_readable(store, 0.0)
    done = call_command(PROJECT / "prepare_data.py", ["task=audit", f"data.root={root}"], tmp_path, {})
    assert done.code == 1, done.err  # it found the pipe
    assert "Traceback" not in done.err


def test_a_photo_with_too_many_boxes_counts_as_unreadable(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    side = "<xmin>1</xmin><ymin>1</ymin><xmax>{right}</xmax><ymax>9</ymax>"
    box = f"<object><name>with_mask</name><bndbox>{side}</bndbox></object>"
    for name, n in (("one", 1), ("many", 2000)):
        Image.fromarray(np.full((20, 20, 3), 90, np.uint8)).save(photos / f"{name}.png")
        boxes = "".join(box.format(right=9 + i / n) for i in range(n))  # no two are equal
        (photos / f"{name}.xml").write_text(f"<annotation>{boxes}</annotation>")
    words = ["task=import", f"photos={photos}", f"out={tmp_path}/faces"]
    done = call_command(PROJECT / "prepare_data.py", words, tmp_path, {})
    assert_refused(done, "1 of 2 photos (50.0%) cannot be read")
    raised = call_command(PROJECT / "prepare_data.py", [*words, "max_faces=2000"], tmp_path, {})
    assert raised.code == 0, raised.err
    assert "2,001 faces of 2 photos" in raised.out


# Each stands for ten of the one before.
ENTITIES = [b"<!ENTITY a%d '%s'>" % (i, b"&a%d;" % (i - 1) * 10) for i in range(1, 12)]


@pytest.mark.parametrize(
    "content",
    [
        b'<?xml version="1.0" encoding="no-such"?><annotation/>',
        b'<?xml version="1.0" encoding="utf-7"?><annotation/>',
        b'<?xml version="1.0" encoding="cp037"?><annotation/>',
        b"<annotation>",
        b"<!DOCTYPE a ["
        + b"".join(b"<!ENTITY a%d '%s'>" % (i, b"&a%d;" % (i - 1) * 10) for i in range(1, 12))
        + b"]><a>&a11;</a>",
    ],
)
def test_a_foreign_xml_file_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    write_faces(tmp_path / "photos", {"a": 1})
    (tmp_path / "photos/a/000.xml").write_bytes(content)
    done = call_command(PROJECT / "prepare_data.py", ["task=import", "photos=photos", "out=faces"], tmp_path, {})
    assert done.code == 2 or b"cp037" in content, done.out
    assert "Traceback" not in done.err
