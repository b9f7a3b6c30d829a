"""Faces drawn on a picture: their boxes, and words that stay readable on any ground."""

import cv2
import numpy as np

from facemask.data.preprocessing import Pixels
from facemask.detection.detectors import Boxes

Color = tuple[int, int, int]  # in the order of the picture's channels
INK = (255, 255, 255)
FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw_face(image: Pixels, box: Boxes, words: str, color: Color) -> None:
    """Draw a box with words above it, in place.

    Args:
        image: uint8[H, W, 3].
        box: left, top, right, bottom, pixels.
        words: in ASCII.
        color: of the box, and of the ground of the words.
    """
    left, top, right, bottom = np.round(box).astype(int).tolist()
    cv2.rectangle(image, (left, top), (right, bottom), color, max(1, round(3 * scale_of(image))))
    write(image, words, left, top, color)


def write(image: Pixels, words: str, left: int, bottom: int, ground: Color) -> None:
    """Write words on a coloured ground that ends at a line, moved inside the image, in place."""
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
    """Return how large lines and letters are, 1 in a picture of 720 lines."""
    return float(np.clip(min(image.shape[:2]) / 720, 0.35, 2.0))
