"""The overlay shows the right labels, and blurred faces cannot be recognised."""

import numpy as np
import pytest

from facemask.video.overlay import BARE, MASKED, OTHERS, WRONG, color_of, draw, pixelate
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
    assert (drawn == np.array(BARE, np.uint8)).all(axis=2).sum() > 200  # the label's ground and the box


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
