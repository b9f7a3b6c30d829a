"""One call finds the faces of a picture, with a detector's name or the user's own detector."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from facemask.config.component import Component
from facemask.data.preprocessing import Pixels
from facemask.detection.detectors import Detector, Faces, Haar, as_faces
from facemask.detection.find import build_detector, find_faces
from facemask.errors import ConfigError, DataError

GREY = np.full((40, 60, 3), 90, np.uint8)


class Corner:
    """Finds one face in the corner; has nothing of the base class."""

    built = 0

    def __init__(self, side: int = 10) -> None:
        self.side = side
        Corner.built += 1

    def detect(self, image: Pixels) -> Faces:
        return as_faces([[0, 0, self.side, self.side]], [1.0])


class Nothing:
    pass


def test_a_named_detector_does_what_the_class_does(tmp_path: Path) -> None:
    Image.fromarray(astronaut()).save(tmp_path / "one.png")
    expected = Haar(min_face=40).detect(astronaut())
    for image in (astronaut(), tmp_path / "one.png", str(tmp_path / "one.png")):
        faces = find_faces(image, "haar", min_face=40)
        assert len(faces) == len(expected) > 0
        assert (faces.boxes == expected.boxes).all()


def test_a_custom_class_is_named_by_its_path_and_built_once_per_set_of_arguments() -> None:
    before = Corner.built
    name = f"{__name__}.Corner"
    sides = [find_faces(GREY, name, **arguments).boxes[0, 2] for arguments in ({}, {}, {"side": 20}, {"side": 20})]
    assert sides == [10, 10, 20, 20]
    assert Corner.built == before + 2


def test_a_detector_is_used_as_it_is() -> None:
    assert find_faces(GREY, Corner(7)).boxes.tolist() == [[0, 0, 7, 7]]
    with pytest.raises(ConfigError, match="side= only applies to a named detector"):
        find_faces(GREY, Corner(7), side=3)


@pytest.mark.parametrize(
    ("name", "arguments", "expected_error"),
    [
        ("hair", {}, "detector=hair: there is no such detector; did you mean haar?"),
        ("custom", {}, "detector=custom: there is no such detector; choose from: centerface, haar"),
        ("haar", {"treshold": 0.5}, "detector.treshold is not an argument of .*; did you mean threshold?"),
        ("haar", {"threshold": 2}, "detector.threshold must be less than or equal to 1, got 2."),
        ("no_module.Mine", {}, "detector._target_=no_module.Mine cannot be imported"),
        (f"{__name__}.Nothing", {}, r"has no method detect\(image\)"),
    ],
)
def test_a_wrong_name_or_argument_is_one_sentence(name: str, arguments: dict[str, float], expected_error: str) -> None:
    with pytest.raises(ConfigError, match=expected_error):
        find_faces(GREY, name, **arguments)


def test_a_picture_that_is_missing_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none.png cannot be read as an image"):
        find_faces(tmp_path / "none.png", Corner())


def test_detections_outside_the_limits_of_a_subclass_are_filtered() -> None:
    node = Component(f"{__name__}.Unsorted", {"threshold": 0.5, "min_face": 5})
    faces = build_detector(node).detect(GREY)
    assert faces.scores.tolist() == pytest.approx([0.9, 0.6])


class Unsorted(Detector):
    def _find(self, image: Pixels) -> Faces:
        boxes = [[0, 0, 10, 10], [5, 5, 30, 30], [0, 0, 20, 20], [0, 0, 2, 2]]
        return as_faces(boxes, [0.6, 0.9, 0.1, 1.0])
