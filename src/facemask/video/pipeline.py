"""What is done with a frame: find faces now and then, follow them in between, classify them together, smooth."""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from facemask.data.preprocessing import Pixels
from facemask.detection.crop import cut, widen
from facemask.detection.detectors import Boxes, SupportsDetect
from facemask.detection.track import Track, Tracker
from facemask.inference.backend import Probabilities
from facemask.inference.predictor import Predictor
from facemask.video.smoothing import Smoother
from facemask.video.sources.source import Frame

# Grey levels by which two frames of a thumbnail's size differ, on average, where one scene is cut to another.
# Measured: 37 to 94 at cuts, 10 at most between the frames of one scene.
CUT = 20.0
THUMBNAIL = (64, 36)  # pixels
LONGEST_GAP = 0.5  # seconds without a frame after which it is another scene


@dataclass(frozen=True)
class SeenFace:
    """A face in a frame, and what is thought of it.

    Attributes:
        track: the number of the face that is followed; None in a photo, which nothing follows.
        box: float32[4], left, top, right and bottom in pixels.
        label: the likeliest class.
        probabilities: float32[C], smoothed.
    """

    track: int | None
    box: Boxes
    label: str
    probabilities: Probabilities

    @property
    def probability(self) -> float:
        """Of the label."""
        return float(self.probabilities.max())


class Stopwatch:
    """Seconds spent in each stage, and how often it ran."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.times: dict[str, int] = defaultdict(int)

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Count what happens meanwhile towards a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - start
            self.times[stage] += 1


class Pipeline:
    """From frames to labelled faces.

    Args:
        detector: finds the faces.
        classifier: says what they wear.
        tracker: follows them.
        smoother: steadies the answers.
        margin: what the classifier sees beyond a face's box, as in :func:`facemask.detection.crop.widen`.
        is_square: likewise.
        detect_every: frames from one detection to the next; a new scene is looked at at once.
        classify_every: frames from one classification of a face to the next; a new face is looked at at once.
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
    ) -> None:
        self.detector, self.classifier, self.tracker, self.smoother = detector, classifier, tracker, smoother
        self.margin, self.is_square = margin, is_square
        self.detect_every, self.classify_every = detect_every, classify_every
        self.stopwatch = Stopwatch()
        self._answers: dict[int, tuple[int, Probabilities]] = {}  # of each track: at which frame, and what
        self._gone: list[tuple[float, Boxes]] = []  # when and where a cut ended a face
        self._size: tuple[int, ...] = ()
        self._thumbnail: npt.NDArray[np.uint8] | None = None
        self._detected_at: int | None = None
        self._seconds = 0.0
        self._n_frames = 0

    def process(self, frame: Frame) -> list[SeenFace]:
        """Return the faces of the next frame."""
        with self.stopwatch.time("track"):
            passed = max(0.0, frame.seconds - self._seconds)
            is_new_scene = self._is_new_scene(frame) or passed > max(self.tracker.patience, LONGEST_GAP)
            self._seconds = frame.seconds
            self._gone = [(when, box) for when, box in self._gone if when >= frame.seconds - self.tracker.patience]
            if is_new_scene:
                if not frame.name:  # photos have nothing to do with one another
                    self._gone += [(frame.seconds, track.found) for track in self.tracker.tracks]
                self.tracker.forget()
            self.tracker.predict(passed)
        due = self._detected_at is None or self._n_frames - self._detected_at >= self.detect_every
        if due or is_new_scene:
            with self.stopwatch.time("detect"):
                faces = self.detector.detect(cv2.cvtColor(frame.image, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False))
            with self.stopwatch.time("track"):
                self.tracker.update(faces)
            self._detected_at = self._n_frames
        seen = self._in_picture(frame.image)
        self._classify(frame, seen)
        self._n_frames += 1
        return [self._answer(track, frame) for track in seen]

    def to_hide(self) -> Boxes:
        """Return where faces are or, having been lost a moment ago, may still be: float32[N, 4].

        Of a lost face that is where it was found last, and where it would be had it gone on; of one that a cut ended,
        where it was.
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
        return float(cv2.absdiff(before, self._thumbnail).mean()) > CUT

    def _in_picture(self, image: Pixels) -> list[Track]:
        """Return the confirmed tracks whose middle is still inside the picture."""
        height, width = image.shape[:2]
        middles = [(track, (track.box[:2] + track.box[2:]) / 2) for track in self.tracker.seen()]
        return [track for track, (x, y) in middles if 0 <= x < width and 0 <= y < height]

    def _classify(self, frame: Frame, seen: list[Track]) -> None:
        """Ask the network about the faces whose turn it is, all at once."""
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
            crops = [np.ascontiguousarray(crop[..., ::-1]) for crop in cut(frame.image, boxes)]
            for track, probabilities in zip(due, self.classifier.predict(crops), strict=True):
                smoothed = self.smoother.update(track.number, probabilities, frame.seconds)
                self._answers[track.number] = self._n_frames, smoothed

    def _answer(self, track: Track, frame: Frame) -> SeenFace:
        probabilities = self._answers[track.number][1]
        label = self.classifier.class_names[int(probabilities.argmax())]
        number = None if frame.name else track.number
        return SeenFace(number, track.box, label, probabilities)
