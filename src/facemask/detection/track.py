"""Which face of one frame is which of the next: boxes carried on by Kalman filters and matched by their overlap.

After SORT (Bewley et al. 2016, arXiv:1602.00763), in seconds instead of frames, so that dropped frames do no harm.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.optimize import linear_sum_assignment

from facemask.detection.detectors import Boxes, Faces, UnitInterval
from facemask.detection.matching import box_iou

# Of a face's side: how far off a detector's box is, and how fast a head changes its pace, in sides per second squared.
BOX_NOISE, ACCELERATION = 0.05, 4.0
BUFFER = 0.3  # by which boxes are widened on every side before they are compared, in sides
GROWTH = 0.5  # how much its size changes, in sides per root of a second
Seconds = Annotated[float, Field(ge=0)]


@dataclass
class Track:
    """One face over time.

    Attributes:
        number: its own, from 1.
        box: float32[4], left, top, right and bottom in pixels; predicted where it was not detected.
        found: float32[4], where it was detected last.
        is_seen: whether the last detection found it.
        unseen: seconds since it was found, if it was not.
    """

    number: int
    box: Boxes
    is_seen: bool = True
    unseen: float = 0.0
    found: Boxes = field(init=False)
    _filter: cv2.KalmanFilter = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.found = self.box
        self._filter = cv2.KalmanFilter(6, 4)  # middle x, y, width, height, and the middle's speed
        self._filter.measurementMatrix = np.eye(4, 6, dtype=np.float32)
        self._filter.statePost = np.concatenate([_measured(self.box), np.zeros(2)]).astype(np.float32)[:, None]
        side = self._side()
        self._filter.errorCovPost = np.diag(np.square([BOX_NOISE * side] * 4 + [side] * 2)).astype(np.float32)

    def predict(self, seconds: float) -> None:
        """Carry the box on by so many seconds, at constant speed."""
        step, side = np.eye(6, dtype=np.float32), self._side()
        step[0, 4] = step[1, 5] = seconds
        noise = np.zeros((6, 6))
        push = np.array([seconds**2 / 2, seconds]) * ACCELERATION * side
        for place, speed in ((0, 4), (1, 5)):
            noise[np.ix_([place, speed], [place, speed])] = np.outer(push, push)
        noise[[2, 3], [2, 3]] = seconds * (GROWTH * side) ** 2
        self._filter.transitionMatrix, self._filter.processNoiseCov = step, noise.astype(np.float32)
        self._filter.predict()
        self._read(self._filter.statePre)
        self.unseen += 0.0 if self.is_seen else seconds

    def correct(self, box: Boxes) -> None:
        """Take in a detected box, float[4], of this face."""
        self._filter.measurementNoiseCov = np.eye(4, dtype=np.float32) * np.float32(BOX_NOISE * self._side()) ** 2
        self._filter.correct(_measured(box).astype(np.float32)[:, None])
        self._read(self._filter.statePost)
        self.found, self.is_seen, self.unseen = box, True, 0.0

    def _side(self) -> float:
        return float(max(1.0, (self.box[2:] - self.box[:2]).mean()))

    def _read(self, state: npt.NDArray[Any]) -> None:
        middle, size = state[:2, 0], np.maximum(state[2:4, 0], 1)
        self.box = np.concatenate([middle - size / 2, middle + size / 2]).astype(np.float32)


def _measured(box: Boxes) -> npt.NDArray[np.float32]:
    return np.concatenate([(box[:2] + box[2:]) / 2, box[2:] - box[:2]])


def _buffered(boxes: Boxes) -> Boxes:
    sides = boxes[:, 2:] - boxes[:, :2]
    return np.concatenate([boxes[:, :2] - BUFFER * sides, boxes[:, 2:] + BUFFER * sides], axis=1)


class Tracker:
    """The faces that are in the picture now.

    Args:
        overlap: least intersection over union of a detected box and a track's predicted one, both widened, so that a
            quick face whose speed is not known yet is found again (Yang et al. 2023, arXiv:2211.14317).
        patience: seconds a face may go undetected and still come back as the same one.
    """

    def __init__(self, overlap: UnitInterval = 0.3, patience: Seconds = 1.0) -> None:
        self.overlap, self.patience = overlap, patience
        self.tracks: list[Track] = []
        self.n_begun = 0  # since the tracker was made

    def predict(self, seconds: float) -> None:
        """Carry every track on by so many seconds."""
        for track in self.tracks:
            track.predict(seconds)

    def update(self, faces: Faces) -> None:
        """Give each detected face its track: an old one that it overlaps, the most together, or a new one."""
        carried = np.array([track.box for track in self.tracks], dtype=np.float32).reshape(-1, 4)
        shares = box_iou(_buffered(carried), _buffered(faces.boxes))
        pairs = {int(f): int(t) for t, f in zip(*linear_sum_assignment(-shares), strict=True)}
        pairs = {f: t for f, t in pairs.items() if shares[t, f] >= self.overlap}
        for track in self.tracks:
            track.is_seen = False
        begun = []
        for f, box in enumerate(faces.boxes):
            if f in pairs:
                self.tracks[pairs[f]].correct(box)
            else:
                self.n_begun += 1
                begun.append(Track(self.n_begun, box))
        self.tracks = [track for track in self.tracks if track.unseen <= self.patience] + begun

    def seen(self) -> list[Track]:
        """Return the tracks that the last detections confirmed."""
        return [track for track in self.tracks if track.is_seen]

    def forget(self) -> None:
        """End every track: what comes next is another scene."""
        self.tracks = []
