"""A crop has the requested size and stays inside the picture."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facemask.detection.crop import cut, widen

SIDE = st.integers(1, 300)
BOXES = st.lists(st.tuples(*[st.floats(-80, 400, width=32)] * 4), max_size=6).map(
    lambda rows: np.sort(np.array(rows, np.float32).reshape(-1, 2, 2), axis=1).reshape(-1, 4)
)
MARGINS = st.one_of(st.floats(0, 3), st.lists(st.floats(0, 3), min_size=4, max_size=4))


def boxes_inside(boxes: np.ndarray, width: int, height: int) -> np.ndarray:
    return boxes.clip(0, [width, height] * 2)


@given(BOXES, MARGINS, st.booleans(), SIDE, SIDE)
def test_a_crop_never_leaves_the_picture_and_is_never_empty(
    boxes: np.ndarray, margin: float | list[float], is_square: bool, width: int, height: int
) -> None:
    found = widen(boxes, margin, is_square, width, height)
    assert found.shape == (len(boxes), 4)
    assert found.dtype == np.int64
    assert (found >= 0).all()
    assert (found <= [width, height] * 2).all()
    assert (found[:, 2:] > found[:, :2]).all()
    image = np.zeros((height, width, 3), np.uint8)
    sizes = [(crop.shape[1], crop.shape[0]) for crop in cut(image, found)]
    assert sizes == [tuple(side) for side in found[:, 2:] - found[:, :2]]


@given(BOXES, MARGINS, SIDE, SIDE)
def test_a_free_crop_keeps_the_part_of_the_box_inside_the_picture(
    boxes: np.ndarray, margin: float | list[float], width: int, height: int
) -> None:
    found = widen(boxes, margin, False, width, height)
    kept = boxes_inside(boxes, width, height)
    assert (found[:, :2] <= kept[:, :2] + 0.5).all()
    assert (found[:, 2:] >= kept[:, 2:] - 0.5).all()


@given(BOXES, MARGINS, SIDE, SIDE)
def test_a_square_crop_is_square_and_shrinks_only_if_the_picture_is_smaller(
    boxes: np.ndarray, margin: float | list[float], width: int, height: int
) -> None:
    found = widen(boxes, margin, True, width, height)
    sides = found[:, 2:] - found[:, :2]
    assert (sides[:, 0] == sides[:, 1]).all()
    spread = 1 + np.broadcast_to(margin, 4)[:2] + np.broadcast_to(margin, 4)[2:]
    wanted = ((boxes[:, 2:].astype(float) - boxes[:, :2]) * spread).max(axis=1)
    assert np.allclose(sides[:, 0], wanted.clip(1, min(width, height)), atol=0.51)
    fits = wanted <= min(width, height) - 1
    kept = boxes_inside(boxes, width, height)
    assert (found[fits, :2] <= kept[fits, :2] + 1).all()
    assert (found[fits, 2:] >= kept[fits, 2:] - 1).all()


@given(st.integers(0, 20), st.integers(0, 20), st.integers(21, 40), st.integers(21, 40))
def test_without_a_margin_a_whole_box_is_left_as_it_is(left: int, top: int, right: int, bottom: int) -> None:
    box = np.array([[left, top, right, bottom]], np.float32)
    assert (widen(box, 0, False, 40, 40) == box).all()


@pytest.mark.parametrize(
    ("margin", "is_square", "expected"),
    [
        (0.5, False, [30, 30, 50, 70]),
        ([0.1, 0.3, 0.2, 0], False, [34, 34, 47, 60]),
        (0, True, [30, 40, 50, 60]),
        ([0, 0, 2, 0], True, [35, 35, 65, 65]),  # square about what the margin has made
    ],
)
def test_margins_are_fractions_of_the_boxs_sides(
    margin: float | list[float], is_square: bool, expected: list[int]
) -> None:
    assert widen(np.array([[35, 40, 45, 60]], np.float32), margin, is_square, 100, 90).tolist() == [expected]


def test_a_square_at_the_edge_is_moved_inward() -> None:
    assert widen(np.array([[0, 0, 10, 30]], np.float32), 0, True, 100, 90).tolist() == [[0, 0, 30, 30]]
    assert widen(np.array([[95, 50, 100, 90]], np.float32), 0, True, 100, 90).tolist() == [[60, 50, 100, 90]]
    assert widen(np.array([[0, 0, 100, 20]], np.float32), 0, True, 100, 20).tolist() == [[40, 0, 60, 20]]


def test_a_box_of_no_width_becomes_one_pixel() -> None:
    assert widen(np.array([[7.2, 3.1, 7.3, 3.2]]), 0, False, 20, 20).tolist() == [[7, 3, 8, 4]]
    assert widen(np.array([[19.9, 19.9, 25, 25]]), 0, False, 20, 20).tolist() == [[19, 19, 20, 20]]
    assert widen([[1, 2, 5, 8]], 0, False, 20, 20).tolist() == [[1, 2, 5, 8]]  # type: ignore[arg-type]
