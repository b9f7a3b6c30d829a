"""Annotations of other tools are read correctly, or refused with the reason."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facemask.annotations.read import AnnotatedPhoto, read_coco, read_voc, to_classes
from facemask.errors import DataError

VOC = """<annotation><object><name>{name}</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>11</xmax><ymax>22</ymax>
</bndbox></object><object><name>no box</name></object></annotation>"""
COCO: dict[str, Any] = {
    "images": [{"id": 1, "file_name": "a/1.png", "width": 30}, {"id": 2, "file_name": "2.png"}],
    "annotations": [
        {"id": 7, "image_id": 1, "category_id": 5, "bbox": [1, 2, 10, 20.5]},
        {"id": 8, "image_id": 1, "category_id": 6, "bbox": [0, 0, 3, 3], "iscrowd": 1},
    ],
    "categories": [{"id": 5, "name": "With Mask"}, {"id": 6, "name": "crowd"}],
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "a").mkdir()
    for name in ("a/1.png", "2.png"):
        Image.new("RGB", (30, 30)).save(tmp_path / name)
    return tmp_path


def test_voc_files_are_read_beside_their_photos_or_apart(root: Path) -> None:
    (root / "boxes").mkdir()
    (root / "boxes/1.xml").write_text(VOC.format(name="mask"))
    (root / "2.xml").write_text(VOC.format(name="bare"))
    (root / "b").mkdir()
    Image.new("RGB", (9, 9)).save(root / "b/2.png")  # another 2.png, without a file of its own
    second, first = read_voc(root)
    assert (first.photo, first.names, first.boxes.tolist()) == (root / "a/1.png", ["mask"], [[1, 2, 11, 22]])
    assert second.photo == root / "2.png"


@pytest.mark.parametrize(
    ("name", "text", "expected_error"),
    [
        ("1.xml", "<annotation>", "cannot be read as a Pascal VOC file"),
        ("1.xml", VOC.format(name="x").replace("22", "high"), "cannot be read as a Pascal VOC file"),
        ("3.xml", VOC.format(name="x"), "has no photo of the same name, nor has any other"),
        ("boxes.xml", "", "cannot be read"),
    ],
)
def test_invalid_voc_file_raises(root: Path, name: str, text: str, expected_error: str) -> None:
    (root / name).write_text(text)
    with pytest.raises(DataError, match=expected_error):
        read_voc(root)


def test_a_voc_file_apart_from_two_photos_of_its_name(root: Path) -> None:
    Image.new("RGB", (9, 9)).save(root / "1.jpg")
    (root / "boxes").mkdir()
    (root / "boxes/1.xml").write_text(VOC.format(name="mask"))
    with pytest.raises(DataError, match="matches both .*1.jpg and .*1.png; put it beside its photo"):
        read_voc(root)


def test_coco_boxes_become_corners_and_crowds_are_left_out(root: Path) -> None:
    (root / "coco.json").write_text(json.dumps(COCO))
    first, second = read_coco(root / "coco.json", root)
    assert (first.photo, first.names, first.boxes.tolist()) == (root / "a/1.png", ["With Mask"], [[1, 2, 11, 22.5]])
    assert second.boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("change", "expected_error"),
    [
        ({"images": [{"id": 1}]}, "images.0.file_name: Field required"),
        ({"annotations": [{"image_id": 1, "category_id": 5, "bbox": [1, 2]}]}, "annotations.0.bbox"),
        ({"categories": []}, "a box with image 1 and category 5, but does not define both"),
        ({"images": [], "annotations": COCO["annotations"][:1]}, "a box with image 1"),
        ({"images": [{"id": 1, "file_name": "3.png"}]}, "1 of 1 photos .* the first is 3.png"),
        ({"images": [{"id": 1, "file_name": "../x/9.png"}]}, "not below"),
        ({"images": [{"id": 1, "file_name": "/etc/hostname"}]}, "not below"),
    ],
)
def test_inconsistent_coco_file_raises(root: Path, change: dict[str, Any], expected_error: str) -> None:
    (root / "coco.json").write_text(json.dumps(COCO | change))
    with pytest.raises(DataError, match=expected_error):
        read_coco(root / "coco.json", root)


def test_a_file_that_is_not_coco_is_refused(root: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_coco(root / "coco.json", root)
    (root / "coco.json").write_text("hello")
    with pytest.raises(DataError, match="Invalid JSON"):
        read_coco(root / "coco.json", root)


def test_names_become_classes_and_unknown_ones_are_listed() -> None:
    boxes = np.arange(16, dtype=np.float32).reshape(4, 4)
    photos = [AnnotatedPhoto(Path("1.png"), ["With Mask", "hat", "no-mask", "hat"], boxes)]
    classes = {"with_mask": "mask", "no mask": "no_mask", "hat": None}
    (renamed,) = to_classes(photos, classes)
    assert renamed.names == ["mask", "no_mask"]
    assert renamed.boxes.tolist() == boxes[[0, 2]].tolist()
    with pytest.raises(
        DataError, match=r"unknown names of faces: hat \(2 faces\), no_mask \(1 faces\);.*\+classes.hat=mask"
    ):
        to_classes(photos, {"with_mask": "mask"})


def test_a_missing_photo_is_left_to_whoever_reads_it(root: Path) -> None:
    for name in ("2", "3"):
        (root / f"{name}.xml").write_text(VOC.format(name="mask"))
    first, second = read_voc(root)
    assert (first.photo.name, second.photo.name) == ("2.png", "3.jpg")
    assert not second.photo.exists()


def test_the_file_name_decides_between_two_suffixes(root: Path) -> None:
    Image.new("RGB", (9, 9)).save(root / "2.jpg")
    content = VOC.format(name="mask").replace("<object>", "<filename>C:\\x\\2.jpg</filename><object>", 1)
    (root / "2.XML").write_text(content)
    (photo,) = read_voc(root)
    assert photo.photo.name == "2.jpg"


@pytest.mark.parametrize("name", ["a\\1.png", "1.png", "/home/ann/set/1.png", "../other/1.png"])
def test_photos_of_coco_files_are_found_by_their_bare_name(root: Path, name: str) -> None:
    content = COCO | {"images": [{"id": 1, "file_name": name}]}
    (root / "coco.json").write_text(json.dumps(content), encoding="utf-8-sig")  # with a byte order mark
    (photo,) = read_coco(root / "coco.json", root)
    assert photo.photo == root / "a/1.png"
    Image.new("RGB", (9, 9)).save(root / "1.png")  # now the bare name is not unique
    if name != "1.png":
        (root / "b").mkdir()
        (root / "1.png").rename(root / "b/1.png")
        if name != "a\\1.png":
            with pytest.raises(DataError, match="1 of 1 photos"):
                read_coco(root / "coco.json", root)


def test_two_photos_of_one_bare_name_are_not_taken_for_the_same(root: Path) -> None:
    images = [{"id": 1, "file_name": "x/2.png"}, {"id": 2, "file_name": "y/2.png"}]
    (root / "coco.json").write_text(json.dumps(COCO | {"images": images}))
    with pytest.raises(DataError, match="2 of 2 photos"):
        read_coco(root / "coco.json", root)


def test_an_empty_coco_box_is_nan(root: Path) -> None:
    box = {"image_id": 1, "category_id": 5, "bbox": []}
    (root / "coco.json").write_text(json.dumps(COCO | {"annotations": [box]}))
    first, _ = read_coco(root / "coco.json", root)
    assert first.names == ["With Mask"]
    assert np.isnan(first.boxes).all()
