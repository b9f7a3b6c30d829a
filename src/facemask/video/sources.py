"""Where pictures come from: a camera, a stream, a video file, a photo or a folder of photos."""

import os
import re
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from facemask.data.pictures import PHOTOS, read_image
from facemask.data.preprocessing import Pixels
from facemask.errors import DataError

STREAM = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
NOMINAL = 25.0  # frames per second of what does not say
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0  # seconds between attempts to reach a camera that went away; they double
STREAM_TIMEOUT = 5000  # milliseconds

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


class Source(ABC):
    """A number of frames, one after the other.

    Attributes:
        name: as shown; without the password of an address.
        fps: frames per second, as the source says.
        n_frames: how many there are, as the source says; 0 where that is not known.
        path: where it lies; None for a camera or a stream.
        is_live: whether the newest frame is worth more than the ones before it.
        is_stills: whether each frame stands for itself.
    """

    name: str
    path: Path | None = None
    fps: float = NOMINAL
    n_frames = 0
    is_live = False
    is_stills = False

    def __init__(self) -> None:
        self.ended = threading.Event()  # set by whoever wants no more

    @abstractmethod
    def frames(self) -> Iterator[Frame]:
        """Yield the frames until there are no more, or until ``ended`` is set."""


class VideoFile(Source):
    """Every frame of a video file, as fast as it decodes.

    Args:
        path: the file.
        say: told what is odd about the file.
        is_looped: whether it begins again when it ends.
        is_paced: whether it plays at its own speed, as a camera that shows it would.

    Raises:
        DataError: the file is no video that OpenCV can decode.
    """

    def __init__(self, path: Path, say: Say, is_looped: bool = False, is_paced: bool = False) -> None:
        super().__init__()
        self.path, self.name, self._say = path, path.name, say
        self.is_looped, self.is_live = is_looped, is_paced
        capture = self._open()
        said = capture.get(cv2.CAP_PROP_FPS)
        self.fps = said if 1 <= said <= 1000 else NOMINAL
        self.n_frames = int(max(0, capture.get(cv2.CAP_PROP_FRAME_COUNT)))  # as its header claims
        can_decode = capture.read()[0]
        capture.release()
        if not can_decode:
            raise DataError(f"{path} holds no frame that can be decoded; give another video.")

    def _open(self) -> cv2.VideoCapture:
        capture = _quiet_capture(str(self.path))
        if not capture.isOpened():
            raise DataError(f"{self.path} cannot be read as a video or a picture; give another file.")
        return capture

    def frames(self) -> Iterator[Frame]:
        """Yield the file's frames, timed by its frame rate."""
        start, number, is_first_pass = time.monotonic(), 0, True
        began = seconds = 0.0
        while is_first_pass or self.is_looped:
            capture, of_pass = self._open(), 0
            try:
                while not self.ended.is_set() and (image := _read(capture)) is not None:
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
        """Return when the frame just read is shown: its own time, or where it has none, its number's."""
        own = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        return own if number and own > 0 else number / self.fps


class Camera(Source):
    """A camera or a stream, opened again whenever it goes away.

    Args:
        address: the camera's number, or an address such as ``rtsp://…``.
        say: told when it goes away and comes back.
        reconnect: seconds for which a lost one is called again; 0 for never.

    Raises:
        DataError: it cannot be opened.
    """

    is_live = True

    def __init__(self, address: int | str, say: Say, reconnect: float = 60.0) -> None:
        super().__init__()
        self.address, self._say, self.reconnect = address, say, reconnect
        self.name = f"camera {address}" if isinstance(address, int) else without_password(address)
        self._capture = self._open()
        if self._capture is None:
            raise DataError(self._how_to_open())
        said = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = said if 1 <= said <= 240 else NOMINAL

    def _open(self) -> cv2.VideoCapture | None:
        if isinstance(self.address, int):
            capture = _quiet_capture(self.address)
        else:
            limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, STREAM_TIMEOUT, cv2.CAP_PROP_READ_TIMEOUT_MSEC, STREAM_TIMEOUT]
            capture = _quiet_capture(self.address, cv2.CAP_FFMPEG, limits)
        if not capture.isOpened():
            return None
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # where a driver keeps old frames, the newest is wanted
        return capture

    def _how_to_open(self) -> str:
        if isinstance(self.address, int):
            return f"source={self.address}: there is no such camera here; name another, a file, a folder or an address."
        return f"{self.name} cannot be opened; check the address, and that the camera is on."

    def frames(self) -> Iterator[Frame]:
        """Yield frames as they come, timed by the clock."""
        start, number = time.monotonic(), 0
        while not self.ended.is_set():
            image = _read(self._capture) if self._capture else None
            if image is None:
                if not self._come_back():
                    return
                continue
            now = time.monotonic()
            yield Frame(image, number, now - start, now)
            number += 1
        self._release()

    def _come_back(self) -> bool:
        """Open the camera again; return whether it came back in time."""
        self._release()
        if not self.reconnect:
            self._say(f"{self.name} went away.")
            return False
        self._say(f"{self.name} went away; trying to reach it again for {self.reconnect:g} s.")
        give_up, pause = time.monotonic() + self.reconnect, FIRST_PAUSE
        while time.monotonic() < give_up and not self.ended.wait(min(pause, max(0.0, give_up - time.monotonic()))):
            self._capture = self._open()
            if self._capture is not None:
                self._say(f"{self.name} is back.")
                return True
            pause = min(2 * pause, LONGEST_PAUSE)
        if not self.ended.is_set():
            self._say(f"{self.name} stayed away for {self.reconnect:g} s.")
        return False

    def _release(self) -> None:
        if self._capture is not None:
            self._capture.release()
            self._capture = None


