"""No frame of a file is dropped; of a camera, the newest frame is processed."""

import threading
from collections.abc import Iterator

import pytest
from moving_pictures import Frames, grey_frame

from facemask.errors import DataError
from facemask.video.capture import Capture
from facemask.video.sources.source import Frame


def test_no_frame_of_a_file_is_lost_however_slow_the_work() -> None:
    with Capture(Frames([grey_frame(i) for i in range(40)])) as capture:
        numbers = [frame.number for frame in capture]
    assert numbers == list(range(40))
    assert capture.n_dropped == 0


def test_a_live_source_gives_the_newest_frame_and_counts_dropped_ones() -> None:
    all_read = threading.Event()

    class Live(Frames):
        def frames(self) -> Iterator[Frame]:
            yield from super().frames()
            all_read.set()
            self.ended.wait(10)

    source = Live([grey_frame(i) for i in range(10)], is_live=True)
    with Capture(source) as capture:
        assert all_read.wait(10)
        assert next(iter(capture)).number == 9
    assert capture.n_dropped == 9


def test_the_last_frame_is_delivered_before_the_end() -> None:
    with Capture(Frames([grey_frame(0)], is_live=True)) as capture:
        assert [frame.number for frame in capture] == [0]


def test_read_error_is_raised_in_the_consuming_thread() -> None:
    class Broken(Frames):
        def frames(self) -> Iterator[Frame]:
            yield from super().frames()
            raise DataError("the disk is gone")

    with Capture(Broken([grey_frame(0)])) as capture:
        frames = iter(capture)
        assert next(frames).number == 0
        with pytest.raises(DataError, match="the disk is gone"):
            next(frames)


def test_leaving_early_ends_the_thread() -> None:
    source = Frames([grey_frame(0)] * 1000)
    with Capture(source) as capture:
        next(iter(capture))
    assert not capture._thread.is_alive()
    assert source.ended.is_set()
