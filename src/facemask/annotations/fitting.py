"""Fit boxes to their photos: photos are often turned or resized after somebody has drawn the boxes."""

from collections import Counter
from dataclasses import replace

import numpy as np

from facemask.annotations.table import FRACTIONS, AnnotatedPhoto
from facemask.data.pictures import stored_size
from facemask.detection.detectors import Boxes
from facemask.errors import DataError

Size = tuple[int, int]  # width and height, pixels
# What is said of photos and of boxes that were changed.
TURNED = "{photos} annotated as stored, without EXIF orientation: boxes turned"
SCALED = "{photos} resized after annotation: boxes scaled"
SWAPPED = "{boxes} with corners in another order: put in order"
TWICE = "{boxes} drawn twice: counted once"
CONFLICT = "{boxes} of the same corners but different names: left out"
EMPTY = "{boxes} without area: left out"


def fit(photo: AnnotatedPhoto) -> tuple[AnnotatedPhoto, Counter[str]]:
    """Return a photo with boxes in pixels of the photo as it is shown, and what was changed.

    Boxes that were drawn on a photo of another size are scaled, if the aspect ratio is the same. Those drawn on a photo
    without its EXIF orientation are turned with it. Corners are put in order; a box that is drawn twice counts once;
    boxes without area, and those of equal corners and different names, are left out.

    Returns:
        The photo, whose ``error`` says why the boxes cannot be fitted, and how often each note applies.
    """
    notes: Counter[str] = Counter()
    if photo.error:
        return photo, notes
    if photo.size is not None and photo.names:
        try:
            boxes = _placed(photo.boxes, photo.size, stored_size(photo.photo), notes)
        except DataError as error:
            return replace(photo, error=str(error.__cause__ or error).rstrip(".")), notes
        photo = replace(photo, boxes=boxes, size=None)
    return _tidied(photo, notes), notes


def _placed(boxes: Boxes, drawn_on: Size, stored: tuple[int, int, int], notes: Counter[str]) -> Boxes:
    width, height, orientation = stored
    shown = (height, width) if orientation >= 5 else (width, height)
    if drawn_on == FRACTIONS:
        return _scaled(boxes, drawn_on, shown)
    if _has_aspect(drawn_on, shown):
        notes[SCALED] += drawn_on != shown
        return _scaled(boxes, drawn_on, shown)
    if _has_aspect(drawn_on, (width, height)):
        notes[TURNED] += 1
        return _turned(_scaled(boxes, drawn_on, (width, height)), width, height, orientation)
    sizes = f"{drawn_on[0]} x {drawn_on[1]} pixels, but it has {shown[0]} x {shown[1]}"
    raise DataError(f"its boxes were drawn on {sizes}")


def _has_aspect(size: Size, other: Size) -> bool:
    """Return whether two sizes have the same aspect ratio, up to the rounding of one side to a pixel."""
    (width, height), (w, h) = size, other
    return abs(height * w / width - h) <= 1 or abs(width * h / height - w) <= 1


def _scaled(boxes: Boxes, size: Size, other: Size) -> Boxes:
    if size == other:
        return boxes
    return np.asarray(boxes * np.tile(np.divide(other, size), 2), np.float32)


def _turned(boxes: Boxes, width: int, height: int, orientation: int) -> Boxes:
    """Return boxes on a stored picture as they are on the shown one, for EXIF orientations 5 to 8."""
    left, top, right, bottom = boxes.T
    if orientation in (7, 8):  # the stored right is shown at the top
        left, right = width - right, width - left
    if orientation in (6, 7):  # the stored bottom is shown at the left
        top, bottom = height - bottom, height - top
    return np.stack([top, left, bottom, right], axis=1).astype(np.float32)


def _tidied(photo: AnnotatedPhoto, notes: Counter[str]) -> AnnotatedPhoto:
    first, last = photo.boxes[:, :2], photo.boxes[:, 2:]
    boxes = np.concatenate([np.minimum(first, last), np.maximum(first, last)], axis=1)
    notes[SWAPPED] += int((boxes != photo.boxes)[np.isfinite(boxes).all(axis=1)].any(axis=1).sum())
    has_area = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    notes[EMPTY] += int((~has_area).sum())
    names: dict[tuple[float, ...], set[str]] = {}
    for i in np.flatnonzero(has_area).tolist():
        names.setdefault(tuple(boxes[i].tolist()), set()).add(photo.names[i])
    kept, seen = [], set()
    for i in np.flatnonzero(has_area).tolist():
        corners = tuple(boxes[i].tolist())
        if len(names[corners]) > 1:
            notes[CONFLICT] += 1
        elif corners in seen:
            notes[TWICE] += 1
        else:
            seen.add(corners)
            kept.append(i)
    return replace(photo, boxes=boxes).chosen(kept)
