"""Draw boxes and readable labels on images."""

import cv2
import numpy as np

from facemask.data.preprocessing import Pixels
from facemask.detection.detectors import Boxes

Color = tuple[int, int, int]  # in the image's channel order
INK = (255, 255, 255)
FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw_face(image: Pixels, box: Boxes, words: str, color: Color) -> None:
    """Draw a box with a label above it, in place.

    Args:
        image: uint8[H, W, 3].
        box: left, top, right, bottom in pixels.
        words: label, ASCII.
        color: colour of the box and of the label's background.
    """
    left, top, right, bottom = np.round(box).astype(int).tolist()
    cv2.rectangle(image, (left, top), (right, bottom), color, max(1, round(3 * scale_of(image))))
    write(image, words, left, top, color)


def write(image: Pixels, words: str, left: int, bottom: int, ground: Color) -> None:
    """Draw text on a coloured background that ends at a given row, shifted into the image, in place."""
    scale = scale_of(image)
    size, thick = 0.7 * scale, max(1, round(1.6 * scale))
    (width, height), below = cv2.getTextSize(words, FONT, size, thick)
    pad = max(2, round(5 * scale))
    left = max(0, min(left, image.shape[1] - width - 2 * pad))
    bottom = max(height + below + 2 * pad, min(bottom, image.shape[0]))
    corner = (left + width + 2 * pad, bottom - height - below - 2 * pad)
    cv2.rectangle(image, (left, bottom), corner, ground, cv2.FILLED)
    cv2.putText(image, words, (left + pad, bottom - below - pad), FONT, size, INK, thick, cv2.LINE_AA)


def scale_of(image: Pixels) -> float:
    """Return the scale of lines and letters; 1 for an image of 720 rows."""
    return float(np.clip(min(image.shape[:2]) / 720, 0.35, 2.0))
