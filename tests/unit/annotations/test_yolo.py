"""YOLO label files in the layouts of the usual tools."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facemask.annotations.read import read_annotated
from facemask.annotations.table import AnnotatedPhoto
from facemask.errors import DataError

LINE = "1 0.5 0.5 0.2 0.4\n"  # in a photo of 100 x 50: 40, 15, 60, 35


def photo(file: Path, width: int = 100, height: int = 50, **save: Any) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), (90, 120, 150)).save(file, **save)
    return file


def write(file: Path, content: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content, encoding="utf-8")


def only(root: Path) -> AnnotatedPhoto:
    (read,) = read_annotated(root).photos
    return read


@pytest.mark.parametrize(
    ("picture", "labels"),
    [
        ("a.jpg", "a.txt"),
        ("images/a.jpg", "labels/a.txt"),
        ("train/images/a.jpg", "train/labels/a.txt"),
        ("images/val/a.JPG", "labels/val/a.txt"),
    ],
)
@pytest.mark.parametrize(
    ("names", "content"),
    [
        ("data.yaml", "names: [no_mask, mask]\nnc: 2\n"),
        ("data.yaml", "names:\n  0: no_mask\n  1: mask\n"),
        ("classes.txt", "no_mask\nmask\n"),
        ("obj.names", "\ufeffno_mask\nmask\n"),
    ],
)
def test_layouts_and_lists_of_names(tmp_path: Path, picture: str, labels: str, names: str, content: str) -> None:
    photo(tmp_path / picture)
    write(tmp_path / labels, LINE)
    write(tmp_path / names, content)
    read = only(tmp_path)
    assert read.photo == tmp_path / picture
    assert read.names == ["mask"]
    np.testing.assert_allclose(read.boxes, [[40, 15, 60, 35]], atol=1e-4)


def test_polygons_confidences_and_empty_files(tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    photo(tmp_path / "b.png")
    photo(tmp_path / "c.png")  # has no label file
    write(tmp_path / "a.txt", "0 0.1 0.2 0.3 0.2 0.3 0.6 0.1 0.6\n\n1 0.5 0.5 0.2 0.4 0.93\n")
    write(tmp_path / "b.txt", "")
    annotations = read_annotated(tmp_path)
    first, second = annotations.photos
    assert first.names == ["0", "1"]  # without names, the numbers
    np.testing.assert_allclose(first.boxes, [[10, 10, 30, 30], [40, 15, 60, 35]], atol=1e-4)
    assert second.names == []
    assert second.boxes.shape == (0, 4)
    assert annotations.describe()[1:] == ["1 photo without annotations: not used."]


def test_boxes_are_those_of_the_turned_photo(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees
    photo(tmp_path / "a.jpg", exif=exif)
    write(tmp_path / "a.txt", LINE)
    np.testing.assert_allclose(only(tmp_path).boxes, [[20, 30, 30, 70]], atol=1e-4)


def test_hidden_files_are_left_out_and_damaged_photos_are_named(tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    write(tmp_path / "a.txt", LINE)
    for name in ("._a", "__MACOSX/a", ".cache/a"):
        write(tmp_path / f"{name}.png", "no picture")
        write(tmp_path / f"{name}.txt", "no label")
    write(tmp_path / "b.png", "no picture")
    write(tmp_path / "b.txt", LINE)
    first, second = read_annotated(tmp_path).photos
    assert (first.names, first.error) == (["1"], "")
    assert second.photo.name == "b.png"
    assert second.error.startswith("cannot identify image file")


@pytest.mark.parametrize(
    ("content", "expected_error"),
    [
        ("1 0.5 0.5 0.2\n", "a.txt, line 1 has 4 numbers; expected CLASS X Y WIDTH HEIGHT, or a polygon"),
        ("mask 0.5 0.5 0.2 0.2\n", "line 1 is not CLASS X Y WIDTH HEIGHT in numbers"),
        ("inf 0.5 0.5 0.2 0.2\n", "line 1 is not CLASS X Y WIDTH HEIGHT in numbers"),
        ("0 50 20 10 10\n", "line 1 has coordinates that are not fractions of the photo"),
        ("0 nan 0.5 0.2 0.2\n", "line 1 has coordinates that are not fractions of the photo"),
        (
            "0 0.5 0.5 0.2 0.2\n7 0.5 0.5 0.2 0.2\n",
            "line 2 has the class 7, but .*classes.txt only names 0, 1; add its",
        ),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, content: str, expected_error: str) -> None:
    photo(tmp_path / "a.png")
    write(tmp_path / "a.txt", content)
    write(tmp_path / "classes.txt", "no_mask\nmask")
    assert re.search(expected_error, only(tmp_path).error)


def test_a_damaged_list_of_names_and_a_folder_without_annotations_are_named(tmp_path: Path) -> None:
    photo(tmp_path / "a.png")
    with pytest.raises(DataError, match="contains no annotations that can be read: Pascal VOC, COCO, YOLO"):
        read_annotated(tmp_path)
    write(tmp_path / "a.txt", LINE)
    write(tmp_path / "data.yaml", "names: [mask\n")
    with pytest.raises(DataError, match=r"data.yaml cannot be read as a list of class names"):
        read_annotated(tmp_path)


def test_parts_are_those_of_the_yaml_file(tmp_path: Path) -> None:
    for name in ("one/images/1.png", "two/images/2.png", "three/3.png"):
        photo(tmp_path / name)
        write((tmp_path / name.replace("images", "labels")).with_suffix(".txt"), LINE)
    # One path as seen from a folder beside the file, as some tools write it; a list of photos; and a folder.
    write(tmp_path / "data.yaml", "train: ../one/images\nval: part2.txt\ntest: [three]\nnames: [no_mask, mask]\n")
    write(tmp_path / "part2.txt", "C:\\set\\two\\images\\2.png\n")
    parts = {photo.photo.name: photo.part for photo in read_annotated(tmp_path).photos}
    assert parts == {"1.png": "train", "2.png": "val", "3.png": "test"}


def test_one_folder_for_training_and_validation_is_no_part(tmp_path: Path) -> None:
    photo(tmp_path / "images/1.png")
    write(tmp_path / "labels/1.txt", LINE)
    write(tmp_path / "data.yaml", "train: images\nval: images\nnames: [no_mask, mask]\n")
    assert only(tmp_path).part == ""


def test_label_files_in_a_folder_elsewhere(tmp_path: Path) -> None:
    photo(tmp_path / "photos/images/1.png")
    write(tmp_path / "boxes/labels/1.txt", LINE)
    write(tmp_path / "boxes/data.yaml", "names: [no_mask, mask]\n")
    for boxes in (tmp_path / "boxes", tmp_path / "boxes/data.yaml"):
        (read,) = read_annotated(tmp_path / "photos", str(boxes)).photos
        assert read.names == ["mask"]


def test_a_damaged_place_of_a_part_is_no_part(tmp_path: Path) -> None:
    photo(tmp_path / "images/1.png")
    write(tmp_path / "labels/1.txt", LINE)
    write(tmp_path / "data.yaml", f"train: {'x' * 5000}\nval: [3, null]\nnames: [no_mask, mask]\n")
    assert (only(tmp_path).part, only(tmp_path).error) == ("", "")
