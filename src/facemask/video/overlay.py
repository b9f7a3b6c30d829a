"""Draw boxes, labels and a status line on frames, and hide faces."""

from collections.abc import Sequence

import cv2

from facemask.data.preprocessing import Pixels
from facemask.detection.crop import widen
from facemask.detection.detectors import Boxes
from facemask.detection.drawing import LabelledBox, color_of, draw_boxes, write
from facemask.video.pipeline import SeenFace

PAPER = (32, 32, 32)
HIDDEN_MARGIN, TILES = 0.15, 6  # margin around a hidden face, as a fraction of its side; blocks across it


def draw(image: Pixels, faces: Sequence[SeenFace], class_names: Sequence[str], status: str) -> Pixels:
    """Draw boxes, labels and a status line on an image, in place.

    Args:
        image: uint8[H, W, 3], BGR.
        faces: faces to draw.
        class_names: classes of the classifier.
        status: text of the line at the bottom.

    Returns:
        The image.
    """
    boxes = []
    for face in faces:
        words = f"{face.label} {face.probability:.2f}" + ("" if face.track is None else f" #{face.track}")
        red, green, blue = color_of(face.label, class_names)
        boxes.append(LabelledBox(face.box, words, (blue, green, red)))
    draw_boxes(image, boxes)
    if status:
        write(image, status, 0, len(image), PAPER)
    return image


def pixelate(image: Pixels, boxes: Boxes) -> None:
    """Pixelate faces, in place: a few blocks of mean colour remain.

    Args:
        image: uint8[H, W, 3], BGR.
        boxes: float32[N, 4]; a small margin is added.
    """
    height, width = image.shape[:2]
    for left, top, right, bottom in widen(boxes, HIDDEN_MARGIN, False, width, height).tolist():
        face = image[top:bottom, left:right]
        tiles = cv2.resize(face, (TILES, TILES), interpolation=cv2.INTER_AREA)
        image[top:bottom, left:right] = cv2.resize(tiles, face.shape[1::-1], interpolation=cv2.INTER_NEAREST)
