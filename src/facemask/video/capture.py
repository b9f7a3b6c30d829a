"""Read frames in a separate thread: ahead of processing, or always the newest."""

import queue
import threading
from collections.abc import Iterator
from types import TracebackType

from facemask.video.sources.source import Frame, Source

LOOK = 0.1  # polling interval, seconds
AHEAD = 4  # frames decoded in advance
PATIENCE = 2.0  # seconds to wait for a camera's last read
END = None


class Capture:
    """Iterator over the frames of a source, which a thread reads.

    For a live source only the newest frame is kept and older ones are dropped. For other sources no frame is dropped.

    Attributes:
        n_dropped: number of dropped frames.
    """

    def __init__(self, source: Source) -> None:
        self.source, self.n_dropped = source, 0
        self._frames: queue.Queue[Frame | BaseException | None] = queue.Queue(1 if source.is_live else AHEAD)
        self._thread = threading.Thread(target=self._read, name="capture", daemon=True)

    def __enter__(self) -> "Capture":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.source.ended.set()
        self._drain()
        self._thread.join(PATIENCE)

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames until the source ends or is stopped.

        Raises:
            Exception: the error raised while reading.
        """
        while True:
            try:
                item = self._frames.get(timeout=LOOK)
            except queue.Empty:
                if self.source.ended.is_set():  # while waiting for a camera
                    return
                continue
            if isinstance(item, BaseException):
                raise item
            if item is END or self.source.ended.is_set():
                return
            yield item

    def _read(self) -> None:
        last: BaseException | None = END
        try:
            for frame in self.source.frames():
                if self.source.ended.is_set():
                    return
                self._hand_over(frame)
        except Exception as error:  # raised again in the consuming thread
            last = error
        self._hand_over(last)

    def _hand_over(self, item: Frame | BaseException | None) -> None:
        while True:
            try:
                is_waiting = not (self.source.is_live and isinstance(item, Frame))
                self._frames.put(item, timeout=LOOK if is_waiting else 0)
            except queue.Full:
                if self.source.is_live and isinstance(item, Frame):
                    self.n_dropped += self._drain()
                elif self.source.ended.is_set():
                    return
            else:
                return

    def _drain(self) -> int:
        n = 0
        while True:
            try:
                self._frames.get_nowait()
            except queue.Empty:
                return n
            n += 1
