"""A video file."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import cv2

from facemask.errors import DataError
from facemask.video.sources.source import NOMINAL, Frame, Opening, Say, Source, quiet_capture, read, to_path


class VideoFile(Source):
    """Frames of a video file.

    Args:
        path: path of the file.
        say: function that shows a message about defects of the file.
        is_looped: whether it restarts when it ends.
        is_paced: whether it plays at its own speed, instead of as fast as it decodes.

    Raises:
        DataError: OpenCV cannot decode the file.
    """

    @classmethod
    def open(cls, text: str, how: Opening) -> Self | None:
        """Return the video at a path; every file is tried."""
        path = to_path(text)
        return cls(path, how.say, how.is_looped, how.is_live) if path.is_file() else None

    def __init__(self, path: Path, say: Say, is_looped: bool = False, is_paced: bool = False) -> None:
        self.path, self.name, self._say = path, path.name, say
        self.is_looped, self.is_live = is_looped, is_paced
        capture = self._open()
        reported = capture.get(cv2.CAP_PROP_FPS)
        self.fps = reported if 1 <= reported <= 1000 else NOMINAL
        self.n_frames = int(max(0, capture.get(cv2.CAP_PROP_FRAME_COUNT)))  # from the header
        can_decode = capture.read()[0]
        capture.release()
        if not can_decode:
            raise DataError(f"{path} contains no decodable frames; give another video.")

    def _open(self) -> cv2.VideoCapture:
        capture = quiet_capture(str(self.path))
        if not capture.isOpened():
            raise DataError(f"{self.path} cannot be read as a video or an image; give another file.")
        return capture

    def frames(self) -> Iterator[Frame]:
        """Yield the frames with their presentation times."""
        start, number, is_first_pass = time.monotonic(), 0, True
        began = seconds = 0.0
        while is_first_pass or self.is_looped:
            capture, of_pass = self._open(), 0
            try:
                while not self.ended.is_set() and (image := read(capture)) is not None:
                    seconds = began + self._time_of(capture, of_pass)
                    if self.is_live:
                        self.ended.wait(max(0.0, start + seconds - time.monotonic()))
                    yield Frame(image, number, seconds, time.monotonic())
                    number, of_pass = number + 1, of_pass + 1
            finally:
                capture.release()
            if self.ended.is_set() or not of_pass:
                return
            began = seconds + 1 / self.fps
            if is_first_pass and began < 0.9 * self.n_frames / self.fps:
                whole = self.n_frames / self.fps
                self._say(f"{self.name} ends after {began:.1f} of {whole:.1f} s: the rest cannot be decoded.")
            is_first_pass = False

    def _time_of(self, capture: cv2.VideoCapture, number: int) -> float:
        """Return the presentation time of the current frame; from its number if it has none."""
        own = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        return own if number and own > 0 else number / self.fps
