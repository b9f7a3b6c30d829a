"""Faces are detected in some frames, tracked in between, and classified in batches."""

from typing import Any

import numpy as np
from moving_pictures import BrightFaces, ByTurns, Frames

from facemask.data.preprocessing import Pixels
from facemask.detection.track import Tracker
from facemask.video.pipeline import Pipeline, SeenFace
from facemask.video.smoothing import Smoother
from facemask.video.sources.source import Frame


def picture(*corners: tuple[int, int], ground: int = 40) -> Pixels:
    """Return a picture with a white face of 20 pixels at each corner."""
    image = np.full((90, 160, 3), ground, np.uint8)
    for x, y in corners:
        image[y : y + 20, x : x + 20] = 255
    return image


def run(images: list[Pixels], is_stills: bool = False, **kwargs: Any) -> tuple[list[list[SeenFace]], Pipeline]:
    pipeline = Pipeline(BrightFaces(), kwargs.pop("classifier", ByTurns()), Tracker(), Smoother(0.0), **kwargs)
    return [pipeline.process(frame) for frame in Frames(images, is_stills=is_stills).frames()], pipeline


def test_detection_runs_every_n_frames_and_tracking_fills_the_gaps() -> None:
    seen, pipeline = run([picture((10 + i, 20)) for i in range(21)], detect_every=5)
    assert pipeline.detector.n_calls == 5
    assert [[face.track for face in faces] for faces in seen] == [[1]] * 21
    lefts = [float(faces[0].box[0]) for faces in seen]
    assert all(abs(left - (10 + i)) < 6 for i, left in enumerate(lefts))


def test_faces_of_a_frame_are_classified_in_one_batch_when_due() -> None:
    classifier = ByTurns()
    seen, _ = run([picture((10, 10), (60, 10), (110, 40))] * 7, classifier=classifier, classify_every=3, detect_every=2)
    assert classifier.batches == [3, 3, 3]
    assert all(len(faces) == 3 for faces in seen)


def test_new_face_is_classified_immediately() -> None:
    classifier = ByTurns()
    images = [picture((10, 10))] * 2 + [picture((10, 10), (100, 40))] * 2
    seen, _ = run(images, classifier=classifier, classify_every=100, detect_every=1)
    assert classifier.batches == [1, 1]
    assert [len(faces) for faces in seen] == [1, 1, 2, 2]


def test_no_face_is_labelled_after_a_cut_to_a_scene_without_faces() -> None:
    images = [picture((10, 10))] * 3 + [picture(ground=200)] * 4 + [picture((10, 10))] * 2
    seen, pipeline = run(images, detect_every=100)
    assert [[face.track for face in faces] for faces in seen] == [[1]] * 3 + [[]] * 4 + [[2]] * 2
    assert pipeline.detector.n_calls == 3


def test_lights_that_go_on_are_no_cut_and_black_frames_are_waited_through() -> None:
    rng = np.random.default_rng(0)
    room = rng.integers(40, 120, (9, 16, 3), dtype=np.uint8).repeat(10, axis=0).repeat(10, axis=1)
    room[20:40, 30:50] = 255
    lit = room.astype(int) + 60
    images = [np.zeros_like(room)] * 5 + [room] * 6 + [lit.clip(0, 255).astype(np.uint8)] * 6 + [room] * 6
    seen, pipeline = run(images, detect_every=4)
    assert [[face.track for face in faces] for faces in seen] == [[]] * 5 + [[1]] * 18
    assert pipeline.detector.n_calls == 7  # at frames 0 and 4, at the picture after the black ones, every fourth then


def test_a_face_that_is_no_longer_detected_is_not_shown() -> None:
    seen, _ = run([picture((10, 10))] * 4 + [picture()] * 4, detect_every=2)
    assert [len(faces) for faces in seen] == [1, 1, 1, 1, 0, 0, 0, 0]


