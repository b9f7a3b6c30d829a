"""Generated videos, cameras and classifiers."""

import http.server
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from facemask.data.preprocessing import Pixels, Preprocessing
from facemask.detection.detectors import Detector, Faces, as_faces
from facemask.video.sources.source import Frame, Source


def grey_frame(number: int, width: int = 64, height: int = 48) -> Pixels:
    """Return a grey frame that tells its number by its brightness."""
    return np.full((height, width, 3), 18 * number % 252, np.uint8)


def number_of(image: Pixels) -> int:
    """Return the number that a frame tells, after whatever a codec did to it."""
    return round(float(image.mean()) / 18)


def write_video(path: Path, n: int = 12, fps: int = 20, width: int = 64, height: int = 48) -> Path:
    """Write a video of numbered frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(fps))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.gop_size = 1  # each frame for itself
        for number in range(n):
            frame = av.VideoFrame.from_ndarray(grey_frame(number, width, height), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


class Frames(Source):
    """A source of given images."""

    def __init__(self, images: list[Pixels], fps: float = 20, is_live: bool = False, is_stills: bool = False) -> None:
        super().__init__()
        self.images, self.name, self.fps, self.is_live, self.is_stills = images, "frames", fps, is_live, is_stills

    def frames(self) -> Iterator[Frame]:
        for number, image in enumerate(self.images):
            yield Frame(image, number, number / self.fps, 0.0, f"{number}.png" if self.is_stills else "")


class BrightFaces(Detector):
    """Takes what is white for a face."""

    def __init__(self) -> None:
        super().__init__(threshold=0.5, min_face=1, longest_side=None)
        self.n_calls = 0

    def _find(self, image: Pixels) -> Faces:
        self.n_calls += 1
        n, _, stats, _ = cv2.connectedComponentsWithStats((image.min(axis=2) > 250).astype(np.uint8))
        boxes = [[x, y, x + w, y + h] for x, y, w, h, _ in stats[1:n]]
        return as_faces(boxes, [0.9] * len(boxes))


class ByTurns:
    """Says what it was told to say, and counts how often it was asked."""

    class_names = ("mask", "no_mask")
    preprocessing = Preprocessing(class_names, 16, 16)

    def __init__(self, answers: list[float] | None = None) -> None:
        self.answers, self.batches = answers or [0.9], list[int]()

    def predict(self, crops: list[Pixels]) -> np.ndarray:
        p = self.answers[len(self.batches) % len(self.answers)]
        self.batches.append(len(crops))
        return np.tile(np.array([[p, 1 - p]], np.float32), (len(crops), 1))


class FakeCamera:
    """An MJPEG camera on the loopback, which can be switched off and on again at the same address."""

    def __init__(self) -> None:
        self.port = 0
        self._server: http.server.ThreadingHTTPServer | None = None
        self.switch_on()

    @property
    def address(self) -> str:
        return f"http://someone:secret@127.0.0.1:{self.port}/live.mjpg"

    def switch_on(self) -> None:
        is_off = self._is_off = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
                self.end_headers()
                number = 0
                while not is_off.wait(0.01):
                    jpeg = cv2.imencode(".jpg", grey_frame(number % 20))[1].tobytes()
                    head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n".encode()
                    try:
                        self.wfile.write(head + jpeg + b"\r\n")
                    except OSError:
                        return
                    number += 1

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def switch_off(self) -> None:
        self._is_off.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
