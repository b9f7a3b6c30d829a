"""Detection and classification are counted separately, and detections without an annotation lower precision."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from facemask.annotations.read import AnnotatedPhoto
from facemask.data.preprocessing import Pixels
from facemask.detection.detectors import Detector, Faces, as_faces
from facemask.detection.matching import average_precision
from facemask.evaluation.end_to_end import (
    COLUMNS,
    IGNORED,
    confusion,
    detection_table,
    evaluate_photo,
    outcome_table,
    overconfident_below,
    precision_recall,
    size_table,
)
from facemask.inference.answers import UNSURE, Answers

CLASSES = ("mask", "no_mask")


class FixedDetector(Detector):
    """FixedDetector what it was told to."""

    def __init__(self, boxes: list[list[float]]) -> None:
        super().__init__(0.5, 1, None)
        self.boxes = boxes

    def _find(self, image: Pixels) -> Faces:
        return as_faces(self.boxes, [0.9 - i / 100 for i in range(len(self.boxes))])


class ByBrightness:
    """Takes a bright crop for a masked face."""

    class_names = CLASSES

    def predict(self, crops: list[Pixels]) -> np.ndarray:
        p = np.array([crop.mean() / 255 for crop in crops], np.float32)
        return np.stack([p, 1 - p], axis=1).reshape(-1, 2)


@pytest.fixture
def photo(tmp_path: Path) -> AnnotatedPhoto:
    """Two bright faces and a dark one, one of the bright ones small."""
    image = np.full((100, 200, 3), 100, np.uint8)
    boxes = [[10, 10, 50, 50], [60, 10, 100, 50], [110, 10, 120, 20]]
    for (left, top, right, bottom), value in zip(boxes, (255, 0, 255), strict=True):
        image[top:bottom, left:right] = value
    Image.fromarray(image).save(tmp_path / "a.png")
    return AnnotatedPhoto(tmp_path / "a.png", ["mask", "no_mask", "mask"], np.array(boxes, np.float32))


def rows(photo: AnnotatedPhoto, detections: list[list[float]], answers: Answers | None = None) -> list[dict[str, Any]]:
    rules = (0.0, False, 24, answers)
    return list(evaluate_photo(photo, "street/a.png", FixedDetector(detections), ByBrightness(), *rules))  # type: ignore[arg-type]


def test_large_faces_are_detected_or_missed_and_false_detections_are_counted(photo: AnnotatedPhoto) -> None:
    seen = rows(photo, [[12, 10, 52, 50], [110, 10, 120, 20], [150, 50, 190, 90], [150, 10, 158, 18]])
    assert [(row["label"], row["predicted"]) for row in seen] == [
        ("mask", "mask"),
        ("no_mask", None),  # missed
        (None, "no_mask"),  # nobody's face; the small face and the small detection count neither way
    ]
    assert seen[0]["photo"] == "street/a.png"
    assert set(COLUMNS) == set(seen[0])


def test_ignored_faces_and_empty_boxes_are_not_counted(photo: AnnotatedPhoto) -> None:
    photo.names[0] = IGNORED
    photo.boxes[1] = [500, 500, 600, 600]  # outside the photo
    assert [row["label"] for row in rows(photo, [[12, 10, 52, 50]])] == []


def test_without_detections_all_faces_are_missed(photo: AnnotatedPhoto) -> None:
    assert [row["predicted"] for row in rows(photo, [])] == [None, None]


def test_faces_of_small_crops_and_low_probabilities_are_unsure(photo: AnnotatedPhoto) -> None:
    detections = [[12, 10, 52, 50], [60, 10, 100, 50]]
    assert [row["predicted"] for row in rows(photo, detections, Answers(CLASSES, min_side=41))] == [UNSURE, UNSURE]
    assert [row["predicted"] for row in rows(photo, detections, Answers(CLASSES, min_side=40))] == ["mask", "no_mask"]
    sure = rows(photo, detections, Answers(CLASSES, min_probability=0.99))
    assert [row["predicted"] for row in sure] == [UNSURE, "no_mask"]  # the first box has a dark edge
    assert sure[0]["probability"] < 0.99


def test_average_precision_needs_a_larger_iou_than_recall(photo: AnnotatedPhoto) -> None:
    seen = rows(photo, [[26, 10, 66, 50], [61, 10, 101, 50], [150, 50, 190, 90]])  # IoU 0.43, 0.95 and none
    assert [(row["label"], row["is_face"]) for row in seen] == [("mask", False), ("no_mask", True), (None, False)]
    found = detection_table(pd.DataFrame(seen, columns=COLUMNS), 200, 0).iloc[0]
    assert found["AP50"] == pytest.approx(average_precision([0.9, 0.89, 0.88], [False, True, False], 2))
    recall, precision = precision_recall(pd.DataFrame(seen, columns=COLUMNS))
    assert recall.tolist() == [0, 0.5, 0.5]
    assert precision.tolist() == [0, 0.5, pytest.approx(1 / 3)]


def table(*faces: tuple[str, str | None, str | None]) -> pd.DataFrame:
    """Detections of equal score, which are faces where they have a label."""
    made = pd.DataFrame(faces, columns=["photo", "label", "predicted"])
    is_detection = made["predicted"].notna()
    made["score"] = np.where(is_detection, 0.5, np.nan)
    made["is_face"] = (is_detection & made["label"].notna()).astype(object).where(is_detection)
    return made


def test_unsure_faces_are_detected_but_not_answered() -> None:
    faces = table(("a", "mask", "mask"), ("a", "mask", UNSURE), ("b", "mask", "no_mask"), ("b", "mask", None))
    outcome = outcome_table(faces, CLASSES, 200, 0).set_index("class").loc["all"]
    rates = ("detected", "answered", "correct_of_answered", "detected_and_correct")
    assert outcome[[*rates]].tolist() == [pytest.approx(value) for value in (3 / 4, 2 / 3, 1 / 2, 1 / 4)]
    assert confusion(faces, CLASSES).set_index("truth").loc["mask", [UNSURE, "missed"]].tolist() == [1, 1]
    assert UNSURE not in confusion(faces[faces["predicted"] != UNSURE], CLASSES)


def test_the_side_below_which_probabilities_are_too_high() -> None:
    sides = [10] * 40 + [20] * 40 + [50] * 40
    faces = table(*[(f"{i}", "mask", "mask" if i % 2 or i >= 80 else "no_mask") for i in range(120)])
    faces = faces.assign(left=0.0, top=0.0, right=sides, bottom=sides, probability=0.98)
    sizes = size_table(faces, 200, 0)
    assert sizes["shorter_side_px"].tolist() == ["8–16", "16–24", "48–64"]
    assert sizes["correct_of_answered"].tolist() == [0.5, 0.5, 1.0]
    assert overconfident_below(sizes) == 24
    assert overconfident_below(size_table(faces.assign(probability=0.5), 200, 0)) is None
    assert overconfident_below(sizes[sizes["shorter_side_px"] == "48–64"]) is None


def test_fractions_equal_the_counts() -> None:
    faces = table(
        ("a", "mask", "mask"),
        ("a", "mask", None),
        ("b", "mask", "no_mask"),
        ("b", "no_mask", "no_mask"),
        ("c", "no_mask", None),
        ("c", None, "mask"),
    )
    outcome = outcome_table(faces, CLASSES, 200, 0).set_index("class")
    assert outcome.loc["mask", ["faces", "photos"]].tolist() == [3, 2]
    assert outcome.loc["all", "detected"] == pytest.approx(3 / 5)
    assert outcome.loc["all", "correct_of_answered"] == pytest.approx(2 / 3)
    assert outcome.loc["all", "detected_and_correct"] == pytest.approx(2 / 5)
    assert outcome.loc["mask", "correct_of_answered"] == pytest.approx(1 / 2)
    assert all(outcome["detected_low"] <= outcome["detected"])
    assert detection_table(faces, 200, 0)["precision"].tolist() == [pytest.approx(3 / 4)]
    counts = confusion(faces, CLASSES)
    assert counts.set_index("truth").loc["mask"].tolist() == [1, 1, 1]
    assert counts.set_index("truth").loc["not annotated"].tolist() == [1, 0, 0]


def test_a_perfect_score_on_few_photos_has_a_wide_interval() -> None:
    outcome = outcome_table(table(*[(f"{i}", "mask", "mask") for i in range(5)]), CLASSES, 200, 0)
    row = outcome[outcome["class"] == "all"].iloc[0]
    assert (row["detected"], row["detected_high"]) == (1.0, 1.0)
    assert row["detected_low"] == pytest.approx(0.478, abs=0.001)  # Clopper and Pearson, 5 of 5
    assert np.isnan(outcome[outcome["class"] == "no_mask"].iloc[0]["detected"])


def test_precision_is_undefined_without_detections() -> None:
    assert np.isnan(detection_table(table(("a", "mask", None)), 200, 0)["precision"].iloc[0])
