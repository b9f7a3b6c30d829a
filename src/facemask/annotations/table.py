"""The table of annotated photos that every reader of annotation files fills."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from facemask.detection.detectors import Boxes

FRACTIONS = (1, 1)  # size of a photo whose boxes are given as fractions of its sides
DIFFICULT, CROWD = "difficult", "crowd"  # flags of a box
MISSING = "its photo is missing"


class Box(NamedTuple):
    """A box as an annotation file gives it: left, top, right, bottom; ``flag`` is empty, DIFFICULT or CROWD."""

    name: str
    corners: Sequence[float]
    flag: str = ""


@dataclass(frozen=True)
class AnnotatedPhoto:
    """A photo and its faces.

    Attributes:
        photo: path of the photo.
        names: annotated name of each face.
        boxes: float32[N, 4]: left, top, right, bottom in pixels.
        flags: flag of each face: empty, DIFFICULT or CROWD; no flags at all if empty.
        size: width and height of the picture that was annotated, pixels; FRACTIONS if the boxes are fractions; None if
            the file does not give them.
        part: ``train``, ``val`` or ``test``; empty if the annotations do not say.
        error: why the boxes cannot be used; empty if they can.
    """

    photo: Path
    names: list[str]
    boxes: Boxes
    flags: list[str] = field(default_factory=list)
    size: tuple[int, int] | None = None
    part: str = ""
    error: str = ""

    @classmethod
    def of(
        cls,
        photo: Path,
        boxes: Sequence[Box] = (),
        size: tuple[int, int] | None = None,
        part: str = "",
        error: str = "",
    ) -> "AnnotatedPhoto":
        """Return a photo from the boxes of its annotation file; a size with a zero, as some tools write, is unknown."""
        size = size if size and min(size) > 0 else None
        corners = np.array([box.corners for box in boxes], np.float32).reshape(-1, 4)
        return cls(photo, [box.name for box in boxes], corners, [box.flag for box in boxes], size, part, error)

    def chosen(self, kept: Sequence[int]) -> "AnnotatedPhoto":
        """Return the photo with some of its faces, by their index."""
        flags = [self.flags[i] for i in kept] if self.flags else []
        return replace(self, names=[self.names[i] for i in kept], boxes=self.boxes[list(kept)], flags=flags)

    def joined(self, other: "AnnotatedPhoto") -> "AnnotatedPhoto":
        """Return the photo with the faces of another annotation of it."""
        boxes = np.concatenate([self.boxes, other.boxes])
        error = self.error or other.error
        return replace(self, names=self.names + other.names, boxes=boxes, flags=self.flags + other.flags, error=error)


def corners_around(points: Sequence[Sequence[float]]) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of the smallest box around points (x, y)."""
    x, y = np.asarray(points, np.float64).reshape(-1, 2).T
    return float(x.min()), float(y.min()), float(x.max()), float(y.max())
