"""Matches are one to one, and average precision follows its definition."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facemask.annotations.read import read_voc
from facemask.detection.matching import average_precision, box_iou, match
from facemask.errors import DataError

VOC = """<annotation><object><name>with_mask</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>11</xmax><ymax>22</ymax>
</bndbox></object><object><name>without_mask</name><bndbox><xmin>20</xmin><ymin>2</ymin><xmax>30</xmax><ymax>12</ymax>
</bndbox></object></annotation>"""


def test_overlap_is_intersection_over_union() -> None:
    first = np.array([[0, 0, 10, 10], [5, 5, 5, 9]], np.float32)
    second = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30]], np.float32)
    assert np.allclose(box_iou(first, second), [[1, 1 / 3, 0], [0, 0, 0]])
    assert box_iou(first[:0], second).shape == (0, 3)


def test_highest_score_matches_first_and_each_face_matches_once() -> None:
    truth = np.array([[0, 0, 10, 10], [8, 0, 18, 10]], np.float32)
    found = np.array([[1, 0, 11, 10], [0, 0, 10, 10], [9, 0, 19, 10], [40, 40, 50, 50]], np.float32)
    assert match(found, truth).tolist() == [0, -1, 1, -1]
    assert match(found, truth[:0]).tolist() == [-1, -1, -1, -1]
    assert match(found[:0], truth).tolist() == []


def test_average_precision_by_hand() -> None:
    assert average_precision([0.9, 0.8, 0.7], [True, False, True], 2) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision([0.7, 0.9], [False, True], 4) == pytest.approx(0.25)
    assert average_precision([], [], 3) == 0
    assert np.isnan(average_precision([], [], 0))


def test_pascal_voc_files_are_read_with_their_photos(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/a.xml").write_text(VOC)
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    (photo,) = read_voc(tmp_path)
    assert photo.photo == tmp_path / "a.png"
    assert photo.names == ["with_mask", "without_mask"]
    assert photo.boxes.tolist() == [[1, 2, 11, 22], [20, 2, 30, 12]]


@pytest.mark.parametrize(
    ("text", "expected_error"),
    [
        (VOC, "a.xml has no photo of the same name"),
        (VOC[:50], "a.xml cannot be read as a Pascal VOC file"),
        (VOC.replace(">11<", ">eleven<"), "cannot be read as a Pascal VOC file"),
        (None, "contains no Pascal VOC files"),
    ],
)
def test_an_unreadable_file_raises_one_sentence(tmp_path: Path, text: str | None, expected_error: str) -> None:
    if text:
        (tmp_path / "a.xml").write_text(text)
    with pytest.raises(DataError, match=expected_error):
        read_voc(tmp_path)


def test_iou_of_boxes_that_are_not_square_small_or_empty() -> None:
    boxes = np.array([[1, 2, 11, 42], [0, 0, 0.5, 0.5], [3, 3, 3, 9]], np.float32)
    with np.errstate(all="raise"):
        assert box_iou(boxes, boxes).tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_a_match_needs_the_threshold_exactly() -> None:
    truth = np.array([[0, 0, 10, 10]], np.float32)
    half = np.array([[0, 0, 10, 5]], np.float32)
    assert match(half, truth, 0.5).tolist() == [0]
    assert match(half, truth, 0.51).tolist() == [-1]


def test_average_precision_without_faces_is_undefined() -> None:
    assert np.isnan(average_precision([0.5], [False], 0))
