"""HTTP server of the page: the page, the image as a stream of JPEGs, and the counts as server-sent events."""

import hmac
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

LOOPBACK = ("127.0.0.1", "localhost")
PAGE = Path(__file__).with_name("page.html")
BOUNDARY = "frame"
MAX_CONNECTIONS, MAX_REQUEST = 64, 16_384  # bytes
PAUSE = 0.1  # seconds between updates of the counts
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class State:
    """Values shown beside the image.

    Attributes:
        source: name of the source.
        frame: frame number; -1 before the first frame.
        fps: current frame rate, frames per second.
        counts: number of faces per class; None before the first frame.
        tracks: number of tracks so far.
        is_over: whether the source has ended.
    """

    source: str = ""
    frame: int = -1
    fps: float = 0.0
    counts: Mapping[str, int] | None = None
    tracks: int = 0
    is_over: bool = False


class Show(Protocol):
    """Interface of what the server shows."""

    def wait_for_state(self, after: int | None) -> State:
        """Return the next state."""
        ...

    def wait_for_jpeg(self, after: int) -> tuple[int, bytes] | None:
        """Return the next image and its number, or None at the end."""
        ...


class PageServer(ThreadingHTTPServer):
    """HTTP server of a show.

    Args:
        show: states and images to serve.
        host: address to listen on.
        port: port; 0 for any free port.
        token: token that every request must contain.

    Attributes:
        n_watching: number of connections that wait for the next image or counts.
    """

    daemon_threads = True
    request_queue_size = MAX_CONNECTIONS

    def __init__(self, show: Show, host: str, port: int, token: str) -> None:
        self.show, self.token = show, token
        self.is_local = host in LOOPBACK
        self.n_watching, self._lock = 0, threading.Lock()
        self._free = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__((host, port), _Handler)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Count an open connection."""
        with self._lock:
            self.n_watching += 1
        try:
            yield
        finally:
            with self._lock:
                self.n_watching -= 1

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection, unless too many are open."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore closed connections."""


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    timeout = 10  # seconds for a request to arrive, and for an image to be received, before a connection is closed
    protocol_version = "HTTP/1.0"  # one connection per request

    def setup(self) -> None:
        """Receive the request; a client that sends it byte by byte does not hold the thread."""
        super().setup()
        request, until = b"", time.monotonic() + self.timeout
        while b"\r\n\r\n" not in request and len(request) < MAX_REQUEST and (left := until - time.monotonic()) > 0:
            self.connection.settimeout(left)
            try:
                received = self.connection.recv(4096)
            except OSError:
                break
            if not received:
                break
            request += received
        self.connection.settimeout(self.timeout)
        self.rfile = BytesIO(request)

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        token = parse_qs(url.query).get("token", [""])[0]
        if self.server.is_local and self.headers.get("Host", "").partition(":")[0] not in LOOPBACK:
            self.send_error(HTTPStatus.FORBIDDEN)  # DNS-rebinding protection: reject foreign Host headers
        elif not hmac.compare_digest(token.encode(), self.server.token.encode()):
            self.send_error(HTTPStatus.FORBIDDEN, "The URL lacks the printed token.")
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
        """Do not log requests."""
