"""COCO files are read with their photos, or refused with the reason."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from two_photos import write_two_photos

from facemask.annotations.read import read_annotated
from facemask.annotations.table import CROWD, AnnotatedPhoto
from facemask.errors import DataError

COCO: dict[str, Any] = {
    "images": [{"id": 1, "file_name": "a/1.png", "width": 30}, {"id": 2, "file_name": "2.png"}],
    "annotations": [
        {"id": 7, "image_id": 1, "category_id": 5, "bbox": [1, 2, 10, 20.5]},
        {"id": 8, "image_id": 1, "category_id": 6, "bbox": [0, 0, 3, 3], "iscrowd": 1},
    ],
    "categories": [{"id": 5, "name": "With Mask"}, {"id": 6, "name": "crowd"}, {"id": 0, "name": "unused root"}],
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_two_photos(tmp_path)


def write(root: Path, content: object, name: str = "boxes.json", encoding: str = "utf-8") -> None:
    (root / name).write_text(json.dumps(content), encoding=encoding)


def read(root: Path, boxes: str = "coco") -> list[AnnotatedPhoto]:
    return read_annotated(root, boxes).photos


def test_boxes_become_corners_and_crowds_are_flagged(root: Path) -> None:
    write(root, COCO)
    second, first = read(root)
    assert (first.photo, first.names) == (root / "a/1.png", ["With Mask", "crowd"])
    assert first.boxes.tolist() == [[1, 2, 11, 22.5], [0, 0, 3, 3]]
    assert first.flags == ["", CROWD]
    assert (second.photo, second.boxes.shape) == (root / "2.png", (0, 4))
    assert "1 box marked as crowds: left out." in read_annotated(root).describe()[1]


@pytest.mark.parametrize(
    ("change", "expected_error"),
    [
        ({"images": [{"id": 1}]}, "images.0.file_name: Field required"),
        ({"annotations": [{"image_id": 1, "category_id": 5, "bbox": [1, 2]}]}, "annotations.0.bbox"),
        ({"categories": []}, "a box with image 1 and category 5, but does not define both"),
        ({"images": [], "annotations": COCO["annotations"][:1]}, "a box with image 1"),
        ({"images": [{"id": 1, "file_name": "3.png"}]}, "none of the 1 photos .* the first is 3.png"),
        ({"images": [{"id": 1, "file_name": "../x/9.png"}]}, "none of the 1 photos"),
        ({"images": [{"id": 1, "file_name": "/etc/hostname"}]}, "none of the 1 photos"),
        ({"images": [], "annotations": []}, "lists no photos"),
    ],
)
def test_an_inconsistent_file_raises(root: Path, change: dict[str, Any], expected_error: str) -> None:
    write(root, COCO | change)
    with pytest.raises(DataError, match=expected_error):
        read(root)


def test_a_file_that_is_not_coco_is_refused(root: Path) -> None:
    (root / "boxes.json").write_text('{"images": [')
    with pytest.raises(DataError, match="cannot be read as a COCO file: Invalid JSON"):
        read(root)
    (root / "boxes.json").write_text("hello")
    with pytest.raises(DataError, match="contains no annotations that can be read"):
        read(root)


@pytest.mark.parametrize("name", ["a\\1.png", "1.png", "/home/ann/set/1.png", "../other/1.png"])
def test_photos_are_found_by_a_file_name_that_is_unique(root: Path, name: str) -> None:
    write(root, COCO | {"images": [{"id": 1, "file_name": name}]}, encoding="utf-8-sig")  # with a byte order mark
    (photo,) = read(root)
    assert photo.photo == root / "a/1.png"
    (root / "b").mkdir()
    Image.new("RGB", (9, 9)).save(root / "b/1.png")  # now the file name is not unique
    if name != "a\\1.png":
        with pytest.raises(DataError, match="none of the 1 photos"):
            read(root)


def test_two_photos_of_one_file_name_are_not_taken_for_the_same(root: Path) -> None:
    images = [{"id": 1, "file_name": "x/2.png"}, {"id": 2, "file_name": "y/2.png"}]
    write(root, COCO | {"images": images})
    with pytest.raises(DataError, match="none of the 2 photos"):
        read(root)


def test_one_missing_photo_and_an_empty_box_are_counted(root: Path) -> None:
    images = [*COCO["images"], {"id": 3, "file_name": "3.png"}]
    boxes = [{"image_id": 2, "category_id": 5, "bbox": bbox} for bbox in ([], [1, 2, 0, 9], [1, 2, 5, 9])]
    write(root, COCO | {"images": images, "annotations": boxes})
    annotations = read_annotated(root)
    second, missing, first = annotations.photos
    assert (missing.photo.name, missing.error) == ("3.png", "its photo is missing")
    assert (first.names, second.boxes.tolist()) == ([], [[1, 2, 6, 11]])
    assert annotations.describe()[1:] == ["2 boxes without area: left out."]


def test_three_files_are_the_three_parts(tmp_path: Path) -> None:
    for part, n in (("train", 3), ("valid", 2), ("test", 1)):
        (tmp_path / part).mkdir()
        names = [f"{i}.jpg" for i in range(n)]  # the same in every part
        for name in names:
            Image.new("RGB", (30, 30)).save(tmp_path / part / name)
        images = [{"id": i, "file_name": name, "width": 30, "height": 30} for i, name in enumerate(names)]
        boxes = [{"image_id": i, "category_id": 5, "bbox": [1, 2, 10, 20]} for i in range(n)]
        content = {"images": images, "annotations": boxes, "categories": COCO["categories"]}
        write(tmp_path / part, content, "_annotations.coco.json")
    annotations = read_annotated(tmp_path)
    assert [(photo.photo.parent.name, photo.part) for photo in annotations.photos] == [
        *[("test", "test")],
        *[("train", "train")] * 3,
        *[("valid", "val")] * 2,
    ]
    assert annotations.describe()[1] == "Parts: test 1 photo, train 3 photos, val 2 photos."


def test_parts_are_told_by_the_names_of_the_files_and_must_agree(root: Path) -> None:
    for name, image in (("instances_train2017", COCO["images"][0]), ("instances_val2017", COCO["images"][1])):
        write(root, COCO | {"images": [image], "annotations": []}, f"{name}.json")
    assert [photo.part for photo in read(root)] == ["val", "train"]
    write(root, COCO | {"images": COCO["images"], "annotations": []}, "instances_val2017.json")
    with pytest.raises(DataError, match="a/1.png is annotated twice, with different parts; remove it from one of the"):
        read(root)
