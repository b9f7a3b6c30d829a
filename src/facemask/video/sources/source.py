"""Base class of sources, and helpers for OpenCV captures."""

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

NOMINAL = 25.0  # frames per second of sources that do not state it

Say = Callable[[str], None]


@dataclass(frozen=True)
class Frame:
    """One image of a source.

    Attributes:
        image: uint8[H, W, 3], BGR as in OpenCV.
        number: frame number, from 0.
        seconds: time since the source's first frame.
        read_at: time of reading, ``time.monotonic()``.
        name: name of the photo; empty for videos and cameras.
    """

    image: Pixels
    number: int
    seconds: float
    read_at: float
    name: str = ""


@dataclass(frozen=True)
class Opening:
    """Options for opening a source.

    Attributes:
        say: function that shows a message to the user.
        is_live: whether a video file plays at its own speed and drops frames like a camera.
        is_looped: whether a video file restarts when it ends.
        reconnect: seconds to try reconnecting to a lost camera; 0 for never.
    """

    say: Say
    is_live: bool = False
    is_looped: bool = False
    reconnect: float = 60.0


class Source(ABC):
    """Base class of sources; a subclass implements only ``frames``.

    Attributes:
        name: name to display, without credentials.
        fps: nominal frame rate, frames per second.
        n_frames: nominal number of frames; 0 if unknown.
        path: path of the file or folder; None for a camera or a stream.
        is_live: whether only the newest frame matters.
        is_stills: whether frames are independent photos.
    """

    name: str = "source"
    path: Path | None = None
    fps: float = NOMINAL
    n_frames = 0
    is_live = False
    is_stills = False

    @classmethod
    def open(cls, text: str, how: Opening) -> Self | None:
        """Return the source named by a text, or None if it is of another kind.

        Raises:
            DataError: the source cannot be opened.
        """
        return None

    @cached_property
    def ended(self) -> threading.Event:
        """Event that stops the source."""
        return threading.Event()

    @abstractmethod
    def frames(self) -> Iterator[Frame]:
        """Yield frames until there are no more or ``ended`` is set."""


def to_path(text: str) -> Path:
    """Return the path named by a text."""
    return Path(text.removeprefix("file://")).expanduser()


def quiet_capture(*arguments: Any) -> cv2.VideoCapture:
    """Open a capture with the log output of OpenCV and FFmpeg silenced."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2.VideoCapture(*arguments)


def read(capture: cv2.VideoCapture) -> Pixels | None:
    """Return the next frame as BGR, or None at the end."""
    is_there, image = capture.read()
    if not is_there or image is None or image.size == 0:
        return None
    if image.ndim == 2:  # greyscale camera
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), np.uint8)
    return np.asarray(image[..., :3], np.uint8)


def without_password(address: str) -> str:
    """Return a URL without credentials (up to the last ``@``) and query."""
    scheme, _, rest = address.partition("://")
    rest = rest.rpartition("@")[2]
    return f"{scheme}://{rest.partition('?')[0]}"
