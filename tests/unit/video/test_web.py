"""The page shows the frames to those who may see them, and ends with the video."""

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from moving_pictures import Frames, grey_frame, number_of

from facemask.errors import ConfigError
from facemask.video.scene import Scene
from facemask.video.sinks import page_server
from facemask.video.sinks.web import WebSink
from facemask.video.sources.source import Frame

TIMEOUT = 10


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[WebSink]:
    sink = WebSink(port=0)
    sink.begin(Frames([]), tmp_path, lambda _: None)
    yield sink
    sink.end()


def scene(number: int) -> Scene:
    return Scene(Frame(grey_frame(number), number, number / 20, 0.0), [], ("mask", "no_mask"), 20.0, 4)


def ask(sink: WebSink, path: str, host: str | None = None, query: str | None = None) -> urllib.request.Request:
    query = f"?token={sink.token}" if query is None else query
    request = urllib.request.Request(f"http://127.0.0.1:{sink.port}{path}{query}")
    if host:
        request.add_header("Host", host)
    return request


def wait_for_viewers(sink: WebSink) -> None:
    deadline = time.monotonic() + TIMEOUT
    while sink._server is None or not sink._server.n_watching:
        assert time.monotonic() < deadline


def code_of(request: urllib.request.Request) -> int:
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_the_page_loads_nothing_from_other_hosts(sink: WebSink) -> None:
    with urllib.request.urlopen(ask(sink, "/"), timeout=TIMEOUT) as answer:
        page, policy = answer.read().decode(), answer.headers["Content-Security-Policy"]
    assert "<title>facemask</title>" in page
    assert "http" not in page
    assert policy.startswith("default-src 'none'")
    assert code_of(ask(sink, "/other")) == 404


def test_counts_are_sent_when_they_change_and_the_end_is_announced(sink: WebSink) -> None:
    with urllib.request.urlopen(ask(sink, "/counts"), timeout=TIMEOUT) as answer:
        states = []
        sink.write(scene(7))
        for line in answer:
            if not line.strip():
                continue
            states.append(json.loads(line.decode().removeprefix("data: ")))
            if states[-1]["frame"] == 7 and not states[-1]["is_over"]:
                threading.Thread(target=sink.end).start()
    assert states[-2]["counts"] == {"mask": 0, "no_mask": 0}
    assert states[-2]["tracks"] == 4
    assert [state["is_over"] for state in states[-2:]] == [False, True]


def test_the_stream_updates_and_ends_with_the_video(sink: WebSink) -> None:
    with urllib.request.urlopen(ask(sink, "/picture"), timeout=TIMEOUT) as answer:
        seen = []
        for number in (3, 8):
            wait_for_viewers(sink)
            sink.write(scene(number))
            head = b"".join(answer.readline() for _ in range(4))
            length = int(head.partition(b"Content-Length: ")[2].split()[0])
            jpeg = np.frombuffer(answer.read(length + 2), np.uint8)
            seen.append(number_of(cv2.imdecode(jpeg, cv2.IMREAD_COLOR)[:20]))
        threading.Thread(target=sink.end).start()
        assert answer.read() == b""
    assert seen == [3, 8]


def test_frames_are_not_drawn_without_viewers(sink: WebSink) -> None:
    shown = scene(1)
    sink.write(shown)
    assert "picture" not in vars(shown)


@pytest.mark.parametrize(
    ("host", "code"), [("localhost:8000", 200), ("127.0.0.1", 200), ("evil.example:80", 403), ("evil.example", 403)]
)
def test_foreign_host_header_is_rejected(sink: WebSink, host: str, code: int) -> None:
    assert code_of(ask(sink, "/", host)) == code


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_the_printed_link_opens_and_nothing_opens_without_its_token(tmp_path: Path, host: str) -> None:
    messages: list[str] = []
    sink = WebSink(host=host, port=0)
    sink.begin(Frames([]), tmp_path, messages.append)
    try:
        link = messages[0].removeprefix("watch at ")
        assert "0.0.0.0" not in link  # which no browser could open elsewhere
        with urllib.request.urlopen(link, timeout=TIMEOUT) as answer:
            assert answer.status == 200
        assert len(link.split("?token=")[1]) > 16
        for path in ("/", "/counts", "/picture"):
            assert code_of(ask(sink, path, query="")) == 403
            assert code_of(ask(sink, path, query="?token=wrong")) == 403
        assert code_of(ask(sink, "/")) == 200
    finally:
        sink.end()
    with pytest.raises(ConfigError, match="sink=web shows videos"):
        WebSink().begin(Frames([], is_stills=True), tmp_path, messages.append)
    assert WebSink().token != WebSink().token
    assert WebSink(token="ours").token == "ours"


def test_slow_requests_and_excess_connections_are_closed(sink: WebSink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_server._Handler, "timeout", 0.5)
    with socket.create_connection(("127.0.0.1", sink.port), timeout=TIMEOUT) as slow:
        begun = time.monotonic()
        with suppress(OSError):
            while time.monotonic() < begun + TIMEOUT:  # a byte in time, again and again
                slow.sendall(b"G")
                slow.settimeout(0.2)
                try:
                    if not slow.recv(1):
                        break
                except TimeoutError:
                    continue
        assert time.monotonic() < begun + 5
    monkeypatch.setattr(page_server._Handler, "timeout", 10)
    silent = [socket.create_connection(("127.0.0.1", sink.port), timeout=TIMEOUT) for _ in range(80)]
    try:
        time.sleep(0.5)
        assert threading.active_count() < 80
        assert sum(_is_closed(one) for one in silent) >= 80 - page_server.MAX_CONNECTIONS
    finally:
        for one in silent:
            one.close()


def _is_closed(connection: socket.socket) -> bool:
    connection.settimeout(0.01)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def test_a_port_in_use_raises_a_clear_error(sink: WebSink, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot listen on 127.0.0.1:\d+ .*sink.web.port=0"):
        WebSink(port=sink.port).begin(Frames([]), tmp_path, lambda _: None)
