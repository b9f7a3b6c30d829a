"""A video file."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import cv2

from facemask.data.index import files_below
from facemask.errors import DataError
from facemask.video.sources.source import (
    NOMINAL,
    Frame,
    Opening,
    Say,
    Source,
    quiet_capture,
    read,
    to_path,
    without_password,
)

SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".mts", ".3gp")
DOWNLOAD = re.compile(r"https?://", re.IGNORECASE)


def videos_below(folder: Path) -> list[Path]:
    """List the videos below a folder by their suffix, without hidden files."""
    return [file for file in files_below(folder) if file.name.lower().endswith(SUFFIXES)]


def is_download(text: str) -> bool:
    """Return whether a text is the URL of a video with an end, which is read like a file; cameras have no end."""
    if not DOWNLOAD.match(text):
        return False
    capture = quiet_capture(text)
    has_end = capture.isOpened() and capture.get(cv2.CAP_PROP_FRAME_COUNT) > 0
    capture.release()
    return bool(has_end)


class VideoFile(Source):
    """Frames of a video file, or of a video behind a URL.

    Args:
        path: path of the file, or its URL.
        say: function that shows a message about defects of the file.
        is_looped: whether it restarts when it ends.
        is_paced: whether it plays at its own speed, instead of as fast as it decodes.

    Raises:
        DataError: OpenCV cannot decode the file.
    """

    @classmethod
    def open(cls, text: str, how: Opening) -> Self | None:
        """Return the video at a path or a URL; every file is tried."""
        path = to_path(text)
        if path.is_file():
            return cls(path, how.say, how.is_looped, how.is_live)
        return cls(text, how.say, how.is_looped, how.is_live) if DOWNLOAD.match(text) else None  # cameras came first

    def __init__(self, path: Path | str, say: Say, is_looped: bool = False, is_paced: bool = False) -> None:
        self._address, self._say = str(path), say
        self.path = path if isinstance(path, Path) else None
        self.name = path.name if isinstance(path, Path) else without_password(path).rpartition("/")[2] or "video"
        self.is_looped, self.is_live = is_looped, is_paced
        capture = self._open()
        reported = capture.get(cv2.CAP_PROP_FPS)
        self.fps = reported if 1 <= reported <= 1000 else NOMINAL
        self.n_frames = int(max(0, capture.get(cv2.CAP_PROP_FRAME_COUNT)))  # from the header
        can_decode = capture.read()[0]
        capture.release()
        if not can_decode:
            raise DataError(f"{self.path or self.name} contains no decodable frames; give another video.")

    def _open(self) -> cv2.VideoCapture:
        capture = quiet_capture(self._address)
        if not capture.isOpened():
            raise DataError(f"{self.path or self.name} cannot be read as a video or an image; give another file.")
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
