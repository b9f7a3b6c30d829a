"""Pascal VOC files are read with their photos, or named with the reason."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from two_photos import write_two_photos

from facemask.annotations.read import read_annotated
from facemask.annotations.table import DIFFICULT, AnnotatedPhoto
from facemask.errors import DataError

VOC = """<annotation><object><name>{name}</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>11</xmax><ymax>22</ymax>
</bndbox></object><object><name>no box</name></object></annotation>"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_two_photos(tmp_path)


def write(file: Path, name: str = "mask", before: str = "") -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(VOC.format(name=name).replace("<annotation>", f"<annotation>{before}"))


def read(root: Path) -> list[AnnotatedPhoto]:
    return read_annotated(root).photos


def test_files_are_read_beside_their_photos_or_apart(root: Path) -> None:
    write(root / "boxes/1.xml")
    write(root / "2.xml", "bare")
    (root / "b").mkdir()
    Image.new("RGB", (9, 9)).save(root / "b/2.png")  # another 2.png, without a file of its own
    second, first = read(root)
    assert (first.photo, first.names, first.boxes.tolist()) == (root / "a/1.png", ["mask"], [[1, 2, 11, 22]])
    assert second.photo == root / "2.png"


def test_boxes_elsewhere(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    boxes = tmp_path_factory.mktemp("elsewhere")
    write(boxes / "1.xml")
    write(boxes / "3.xml")
    assert [photo.photo for photo in read_annotated(root, str(boxes)).photos] == [root / "3.jpg", root / "a/1.png"]
    (only,) = read_annotated(root, str(boxes / "1.xml")).photos
    assert only.names == ["mask"]


@pytest.mark.parametrize(
    ("text", "expected_error"),
    [
        (VOC[:50], "2.xml cannot be read as a Pascal VOC file"),
        (VOC.replace("22", "high"), "cannot be read as a Pascal VOC file: could not convert"),
        ("", "cannot be read as a Pascal VOC file: no element found"),
        ('<?xml version="1.0" encoding="x"?><annotation/>', "cannot be read as a Pascal VOC file: unknown encoding"),
    ],
)
def test_a_damaged_file_is_named(root: Path, text: str, expected_error: str) -> None:
    write(root / "1.xml")
    (root / "2.xml").write_text(text)
    damaged, whole = read(root)
    assert (damaged.photo.name, damaged.names) == ("2.png", [])
    assert expected_error in damaged.error
    assert whole.error == ""


def test_files_of_other_programs_are_not_taken_for_annotations(root: Path) -> None:
    write(root / "2.xml")
    (root / "workspace.xml").write_text("<project><component/></project>")
    assert [photo.photo.name for photo in read(root)] == ["2.png"]


def test_a_missing_photo_is_named_by_its_expected_name(root: Path) -> None:
    write(root / "2.xml")
    write(root / "3.xml")
    first, second = read(root)
    assert (first.photo.name, first.error) == ("2.png", "")
    assert (second.photo.name, second.error) == ("3.jpg", "its photo is missing")
    (root / "2.xml").unlink()
    with pytest.raises(DataError, match=r"none of the 1 photos that .*3.xml names is below .*; add the photos"):
        read(root)


def test_a_file_that_matches_two_photos_raises(root: Path) -> None:
    Image.new("RGB", (9, 9)).save(root / "1.jpg")
    write(root / "boxes/1.xml")
    with pytest.raises(DataError, match="matches both .*1.jpg and .*1.png; put it beside its photo"):
        read(root)


@pytest.mark.parametrize("told", ["C:\\x\\2.jpg", "2.jpg", "/home/ann/2.jpg"])
def test_the_file_name_decides_between_two_suffixes(root: Path, told: str) -> None:
    Image.new("RGB", (9, 9)).save(root / "2.jpg")
    write(root / "2.XML", before=f"<filename>{told}</filename>")
    (photo,) = read(root)
    assert photo.photo.name == "2.jpg"


def test_a_file_of_another_name_is_found_by_the_file_name(root: Path) -> None:
    write(root / "boxes/annotation-17.xml", before="<filename>1.png</filename>")
    (photo,) = read(root)
    assert photo.photo == root / "a/1.png"


def test_hidden_companions_are_skipped(root: Path) -> None:
    write(root / "2.xml")
    for name in ("._2.xml", "._2.png"):
        (root / name).write_bytes(b"\0\5\x16\7Mac OS X")
    write(root / "__MACOSX/2.xml")
    (photo,) = read(root)
    assert photo.photo.name == "2.png"


def test_difficult_faces_are_flagged_unless_they_are_wanted(root: Path) -> None:
    write(root / "2.xml")
    text = (root / "2.xml").read_text().replace("</name>", "</name><difficult>1</difficult>", 1)
    (root / "2.xml").write_text(text)
    annotations = read_annotated(root)
    assert annotations.photos[0].flags == [DIFFICULT]
    assert annotations.describe()[1] == "1 box marked difficult: left out (difficult=true keeps them)."
    wanted = read_annotated(root, with_difficult=True)
    assert (wanted.photos[0].flags, len(wanted.describe())) == ([], 2)  # the second line is about 1.png


def test_parts_are_those_of_lists_of_names(root: Path) -> None:
    write(root / "1.xml")
    write(root / "2.xml")
    lists = root / "ImageSets/Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("1\n")
    (lists / "test.txt").write_text("2\nunknown\n")
    (lists / "trainval.txt").write_text("1\n2\n")  # is no part
    assert {photo.photo.name: photo.part for photo in read(root)} == {"1.png": "train", "2.png": "test"}


def test_accents_in_another_form_match(tmp_path: Path) -> None:
    Image.new("RGB", (30, 30)).save(tmp_path / "e\u0301.png")
    write(tmp_path / "\u00e9.xml")
    (photo,) = read(tmp_path)
    assert (photo.photo.name, photo.error) == ("e\u0301.png", "")
    np.testing.assert_array_equal(photo.boxes, [[1, 2, 11, 22]])
