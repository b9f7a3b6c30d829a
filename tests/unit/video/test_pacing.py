"""A watched video plays at its own speed, and the closing lines give the right counts."""

import io
import time
from dataclasses import replace

import pytest
from rich.console import Console

from facemask.video.pacing import Pacer, Rate
from facemask.video.pipeline import SeenFace
from facemask.video.tally import Tally, show


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(time, "sleep", self.pass_by)

    def pass_by(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds


def test_a_frame_waits_for_its_time_and_a_late_one_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, pacer, shown = Clock(monkeypatch), Pacer(), []
    for seconds, work in ((0.0, 0.01), (0.1, 0.3), (0.2, 0.01), (0.3, 0.01)):
        pacer.wait_for(seconds)
        shown.append(clock.now - 100)
        clock.pass_by(work)
    # The second frame took 0.3 s; the third comes late, and the fourth a tenth after it: nothing is caught up with.
    assert shown == pytest.approx([0.0, 0.1, 0.4, 0.5])


def test_the_rate_is_that_of_the_last_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, rate = Clock(monkeypatch), Rate()
    assert rate.tick() == 0
    for step in (1.0,) * 5 + (0.1,) * 40:
        clock.pass_by(step)
        latest = rate.tick()
    assert latest == pytest.approx(10)


def seen(label: str) -> SeenFace:
    return SeenFace(1, None, label, None)  # type: ignore[arg-type]


def told(tally: Tally, **kwargs: bool) -> str:
    console = Console(file=io.StringIO(), width=200)
    show(replace(tally, **kwargs), console)  # type: ignore[arg-type]
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def test_the_closing_lines_count_frames_faces_and_labels() -> None:
    tally = Tally("frames", n_tracks=2, seconds=2.0)
    for labels in (["mask", "no_mask"], ["mask"], ["mask"]):
        tally.count([seen(label) for label in labels], delay=0.01)
    assert "frames: 3 frames in 2.0 s (1.5 a second)." in told(tally)
    assert "2 faces, seen 4 times: mask 75%, no_mask 25%." in told(tally)
    assert "3 photos in" in told(tally, is_stills=True)
    assert "4 faces: mask 75%" in told(tally, is_stills=True)


def test_delays_of_live_sources_are_reported_and_bounded() -> None:
    tally = Tally("frames", seconds=1.0)
    for hundredths in range(100):
        tally.count([], delay=hundredths / 100 + 0.001)
    assert tally.delay(0.5) == pytest.approx(0.5)
    assert tally.delay(0.95) == pytest.approx(0.95)
    assert "delay 500 ms (median), 950 ms (95 %)" in told(tally, is_live=True)
    assert "delay" not in told(tally)


def test_missing_frames_and_faces_are_reported() -> None:
    assert "no frames" in told(Tally("frames"))
    tally = Tally("frames", seconds=1.0)
    tally.count([], 0.0)
    assert "No faces were found." in told(tally)
