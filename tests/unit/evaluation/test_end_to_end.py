"""Detection and classification are counted separately, and detections without an annotation lower precision."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from facemask.data.preprocessing import Pixels
from facemask.detection.annotations import AnnotatedPhoto
from facemask.detection.detectors import Detector, Faces, as_faces
from facemask.evaluation.end_to_end import IGNORED, SIDES, confusion, detection_table, evaluate_photo, outcome_table

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


def rows(photo: AnnotatedPhoto, detections: list[list[float]]) -> list[dict[str, Any]]:
    return list(evaluate_photo(photo, "street/a.png", FixedDetector(detections), ByBrightness(), 0.0, False, 24))  # type: ignore[arg-type]


def test_large_faces_are_detected_or_missed_and_false_detections_are_counted(photo: AnnotatedPhoto) -> None:
    seen = rows(photo, [[12, 10, 52, 50], [110, 10, 120, 20], [150, 50, 190, 90], [150, 10, 158, 18]])
    assert [(row["label"], row["predicted"]) for row in seen] == [
        ("mask", "mask"),
        ("no_mask", None),  # missed
        (None, "no_mask"),  # nobody's face; the small face and the small detection count neither way
    ]
    assert seen[0]["photo"] == "street/a.png"
    assert {"photo", "label", "predicted", *SIDES} <= set(seen[0])


def test_ignored_faces_and_empty_boxes_are_not_counted(photo: AnnotatedPhoto) -> None:
    photo.names[0] = IGNORED
    photo.boxes[1] = [500, 500, 600, 600]  # outside the photo
    assert [row["label"] for row in rows(photo, [[12, 10, 52, 50]])] == []


def test_without_detections_all_faces_are_missed(photo: AnnotatedPhoto) -> None:
    assert [row["predicted"] for row in rows(photo, [])] == [None, None]


def table(*faces: tuple[str, str | None, str | None]) -> pd.DataFrame:
    return pd.DataFrame(faces, columns=["photo", "label", "predicted"])


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
    assert outcome.loc["all", "correct_of_detected"] == pytest.approx(2 / 3)
    assert outcome.loc["all", "detected_and_correct"] == pytest.approx(2 / 5)
    assert outcome.loc["mask", "correct_of_detected"] == pytest.approx(1 / 2)
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