def test_a_lost_face_stays_blurred_while_it_may_reappear() -> None:
    _, pipeline = run([picture((10, 10)), picture()], detect_every=1)
    assert pipeline.tracker.seen() == []
    assert (pipeline.to_hide().round() == [10, 10, 30, 30]).all()
    assert len(pipeline.to_hide())


def test_faces_lost_at_a_cut_or_when_they_stop_stay_blurred() -> None:
    cut = [picture((10, 10))] * 2 + [picture(ground=200)]
    _, pipeline = run(cut, detect_every=1)
    assert pipeline.to_hide().round().tolist() == [[10, 10, 30, 30]]
    stopped = [picture((10 + 4 * i, 10)) for i in range(6)] + [picture()] * 4
    _, pipeline = run(stopped, detect_every=1)
    assert [30, 10, 50, 30] in pipeline.to_hide().round().tolist()


def test_faces_are_detected_again_after_a_gap_or_a_change_of_size() -> None:
    wide = np.full((90, 320, 3), 40, np.uint8)
    seen, _ = run([picture((10, 10)), wide, wide], detect_every=100)
    assert [len(faces) for faces in seen] == [1, 0, 0]
    pipeline = Pipeline(BrightFaces(), ByTurns(), Tracker(), Smoother(0.0), detect_every=100)
    frames = [Frame(picture((10, 10)), 0, 0.0, 0.0), Frame(picture(), 1, 30.0, 0.0)]
    assert [len(pipeline.process(frame)) for frame in frames] == [1, 0]


def test_each_photo_stands_for_itself() -> None:
    classifier = ByTurns([0.9, 0.2])
    seen, pipeline = run([picture((10, 10))] * 3, is_stills=True, classifier=classifier, detect_every=50)
    assert pipeline.detector.n_calls == 3
    assert [faces[0].label for faces in seen] == ["mask", "no_mask", "mask"]
    assert all(faces[0].track is None for faces in seen)


def test_blurring_of_photos_does_not_carry_over_to_the_next_photo() -> None:
    _, pipeline = run([picture((10, 10)), picture((60, 10)), picture((110, 40))], is_stills=True)
    assert pipeline.to_hide().round().tolist() == [[110, 40, 130, 60]]
    assert pipeline._gone == []


def test_boxes_ended_by_a_cut_expire_after_patience() -> None:
    cuts = [picture((10, 10)) if i % 2 else picture((100, 40), ground=200) for i in range(60)]
    _, pipeline = run(cuts, detect_every=1)
    assert pipeline._gone
    assert len(pipeline._gone) <= 25 * pipeline.tracker.patience + 1  # frames in which a face may come back


def test_the_label_is_the_likeliest_class_of_the_smoothed_answer() -> None:
    frames = Frames([picture((10, 10))] * 6, fps=10)
    flickering = [0.9, 0.9, 0.3, 0.9, 0.9, 0.3]
    labels = {}
    for half_life in (0.0, 0.5):
        pipeline = Pipeline(BrightFaces(), ByTurns(flickering), Tracker(), Smoother(half_life), classify_every=1)
        labels[half_life] = [pipeline.process(frame)[0].label for frame in frames.frames()]
    assert labels[0.0] == ["mask", "mask", "no_mask", "mask", "mask", "no_mask"]
    assert labels[0.5] == ["mask"] * 6


def test_crops_have_the_margin_and_are_rgb() -> None:
    class Keeps(ByTurns):
        def predict(self, crops: list[Pixels]) -> np.ndarray:
            self.crops = crops
            return super().predict(crops)

    image = picture((40, 40))
    image[35:40, :, 0] = 200  # blue above the face
    classifier = Keeps()
    run([image], classifier=classifier, margin=[0.0, 0.25, 0.0, 0.0])
    assert classifier.crops[0].shape == (25, 20, 3)
    assert classifier.crops[0][0, 0].tolist() == [40, 40, 200]  # RGB
