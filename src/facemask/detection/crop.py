"""From boxes to crops: how much around a face is kept, and what happens at the picture's edge. Pure NumPy."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from facemask.data.preprocessing import Pixels
from facemask.detection.detectors import Boxes

Corners = npt.NDArray[np.int64]


def widen(boxes: Boxes, margin: float | Sequence[float], is_square: bool, width: int, height: int) -> Corners:
    """Widen boxes to whole pixels that lie inside the picture.

    Args:
        boxes: float[N, 4], left, top, right and bottom in pixels.
        margin: what is added, as a share of the box's own width or height: on every side, or on the left, the top, the
            right and the bottom.
        is_square: whether the shorter side grows to the longer one. A square that does not fit is moved inward, and
            made smaller only where the picture itself is.
        width: of the picture, pixels.
        height: of the picture, pixels.

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
    """Return what is inside each box of an image, uint8[H, W, 3]: views, which share its memory."""
    return [image[top:bottom, left:right] for left, top, right, bottom in np.rint(boxes).astype(np.int64).tolist()]
