"""Turn boxes into crops: margins, squares and image borders. Pure NumPy."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from facemask.data.preprocessing import Pixels
from facemask.detection.detectors import Boxes

Corners = npt.NDArray[np.int64]


def widen(boxes: Boxes, margin: float | Sequence[float], is_square: bool, width: int, height: int) -> Corners:
    """Add margins to boxes, round them to whole pixels and clip them to the image.

    Args:
        boxes: float[N, 4]: left, top, right, bottom in pixels.
        margin: margin as a fraction of the box's width or height, on every side, or for left, top, right and bottom.
        is_square: whether to extend the shorter side to the longer one. A square is shifted into the image, and reduced
            only if it is larger than the image.
        width: width of the image, pixels.
        height: height of the image, pixels.

    Returns:
        int64[N, 4], each box of at least one pixel.
    """
    picture = np.array([width, height])
    corners = np.asarray(boxes, np.float64).reshape(-1, 4)
    sides = corners[:, 2:] - corners[:, :2]
    corners = corners + np.tile(sides, 2) * np.broadcast_to(margin, 4) * (-1, -1, 1, 1)
    first, last = corners[:, :2], corners[:, 2:]
    if is_square:
        side = np.rint((last - first).max(axis=1, keepdims=True)).clip(1, picture.min())
        first = np.rint((first + last - side) / 2).clip(0, picture - side)
        last = first + side
    else:
        first = np.rint(first).clip(0, picture - 1)
        last = np.rint(last).clip(first + 1, picture)
    return np.concatenate([first, last], axis=1).astype(np.int64)


def cut(image: Pixels, boxes: Boxes | Corners) -> list[Pixels]:
    """Return the content of each box of an image, uint8[H, W, 3], as views."""
    return [image[top:bottom, left:right] for left, top, right, bottom in np.rint(boxes).astype(np.int64).tolist()]
