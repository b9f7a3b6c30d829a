"""A face keeps its number while it moves, is hidden for a moment, or is detected less often."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facemask.detection.detectors import Faces
from facemask.detection.track import Tracker

STEP = 0.04  # seconds a frame


def found(*boxes: tuple[float, float, float, float]) -> Faces:
    return Faces(np.array(boxes, np.float32).reshape(-1, 4), np.full(len(boxes), 0.9, np.float32))


def at(x: float, y: float, side: float = 40) -> tuple[float, float, float, float]:
    return (x, y, x + side, y + side)


@given(
    speeds=st.lists(st.tuples(st.floats(-80, 80), st.floats(-80, 80)), min_size=1, max_size=4),
    every=st.integers(1, 5),
    jitter=st.integers(0, 2**16),
)
def test_faces_apart_keep_their_numbers_however_often_they_are_looked_for(
    speeds: list[tuple[float, float]], every: int, jitter: int
) -> None:
    tracker, rng = Tracker(), np.random.default_rng(jitter)
    for i in range(25):
        tracker.predict(STEP)
        if i % every == 0:
            places = [(600 * n + vx * i * STEP, vy * i * STEP) for n, (vx, vy) in enumerate(speeds)]
            tracker.update(found(*(at(x + rng.normal(), y + rng.normal()) for x, y in places)))
    assert tracker.n_begun == len(speeds)
    order = sorted(tracker.seen(), key=lambda track: float(track.box[0]))
    assert [track.number for track in order] == list(range(1, len(speeds) + 1))


def test_a_face_beside_a_lost_one_gets_a_new_number() -> None:
    tracker = Tracker()
    tracker.update(found(at(0, 0)))
    tracker.predict(STEP)
    tracker.update(found(at(40, 0)))
    assert [track.number for track in tracker.seen()] == [2]


def test_a_box_keeps_its_velocity_between_detections() -> None:
    tracker = Tracker()
    for i in range(20):
        tracker.predict(STEP)
        tracker.update(found(at(10 + 4 * i, 50)))
    for _ in range(5):
        tracker.predict(STEP)
    assert tracker.seen()[0].box == pytest.approx(np.array(at(10 + 4 * 24, 50)), abs=2)


def test_dropped_frames_change_nothing() -> None:
    slow, fast = Tracker(), Tracker()
    for i in range(1, 21):
        fast.predict(STEP)
        if i % 2 == 0:
            fast.update(found(at(5 * i, 0)))
            slow.predict(2 * STEP)
            slow.update(found(at(5 * i, 0)))
    assert slow.n_begun == fast.n_begun == 1
    assert slow.tracks[0].box == pytest.approx(fast.tracks[0].box, abs=0.5)


def test_a_lost_face_keeps_its_number_if_it_reappears_in_time() -> None:
    tracker = Tracker(patience=0.5)
    tracker.update(found(at(100, 100)))
    tracker.predict(STEP)
    tracker.update(found())
    assert tracker.seen() == []
    tracker.predict(0.4)
    tracker.update(found(at(102, 100)))
    assert [track.number for track in tracker.seen()] == [1]


def test_track_lost_longer_than_patience_gets_a_new_number() -> None:
    tracker = Tracker(patience=0.5)
    tracker.update(found(at(100, 100)))
    tracker.update(found())
    tracker.predict(0.6)
    tracker.update(found())
    assert tracker.tracks == []
    tracker.update(found(at(100, 100)))
    assert [track.number for track in tracker.seen()] == [2]


def test_two_faces_that_both_overlap_a_box_share_the_boxes_best_together() -> None:
    tracker = Tracker()
    tracker.update(found(at(0, 0), at(30, 0)))
    tracker.predict(STEP)
    tracker.update(found(at(28, 0), at(12, 0)))  # the second alone is as near to the first as to the other
    by_number = {track.number: float(track.box[0]) for track in tracker.seen()}
    assert tracker.n_begun == 2
    assert by_number[1] < by_number[2]


def test_a_new_scene_begins_with_new_faces() -> None:
    tracker = Tracker()
    tracker.update(found(at(0, 0)))
    tracker.forget()
    tracker.update(found(at(0, 0)))
    assert [track.number for track in tracker.tracks] == [2]
