"""Time: playing at the right speed, and telling how fast it goes."""

import time
from collections import deque

RECENT = 30  # frames that the rate is taken over


class Pacer:
    """Holds back frames that come before their time; after a pause it goes on, and does not catch up."""

    def __init__(self) -> None:
        self._start: float | None = None

    def wait_for(self, seconds: float) -> None:
        """Sleep until it is time for what happens so many seconds after the start."""
        now = time.monotonic()
        if self._start is None or now > self._start + seconds:
            self._start = now - seconds
        time.sleep(self._start + seconds - now)


class Rate:
    """Frames a second, over the last ones."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=RECENT)

    def tick(self) -> float:
        """Count a frame now, and return the rate; 0 at the first."""
        self._times.append(time.monotonic())
        passed = self._times[-1] - self._times[0]
        return (len(self._times) - 1) / passed if passed else 0.0
