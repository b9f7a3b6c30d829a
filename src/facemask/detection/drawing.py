"""Draw boxes and readable labels on images."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from facemask.data.preprocessing import Pixels
from facemask.detection.detectors import Boxes

Color = tuple[int, int, int]  # in the image's channel order
Area = tuple[int, int, int, int]  # left, top, right, bottom, pixels
INK = (255, 255, 255)
FONT = cv2.FONT_HERSHEY_SIMPLEX

# RGB, colour-blind safe (Okabe and Ito 2008): bluish green, vermilion, orange; grey for unsure faces.
MASKED, BARE, WRONG, GREY = (0, 158, 115), (213, 94, 0), (230, 159, 0), (110, 110, 110)
OTHERS: tuple[Color, ...] = ((0, 114, 178), (204, 121, 167), (86, 180, 233), (240, 228, 66))
WORDS = (
    ("unsure", GREY),
    *((word, WRONG) for word in ("wrong", "incorrect", "improper")),
    *((word, BARE) for word in ("non", "no_", "nomask", "without", "unmask", "off", "bare")),
)
MASKED_WORDS = ("mask", "compliant")


def color_of(name: str, class_names: Sequence[str]) -> Color:
    """Return the colour of a class, RGB, in videos and reports: by its name if known, else by its index."""
    lower = re.sub(r"\W+", "_", name.lower())
    for word, color in WORDS:
        if word in lower:
            return color
    if any(word in lower for word in MASKED_WORDS):
        return MASKED
    return OTHERS[list(class_names).index(name) % len(OTHERS)]


@dataclass(frozen=True)
class LabelledBox:
    """A box to draw.

    Attributes:
        box: float32[4]: left, top, right, bottom in pixels.
        words: label; other letters than ASCII are drawn as Latin ones that sound alike.
        color: colour of the box and of the label's background.
    """

    box: Boxes
    words: str
    color: Color


def draw_boxes(image: Pixels, boxes: Sequence[LabelledBox]) -> None:
    """Draw boxes with labels that do not cover each other, in place.

    A label stands above its box, else below it, else at its right side. In a crowd without room for it, only the box
    is drawn; larger faces come first.

    Args:
        image: uint8[H, W, 3].
        boxes: boxes to draw.
    """
    scale = scale_of(image)
    for each in boxes:
        left, top, right, bottom = np.round(each.box).astype(int).tolist()
        cv2.rectangle(image, (left, top), (right, bottom), each.color, max(1, round(3 * scale)))
    taken: list[Area] = []
    for each in sorted(boxes, key=lambda each: -float(np.prod(each.box[2:] - each.box[:2]))):
        left, top, right, bottom = np.round(each.box).astype(int).tolist()
        _, _, pad, (_, letters, below) = _measure(image, each.words)
        height = letters + below + 2 * pad
        for place in ((left, top), (left, bottom + height), (right, top + height)):
            area = _area(image, each.words, *place)
            if not any(_overlap(area, other) for other in taken):
                write(image, each.words, *place, each.color)
                taken.append(area)
                break


def write(image: Pixels, words: str, left: int, bottom: int, ground: Color) -> None:
    """Draw text on a coloured background that ends at a given row, shifted into the image, in place."""
    words = _as_latin(words)
    size, thick, pad, (_, _, below) = _measure(image, words)
    left, top, right, bottom = _area(image, words, left, bottom)
    cv2.rectangle(image, (left, bottom), (right, top), ground, cv2.FILLED)
    cv2.putText(image, words, (left + pad, bottom - below - pad), FONT, size, INK, thick, cv2.LINE_AA)


def _measure(image: Pixels, words: str) -> tuple[float, int, int, tuple[int, int, int]]:
    """Return font scale, thickness, padding, and width, height and descent of a text, pixels."""
    scale = scale_of(image)
    size, thick = 0.7 * scale, max(1, round(1.6 * scale))
    (width, height), below = cv2.getTextSize(_as_latin(words), FONT, size, thick)
    return size, thick, max(2, round(5 * scale)), (width, height, below)


def _as_latin(words: str) -> str:
    """Return a text in ASCII, the only letters of OpenCV's fonts."""
    if words.isascii():
        return words
    from anyascii import anyascii  # rarely needed

    return str(anyascii(words))


def _area(image: Pixels, words: str, left: int, bottom: int) -> Area:
    """Return left, top, right and bottom of a label, inside the image."""
    _, _, pad, (width, height, below) = _measure(image, words)
    left = max(0, min(left, image.shape[1] - width - 2 * pad))
    bottom = max(height + below + 2 * pad, min(bottom, image.shape[0]))
    return left, bottom - height - below - 2 * pad, left + width + 2 * pad, bottom


def _overlap(one: Area, other: Area) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def scale_of(image: Pixels) -> float:
    """Return the scale of lines and letters; 1 for an image of 720 rows."""
    return float(np.clip(min(image.shape[:2]) / 720, 0.35, 2.0))
