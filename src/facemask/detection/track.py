"""Track faces over frames: Kalman prediction and matching by IoU.

After SORT (Bewley et al. 2016, arXiv:1602.00763), but with time in seconds instead of frames, so that dropped frames do
not matter.
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

# Measurement error of a detected box, in sides of the face, and acceleration of a head, in sides per second squared.
BOX_NOISE, ACCELERATION = 0.05, 4.0
BUFFER = 0.3  # margin added to boxes before their IoU is computed, in sides
GROWTH = 0.5  # random change of a face's size, in sides per root second
Seconds = Annotated[float, Field(ge=0)]


@dataclass
class Track:
    """One face over time.

    Attributes:
        number: identifier, from 1.
        box: float32[4]: left, top, right, bottom in pixels; predicted if it was not detected.
        found: float32[4], box of the last detection.
        is_seen: whether the last detection step found it.
        unseen: seconds since the last detection; 0 while it is seen.
    """

    number: int
    box: Boxes
    is_seen: bool = True
    unseen: float = 0.0
    found: Boxes = field(init=False)
    _filter: cv2.KalmanFilter = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.found = self.box
        self._filter = cv2.KalmanFilter(6, 4)  # state: centre x, y, width, height, and the centre's velocity
        self._filter.measurementMatrix = np.eye(4, 6, dtype=np.float32)
        self._filter.statePost = np.concatenate([_measured(self.box), np.zeros(2)]).astype(np.float32)[:, None]
        side = self._side()
        self._filter.errorCovPost = np.diag(np.square([BOX_NOISE * side] * 4 + [side] * 2)).astype(np.float32)

    def predict(self, seconds: float) -> None:
        """Predict the box after some seconds, at constant velocity."""
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
        """Update the track with a detected box, float[4]."""
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
    """Tracks of the faces in the current frame.

    Args:
        iou_threshold: smallest IoU of a detection and a track's prediction. Both boxes are widened, so that fast faces
            with unknown velocity are matched (Yang et al. 2023, arXiv:2211.14317).
        patience: seconds that a track survives without a detection.
    """

    def __init__(self, iou_threshold: UnitInterval = 0.3, patience: Seconds = 1.0) -> None:
        self.iou_threshold, self.patience = iou_threshold, patience
        self.tracks: list[Track] = []
        self.n_begun = 0  # number of tracks so far

    def predict(self, seconds: float) -> None:
        """Predict all tracks after some seconds."""
        for track in self.tracks:
            track.predict(seconds)

    def update(self, faces: Faces) -> None:
        """Assign detections to tracks (maximum total IoU); unmatched detections start new tracks."""
        carried = np.array([track.box for track in self.tracks], dtype=np.float32).reshape(-1, 4)
        ious = box_iou(_buffered(carried), _buffered(faces.boxes))
        pairs = {int(f): int(t) for t, f in zip(*linear_sum_assignment(-ious), strict=True)}
        pairs = {f: t for f, t in pairs.items() if ious[t, f] >= self.iou_threshold}
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
        """Return the tracks that the last detection step confirmed."""
        return [track for track in self.tracks if track.is_seen]

    def forget(self) -> None:
        """End all tracks, because the scene has changed."""
        self.tracks = []
