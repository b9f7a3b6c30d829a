"""Process frames: detect, track, classify and smooth."""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from facemask.data.duplicates import grey_correlation
from facemask.data.preprocessing import Pixels
from facemask.detection.crop import cut, widen
from facemask.detection.detectors import Boxes, SupportsDetect
from facemask.detection.track import Track, Tracker
from facemask.inference.answers import Answers
from facemask.inference.backend import Probabilities
from facemask.inference.predictor import Predictor
from facemask.video.smoothing import Smoother
from facemask.video.sources.source import Frame

# Mean difference of two thumbnails, grey levels, above which a scene cut is assumed. Measured: 37 to 94 at cuts, at
# most 10 within scenes.
CUT = 20.0
# Correlation of the two above which only the light has changed. Measured: at most 0.47 at cuts, 0.99 as lights go on.
SAME_SCENE = 0.7
THUMBNAIL = (64, 36)  # pixels
LONGEST_GAP = 0.5  # seconds without a frame after which a new scene is assumed


@dataclass(frozen=True)
class SeenFace:
    """A face in a frame with its label.

    Attributes:
        track: track identifier; None for photos.
        box: float32[4]: left, top, right, bottom in pixels.
        label: most probable class, or ``unsure``.
        probabilities: float32[C], smoothed over time.
    """

    track: int | None
    box: Boxes
    label: str
    probabilities: Probabilities

    @property
    def probability(self) -> float:
        """Probability of the most probable class."""
        return float(self.probabilities.max())


class Stopwatch:
    """Seconds and number of calls of each stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.times: dict[str, int] = defaultdict(int)

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Measure the time of a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - start
            self.times[stage] += 1


class Pipeline:
    """Detect, track and classify the faces of frames.

    Args:
        detector: face detector.
        classifier: face classifier.
        tracker: face tracker.
        smoother: smoothing of the probabilities over time.
        margin: margin of the crops, as in :func:`facemask.detection.crop.widen`.
        is_square: whether crops are square, as in :func:`facemask.detection.crop.widen`.
        detect_every: number of frames between detections; a new scene is processed immediately.
        classify_every: number of frames between classifications of a face; new faces are classified immediately.
        answers: rule for the labels; None for the most probable class of every face.
    """

    def __init__(
        self,
        detector: SupportsDetect,
        classifier: Predictor,
        tracker: Tracker,
        smoother: Smoother,
        margin: float | Sequence[float] = 0.1,
        is_square: bool = False,
        detect_every: int = 8,
        classify_every: int = 3,
        answers: Answers | None = None,
    ) -> None:
        self.detector, self.classifier, self.tracker, self.smoother = detector, classifier, tracker, smoother
        self.margin, self.is_square = margin, is_square
        self.detect_every, self.classify_every = detect_every, classify_every
        self.stopwatch = Stopwatch()
        self.answers = answers or Answers(classifier.class_names)
        self._answers: dict[int, tuple[int, Probabilities, str]] = {}  # frame number, probabilities and label by track
        self._gone: list[tuple[float, Boxes]] = []  # time and boxes of faces that a cut ended
        self._size: tuple[int, ...] = ()
        self._thumbnail: npt.NDArray[np.uint8] | None = None
        self._detected_at: int | None = None
        self._seconds = 0.0
        self._n_frames = 0

    def forget(self) -> None:
        """Forget the last source: its faces, and those to hide."""
        self._thumbnail, self._gone, self._seconds = None, [], 0.0

    def process(self, frame: Frame) -> list[SeenFace]:
        """Return the faces of the next frame."""
        with self.stopwatch.time("track"):
            passed = max(0.0, frame.seconds - self._seconds)
            is_new_scene = self._is_new_scene(frame) or passed > max(self.tracker.patience, LONGEST_GAP)
            self._seconds = frame.seconds
            self._gone = [(when, box) for when, box in self._gone if when >= frame.seconds - self.tracker.patience]
            if is_new_scene:
                if not frame.name:  # photos are independent
                    self._gone += [(frame.seconds, track.found) for track in self.tracker.tracks]
                self.tracker.forget()
            self.tracker.predict(passed)
        due = self._detected_at is None or self._n_frames - self._detected_at >= self.detect_every
        if due or is_new_scene:
            with self.stopwatch.time("detect"):
                faces = self.detector.detect(_to_rgb(frame.image))
            with self.stopwatch.time("track"):
                self.tracker.update(faces)
            self._detected_at = self._n_frames
        seen = self._in_picture(frame.image)
        self._classify(frame, seen)
        self._n_frames += 1
        return [self._answer(track, frame) for track in seen]

    def to_hide(self) -> Boxes:
        """Return the boxes to hide, float32[N, 4]: current faces and recently lost ones.

        A lost face is hidden at its last detected and at its predicted position; a face that a cut ended at its last
        position.
        """
        tracks = self.tracker.tracks
        boxes = [*(t.box for t in tracks), *(t.found for t in tracks if not t.is_seen), *(box for _, box in self._gone)]
        return np.array(boxes, np.float32).reshape(-1, 4)

    def _is_new_scene(self, frame: Frame) -> bool:
        small = cv2.resize(frame.image, THUMBNAIL, interpolation=cv2.INTER_NEAREST)
        size, self._size = self._size, frame.image.shape
        before, self._thumbnail = self._thumbnail, np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)
        if before is None or frame.name or size != self._size:
            return True
        is_changed = float(cv2.absdiff(before, self._thumbnail).mean()) > CUT
        return is_changed and grey_correlation(before, self._thumbnail) < SAME_SCENE

    def _in_picture(self, image: Pixels) -> list[Track]:
        """Return the confirmed tracks whose centre is inside the image."""
        height, width = image.shape[:2]
        middles = [(track, (track.box[:2] + track.box[2:]) / 2) for track in self.tracker.seen()]
        return [track for track, (x, y) in middles if 0 <= x < width and 0 <= y < height]

    def _classify(self, frame: Frame, seen: list[Track]) -> None:
        """Classify the faces that are due, in one batch."""
        alive = {track.number for track in self.tracker.tracks}
        self._answers = {number: answer for number, answer in self._answers.items() if number in alive}
        self.smoother.keep_only(alive)
        never = -self.classify_every
        due = [t for t in seen if self._n_frames - self._answers.get(t.number, (never,))[0] >= self.classify_every]
        if not due:
            return
        with self.stopwatch.time("classify"):
            height, width = frame.image.shape[:2]
            boxes = widen(np.stack([track.box for track in due]), self.margin, self.is_square, width, height)
            crops = [_to_rgb(crop) for crop in cut(frame.image, boxes)]
            for track, crop, probabilities in zip(due, crops, self.classifier.predict(crops), strict=True):
                smoothed = self.smoother.update(track.number, probabilities, frame.seconds)
                self._answers[track.number] = self._n_frames, smoothed, self.answers.answer(smoothed, crop.shape)

    def _answer(self, track: Track, frame: Frame) -> SeenFace:
        _, probabilities, label = self._answers[track.number]
        number = None if frame.name else track.number
        return SeenFace(number, track.box, label, probabilities)


def _to_rgb(image: Pixels) -> Pixels:
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