class Photos(Source):
    """Photos, each for itself.

    Args:
        path: a photo, or a folder of them, in folders of any depth.
        say: told of files that cannot be read, which are left out.

    Raises:
        DataError: there is none, or the only one cannot be read.
    """

    is_stills = True

    def __init__(self, path: Path, say: Say) -> None:
        super().__init__()
        self.path, self.name, self._say = path, path.name, say
        self._root = path if path.is_dir() else path.parent
        self.photos = [path] if path.is_file() else sorted(p for p in path.rglob("*") if is_photo(p))
        self.n_frames = len(self.photos)
        if not self.photos:
            raise DataError(f"{path} holds no photo ({', '.join(PHOTOS)}); give another folder.")

    def frames(self) -> Iterator[Frame]:
        """Yield the photos that can be read."""
        number = 0
        for path in self.photos:
            if self.ended.is_set():
                return
            try:
                image = read_image(path)
            except DataError as error:
                if len(self.photos) == 1:
                    raise
                self._say(f"{error}; left out.")
                continue
            bgr = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), np.uint8)
            name = path.relative_to(self._root).as_posix()
            yield Frame(bgr, number, 0.0, time.monotonic(), name)
            number += 1


def open_source(
    what: int | str | None, say: Say, is_live: bool | None = None, is_looped: bool = False, reconnect: float = 60.0
) -> Source:
    """Open a camera by its number, a stream by its address, or a video, a photo or a folder of photos by its path.

    Args:
        what: which.
        say: told, in a sentence, what a user should know meanwhile.
        is_live: whether a video file plays at its own speed, dropping what cannot be kept up with; None for no.
        is_looped: whether a video file begins again when it ends.
        reconnect: as in :class:`Camera`.

    Raises:
        DataError: it cannot be opened.
    """
    text = str(what).strip()
    if what is None or not text:
        raise DataError("source has no value; give a camera's number, an address, a video, a photo or a folder.")
    if text.isascii() and text.isdigit() and len(text) < 4:
        return Camera(int(text), say, reconnect)
    if STREAM.match(text) and not text.lower().startswith("file://"):
        return Camera(text, say, reconnect)
    path = Path(text.removeprefix("file://")).expanduser()
    if path.is_dir() or is_photo(path):
        return Photos(path, say)
    if not path.is_file():
        raise DataError(
            f"source={text} is not there; give a camera's number, an address, a video, a photo or a folder."
        )
    return VideoFile(path, say, is_looped, bool(is_live))


def is_photo(path: Path) -> bool:
    """Return whether a file is taken for a photo, by its name."""
    return path.suffix.lower() in PHOTOS and path.is_file()


def without_password(address: str) -> str:
    """Return an address without what may be secret in it: all up to the last ``@``, and the query."""
    scheme, _, rest = address.partition("://")
    rest = rest.rpartition("@")[2]
    return f"{scheme}://{rest.partition('?')[0]}"


def _read(capture: cv2.VideoCapture) -> Pixels | None:
    """Return the next frame as BGR, or None if there is none."""
    is_there, image = capture.read()
    if not is_there or image is None or image.size == 0:
        return None
    if image.ndim == 2:  # a grey camera
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), np.uint8)
    return np.asarray(image[..., :3], np.uint8)


def _quiet_capture(*arguments: Any) -> cv2.VideoCapture:
    """Open a capture without OpenCV's and FFmpeg's own lines on the terminal: ours say it in words."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2.VideoCapture(*arguments)
