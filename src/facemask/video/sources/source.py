"""What every source promises, and how one of OpenCV's captures is opened and read."""

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np

from facemask.data.preprocessing import Pixels

NOMINAL = 25.0  # frames per second of what does not say

Say = Callable[[str], None]


@dataclass(frozen=True)
class Frame:
    """One picture of a source.

    Attributes:
        image: uint8[H, W, 3], BGR, as OpenCV reads and writes it.
        number: from 0.
        seconds: since the source's first frame.
        read_at: when it was read, ``time.monotonic()``.
        name: of the photo; empty where frames follow one another.
    """

    image: Pixels
    number: int
    seconds: float
    read_at: float
    name: str = ""


@dataclass(frozen=True)
class Opening:
    """What a user says of a source beside its name.

    Attributes:
        say: takes a sentence that the user should read meanwhile.
        is_live: whether a video file plays at its own speed, dropping what cannot be kept up with.
        is_looped: whether a video file begins again when it ends.
        reconnect: seconds for which a lost camera is called again; 0 for never.
    """

    say: Say
    is_live: bool = False
    is_looped: bool = False
    reconnect: float = 60.0


class Source(ABC):
    """A number of frames, one after the other; a subclass implements ``frames`` alone.

    Attributes:
        name: as shown; without the password of an address.
        fps: frames per second, as the source says.
        n_frames: how many there are, as the source says; 0 where that is not known.
        path: where it lies; None for a camera or a stream.
        is_live: whether the newest frame is worth more than the ones before it.
        is_stills: whether each frame stands for itself.
    """

    name: str = "source"
    path: Path | None = None
    fps: float = NOMINAL
    n_frames = 0
    is_live = False
    is_stills = False

    @classmethod
    def open(cls, text: str, how: Opening) -> Self | None:
        """Return the source that a text names; None if it names none of this kind.

        Raises:
            DataError: it names one that cannot be opened.
        """
        return None

    @cached_property
    def ended(self) -> threading.Event:
        """Set by whoever wants no more frames."""
        return threading.Event()

    @abstractmethod
    def frames(self) -> Iterator[Frame]:
        """Yield the frames until there are no more, or until ``ended`` is set."""


def to_path(text: str) -> Path:
    """Return the file or folder that a text names."""
    return Path(text.removeprefix("file://")).expanduser()


def quiet_capture(*arguments: Any) -> cv2.VideoCapture:
    """Open a capture without OpenCV's and FFmpeg's own lines on the terminal: ours say it in words."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2.VideoCapture(*arguments)


def read(capture: cv2.VideoCapture) -> Pixels | None:
    """Return the next frame as BGR, or None if there is none."""
    is_there, image = capture.read()
    if not is_there or image is None or image.size == 0:
        return None
    if image.ndim == 2:  # a grey camera
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), np.uint8)
    return np.asarray(image[..., :3], np.uint8)
