"""The overlay shows the right labels, and blurred faces cannot be recognised."""

import cv2
import numpy as np
import pytest

from facemask.detection.drawing import BARE, GREY, MASKED, OTHERS, WRONG, color_of
from facemask.video.overlay import draw, pixelate
from facemask.video.pipeline import SeenFace


@pytest.mark.parametrize(
    ("name", "color"),
    [
        ("mask", MASKED),
        ("with_mask", MASKED),
        ("compliant", MASKED),
        ("no_mask", BARE),
        ("without_mask", BARE),
        ("No Mask", BARE),
        ("no-mask", BARE),
        ("unmasked", BARE),
        ("improper_mask", WRONG),
        ("non-compliant", BARE),
        ("wrong_mask", WRONG),
        ("mask_worn_incorrectly", WRONG),
        ("unsure", GREY),
    ],
)
def test_the_colour_of_a_class_follows_from_its_name(name: str, color: tuple[int, int, int]) -> None:
    assert color_of(name, [name]) == color


def test_classes_of_other_names_have_different_colours() -> None:
    names = ["one", "two", "three"]
    assert len({color_of(name, names) for name in names}) == 3
    assert color_of("one", names) == OTHERS[0]


def test_a_box_at_the_edge_and_its_label_are_drawn_inside() -> None:
    image = np.zeros((60, 200, 3), np.uint8)
    face = SeenFace(3, np.array([150, -5, 230, 50], np.float32), "no_mask", np.array([0.1, 0.9], np.float32))
    drawn = draw(image, [face], ["mask", "no_mask"], "mask 0  no_mask 1")
    assert drawn.shape == (60, 200, 3)
    assert (drawn == np.array(BARE[::-1], np.uint8)).all(axis=2).sum() > 200  # the label's ground and the box


def ground(image: np.ndarray) -> int:
    """Return the number of pixels in the colour of a label's background."""
    return int((image == np.array(BARE[::-1], np.uint8)).all(axis=2).sum())


def test_labels_do_not_cover_each_other() -> None:
    def face(left: float, top: float) -> SeenFace:
        box = np.array([left, top, left + 60, top + 60], np.float32)
        return SeenFace(None, box, "no_mask", np.array([0.1, 0.9], np.float32))

    def label_pixels(*faces: SeenFace) -> int:
        image = np.zeros((720, 720, 3), np.uint8)
        draw(image, list(faces), ["mask", "no_mask"], "")
        boxes = np.zeros_like(image)
        for each in faces:
            left, top, right, bottom = each.box.astype(int).tolist()
            cv2.rectangle(boxes, (left, top), (right, bottom), BARE[::-1], 3)
        return ground(np.where(boxes > 0, 0, image))

    alone = label_pixels(face(300, 300))
    assert alone > 500
    two = label_pixels(face(300, 300), face(330, 305))  # the second stands below its box
    assert two == pytest.approx(2 * alone, rel=0.2)
    crowd = label_pixels(*(face(300 + 4 * i, 300 + 4 * i) for i in range(12)))
    assert 2 * alone < crowd < 9 * alone  # where there is no room, only the boxes are drawn


def test_a_blurred_face_becomes_a_few_tiles_and_its_surroundings_do_not_change() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (100, 100, 3)).astype(np.uint8)
    before = image.copy()
    pixelate(image, np.array([[30, 30, 70, 70]], np.float32))
    hidden = image[24:76, 24:76]
    assert len(np.unique(hidden.reshape(-1, 3), axis=0)) <= 36
    outside = np.ones((100, 100), bool)
    outside[24:76, 24:76] = False
    assert (image[outside] == before[outside]).all()
