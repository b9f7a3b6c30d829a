"""The page's server: the page itself, the picture as a stream of JPEGs, and the counts as events."""

import hmac
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

LOOPBACK = ("127.0.0.1", "localhost")
PAGE = Path(__file__).with_name("page.html")
BOUNDARY = "frame"
PAUSE = 0.1  # seconds between two reports of the counts
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class State:
    """What stands beside the picture.

    Attributes:
        source: the source's name.
        frame: the frame's number; -1 before the first.
        fps: frames a second, lately.
        counts: how many faces of each class are in the frame; None before the first.
        tracks: faces followed since the beginning.
        is_over: whether no frame will follow.
    """

    source: str = ""
    frame: int = -1
    fps: float = 0.0
    counts: Mapping[str, int] | None = None
    tracks: int = 0
    is_over: bool = False


class Show(Protocol):
    """What is to be seen."""

    def wait_for_state(self, after: int | None) -> State:
        """Return the next state."""
        ...

    def wait_for_jpeg(self, after: int) -> tuple[int, bytes] | None:
        """Return the next picture and its number, or None at the end."""
        ...


class PageServer(ThreadingHTTPServer):
    """Serves a show.

    Args:
        show: what to serve.
        host: the address to listen on.
        port: 0 for any that is free.
        token: what every request must bring; None for nothing.

    Attributes:
        n_watching: connections that are waiting for the next picture or the next counts.
    """

    daemon_threads = True

    def __init__(self, show: Show, host: str, port: int, token: str | None) -> None:
        self.show, self.token = show, token
        self.is_local = host in LOOPBACK
        self.n_watching, self._lock = 0, threading.Lock()
        super().__init__((host, port), _Handler)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Count a connection that stays open."""
        with self._lock:
            self.n_watching += 1
        try:
            yield
        finally:
            with self._lock:
                self.n_watching -= 1

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that has gone."""


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    timeout = 10  # seconds that a browser may say or take nothing
    protocol_version = "HTTP/1.0"  # a connection a request, which ends when the show does

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        token = parse_qs(url.query).get("token", [""])[0]
        if self.server.is_local and self.headers.get("Host", "").partition(":")[0] not in LOOPBACK:
            self.send_error(HTTPStatus.FORBIDDEN)  # another site's name that points here: its page must not look in
        elif self.server.token and not hmac.compare_digest(token.encode(), self.server.token.encode()):
            self.send_error(HTTPStatus.FORBIDDEN, "The address lacks the token that was printed.")
        elif url.path == "/":
            self._begin("text/html; charset=utf-8")
            self.wfile.write(PAGE.read_bytes())
        elif url.path == "/picture":
            with self.server.watched(), suppress(OSError):
                self._send_pictures()
        elif url.path == "/counts":
            with self.server.watched(), suppress(OSError):
                self._send_counts()
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def _begin(self, kind: str) -> None:
        self.send_response(HTTPStatus.OK)
        for name, value in {"Content-Type": kind, **HEADERS}.items():
            self.send_header(name, value)
        self.end_headers()

    def _send_pictures(self) -> None:
        self._begin(f"multipart/x-mixed-replace; boundary={BOUNDARY}")
        number = -1
        while (picture := self.server.show.wait_for_jpeg(number)) is not None:
            number, jpeg = picture
            head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            self.wfile.write(head.encode() + jpeg + b"\r\n")

    def _send_counts(self) -> None:
        self._begin("text/event-stream")
        state = None
        while state is None or not state.is_over:
            state = self.server.show.wait_for_state(None if state is None else state.frame)
            self.wfile.write(f"data: {json.dumps(asdict(state))}\n\n".encode())
            self.wfile.flush()
            time.sleep(PAUSE)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the terminal for what matters."""
