"""A camera or a stream."""

import re
import time
from collections.abc import Iterator
from typing import Self

import cv2

from facemask.errors import DataError
from facemask.video.sources.source import NOMINAL, Frame, Opening, Say, Source, quiet_capture, read, without_password
from facemask.video.sources.video_file import is_download

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0  # seconds between reconnection attempts; the pause doubles
STREAM_TIMEOUT = 5000  # milliseconds
STREAM = re.compile(r"(?!file:)[a-z][a-z0-9+.-]*://", re.IGNORECASE)
LONGEST_NUMBER = 3  # maximum number of digits of a camera number


class Camera(Source):
    """A camera or a stream, reopened after connection loss.

    Args:
        address: camera number, or a URL such as ``rtsp://…``.
        say: function that shows messages about lost and restored connections.
        reconnect: seconds to try reconnecting; 0 for never.

    Raises:
        DataError: it cannot be opened.
    """

    is_live = True

    @classmethod
    def open(cls, text: str, how: Opening) -> Self | None:
        """Return the camera with a number, or the stream at a URL."""
        if text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER:
            return cls(int(text), how.say, how.reconnect)
        return cls(text, how.say, how.reconnect) if STREAM.match(text) and not is_download(text) else None

    def __init__(self, address: int | str, say: Say, reconnect: float = 60.0) -> None:
        self.address, self._say, self.reconnect = address, say, reconnect
        self.name = f"camera {address}" if isinstance(address, int) else without_password(address)
        self._capture = self._open()
        if self._capture is None:
            raise DataError(self._how_to_open())
        reported = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = reported if 1 <= reported <= 240 else NOMINAL

    def _open(self) -> cv2.VideoCapture | None:
        if isinstance(self.address, int):
            capture = quiet_capture(self.address)
        else:
            limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, STREAM_TIMEOUT, cv2.CAP_PROP_READ_TIMEOUT_MSEC, STREAM_TIMEOUT]
            capture = quiet_capture(self.address, cv2.CAP_FFMPEG, limits)
        if not capture.isOpened():
            return None
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # some drivers buffer old frames
        return capture

    def _how_to_open(self) -> str:
        if isinstance(self.address, int):
            return f"source={self.address}: there is no such camera; give another number, a file, a folder or a URL."
        return f"{self.name} cannot be opened; check the URL and that the camera is on."

    def frames(self) -> Iterator[Frame]:
        """Yield frames as they arrive, with their wall-clock time."""
        start, number = time.monotonic(), 0
        while not self.ended.is_set():
            image = read(self._capture) if self._capture else None
            if image is None:
                if not self._come_back():
                    return
                continue
            now = time.monotonic()
            yield Frame(image, number, now - start, now)
            number += 1
        self._release()

    def _come_back(self) -> bool:
        """Reopen the camera; return whether that succeeded in time."""
        self._release()
        if not self.reconnect:
            self._say(f"{self.name}: connection lost.")
            return False
        self._say(f"{self.name}: connection lost; reconnecting for up to {self.reconnect:g} s.")
        give_up, pause = time.monotonic() + self.reconnect, FIRST_PAUSE
        while time.monotonic() < give_up and not self.ended.wait(min(pause, max(0.0, give_up - time.monotonic()))):
            self._capture = self._open()
            if self._capture is not None:
                self._say(f"{self.name}: connected again.")
                return True
            pause = min(2 * pause, LONGEST_PAUSE)
        if not self.ended.is_set():
            self._say(f"{self.name}: no connection for {self.reconnect:g} s.")
        return False

    def _release(self) -> None:
        if self._capture is not None:
            self._capture.release()
            self._capture = None
