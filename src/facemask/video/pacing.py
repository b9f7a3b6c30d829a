"""Playback speed and frame rate."""

import time
from collections import deque

RECENT = 30  # number of frames that the rate is averaged over


class Pacer:
    """Delays frames until their presentation time; does not catch up after a pause."""

    def __init__(self) -> None:
        self._start: float | None = None

    def wait_for(self, seconds: float) -> None:
        """Sleep until a number of seconds after the start."""
        now = time.monotonic()
        if self._start is None or now > self._start + seconds:
            self._start = now - seconds
        time.sleep(self._start + seconds - now)


class Rate:
    """Moving average of the frame rate."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=RECENT)

    def tick(self) -> float:
        """Count a frame and return the rate, frames per second; 0 for the first."""
        self._times.append(time.monotonic())
        passed = self._times[-1] - self._times[0]
        return (len(self._times) - 1) / passed if passed else 0.0
