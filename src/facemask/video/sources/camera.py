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
DEVICE = re.compile(r"/dev/video(\d+)")
PIPELINE = " ! "  # between the elements of a GStreamer pipeline
STREAM = re.compile(r"(?!file:)[a-z][a-z0-9+.-]*://", re.IGNORECASE)
LONGEST_NUMBER = 3  # maximum number of digits of a camera number


class Camera(Source):
    """A camera or a stream, reopened after connection loss; a stream that is not there yet is waited for.

    Args:
        address: camera number, a URL such as ``rtsp://…``, or a GStreamer pipeline that ends with ``appsink``.
        say: function that shows messages about lost and restored connections.
        reconnect: seconds to wait for a stream, and to try reconnecting; 0 for never.

    Raises:
        DataError: it cannot be opened.
    """

    is_live = True

    @classmethod
    def open(cls, text: str, how: Opening) -> Self | None:
        """Return the camera with a number, the stream at a URL, or a GStreamer pipeline."""
        if device := DEVICE.fullmatch(text):
            return cls(int(device[1]), how.say, how.reconnect)
        if PIPELINE in text:
            return cls(text, how.say, how.reconnect)
        if text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER:
            return cls(int(text), how.say, how.reconnect)
        return cls(text, how.say, how.reconnect) if STREAM.match(text) and not is_download(text) else None

    def __init__(self, address: int | str, say: Say, reconnect: float = 60.0) -> None:
        self.address, self._say, self.reconnect = address, say, reconnect
        self.is_pipeline = isinstance(address, str) and PIPELINE in address
        self.name = f"camera {address}" if isinstance(address, int) else without_password(address)
        if self.is_pipeline:
            self.name = "pipeline"
            if not has_gstreamer():
                raise DataError(
                    f"source={address} is a GStreamer pipeline, but this build of OpenCV has no GStreamer; install one "
                    "that has (those of Jetson boards and of most Linux systems do), or give a URL."
                )
        self._capture = self._open()
        if self._capture is None and reconnect and isinstance(address, str) and not self.is_pipeline:
            say(f"{self.name} is not there yet; waiting for up to {reconnect:g} s.")
            self._wait()
        if self._capture is None:
            raise DataError(self._how_to_open())
        reported = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = reported if 1 <= reported <= 240 else NOMINAL

    def _open(self) -> cv2.VideoCapture | None:
        if isinstance(self.address, int):
            capture = quiet_capture(self.address)
        elif self.is_pipeline:
            capture = quiet_capture(self.address, cv2.CAP_GSTREAMER)
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
        if self.is_pipeline:
            return f"source={self.address} cannot be opened by GStreamer; try it with gst-launch-1.0 first."
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
        if self._wait():
            self._say(f"{self.name}: connected again.")
            return True
        if not self.ended.is_set():
            self._say(f"{self.name}: no connection for {self.reconnect:g} s.")
        return False

    def _wait(self) -> bool:
        """Try to open the camera until ``reconnect`` is over; return whether that succeeded."""
        give_up, pause = time.monotonic() + self.reconnect, FIRST_PAUSE
        while time.monotonic() < give_up and not self.ended.wait(min(pause, max(0.0, give_up - time.monotonic()))):
            self._capture = self._open()
            if self._capture is not None:
                return True
            pause = min(2 * pause, LONGEST_PAUSE)
        return False

    def _release(self) -> None:
        if self._capture is not None:
            self._capture.release()
            self._capture = None


def has_gstreamer() -> bool:
    """Return whether this build of OpenCV opens GStreamer pipelines."""
    return cv2.CAP_GSTREAMER in cv2.videoio_registry.getStreamBackends()
