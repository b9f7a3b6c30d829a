"""Web page with the live image and counts, for machines without a screen."""

import threading
import time
from dataclasses import replace
from pathlib import Path
from secrets import token_urlsafe
from socket import AF_INET, SOCK_DGRAM, socket
from typing import Annotated
from urllib.parse import quote

import cv2
from pydantic import Field

from facemask.data.preprocessing import Pixels
from facemask.errors import ConfigError
from facemask.video.scene import Scene
from facemask.video.sinks.page_server import LOOPBACK, PageServer, State
from facemask.video.sinks.sink import Sink
from facemask.video.sources.source import Say, Source

EVERYWHERE = ("", "0.0.0.0")  # wildcard addresses
FAREWELL = 3.0  # seconds to tell open pages about the end


class WebSink(Sink):
    """Serve a web page with the image stream and counts.

    Args:
        host: address to listen on. Any address except loopback accepts other machines.
        port: port; 0 for any free port.
        token: token that URLs must contain, so that other users of the machine cannot watch; None generates one.
        quality: JPEG quality, 1 to 100.
    """

    is_watched = True

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: Annotated[int, Field(ge=0, le=65535)] = 8000,
        token: str | None = None,
        quality: Annotated[int, Field(ge=1, le=100)] = 80,
    ) -> None:
        self.host, self.port, self.quality = host, port, quality
        self.token = token or token_urlsafe(16)
        self._server: PageServer | None = None
        self._changed = threading.Condition()
        self._picture: Pixels | None = None
        self._jpeg: tuple[int, bytes] = -1, b""
        self._state = State()

    def begin(self, source: Source, folder: Path, say: Say) -> None:
        """Start the server and print its URL."""
        if source.is_stills:
            raise ConfigError("sink=web shows videos; for photos use sink=file, sink=window or sink=events.")
        self._state = State(source.name)
        try:
            self._server = PageServer(self, self.host, self.port, self.token)
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"cannot listen on {self.host}:{self.port} ({error}); sink.web.port=0 uses a free port."
            ) from error
        threading.Thread(target=self._server.serve_forever, args=(0.1,), name="web", daemon=True).start()
        self.port = self._server.server_port
        address = _own_address() if self.host in EVERYWHERE else self.host
        say(f"watch at http://{address}:{self.port}/?token={quote(self.token, safe='')}")

    def write(self, scene: Scene) -> None:
        """Publish the frame."""
        picture = scene.picture if self._server and self._server.n_watching else None
        with self._changed:
            self._picture = picture
            fps = round(scene.fps, 1)
            self._state = State(self._state.source, scene.frame.number, fps, scene.counts, scene.n_tracks)
            self._changed.notify_all()

    def end(self) -> None:
        """Tell open pages about the end, and stop the server."""
        if self._server is None:
            return
        with self._changed:
            self._state = replace(self._state, is_over=True)
            self._changed.notify_all()
        until = time.monotonic() + FAREWELL
        while self._server.n_watching and time.monotonic() < until:
            time.sleep(0.02)
        self._server.shutdown()
        self._server.server_close()

    def wait_for_state(self, after: int | None) -> State:
        """Wait for a frame with another number, or the end; return its state."""
        with self._changed:
            self._changed.wait_for(lambda: self._state.is_over or self._state.frame != after)
            return self._state

    def wait_for_jpeg(self, after: int) -> tuple[int, bytes] | None:
        """Wait for a frame with another number; return its number and JPEG, or None at the end."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._state.is_over or (self._picture is not None and self._state.frame != after)
            )
            if self._state.is_over or self._picture is None:
                return None
            number = self._state.frame
            if self._jpeg[0] != number:  # encoded once for all viewers
                options = [cv2.IMWRITE_JPEG_QUALITY, self.quality]
                self._jpeg = number, cv2.imencode(".jpg", self._picture, options)[1].tobytes()
            return self._jpeg


def _own_address() -> str:
    """Return this machine's address in the network."""
    with socket(AF_INET, SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # UDP connect sends nothing; it only selects the source address
        except OSError:  # no network
            return LOOPBACK[0]
        return str(probe.getsockname()[0])
