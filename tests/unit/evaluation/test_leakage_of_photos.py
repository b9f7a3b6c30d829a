"""A photo is recognised by any of the names that a manifest may give it."""

from pathlib import Path

import pytest

from facemask.evaluation.leakage import PhotoNames, photos_trained_on


@pytest.mark.parametrize(
    ("trained_on", "asked", "is_known"),
    [
        ("street_1", "street_1.jpg", True),
        ("street_1.jpg", "street_1.png", True),
        ("images/1.jpg", "1.jpg", True),
        ("A/images/1.jpg", "images/1.jpg", True),
        ("1.jpg", "images/1.jpg", True),
        ("v1.2_frame", "v1.2_frame.jpg", True),
        ("A/1.jpg", "B/1.jpg", False),
        ("11.jpg", "1.jpg", False),
        ("images", "images/1.jpg", False),
    ],
)
def test_a_photo_is_recognised_by_any_of_its_names(trained_on: str, asked: str, is_known: bool) -> None:
    assert PhotoNames(["other.jpg", trained_on]).holds(asked) is is_known
    assert not PhotoNames().holds(asked)


def test_an_exported_model_does_not_record_its_training_photos(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").touch()
    names, reason = photos_trained_on(tmp_path / "model.onnx")
    assert reason == "an exported model does not record it; use its run folder"
    assert not names.holds("a.jpg")
