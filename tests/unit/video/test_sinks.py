"""A sink writes every frame to its file, whatever happens in between."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from moving_pictures import Frames, grey_frame, number_of, write_video
from PIL import Image

from facemask.data.preprocessing import Pixels
from facemask.errors import ConfigError
from facemask.video.pipeline import SeenFace
from facemask.video.scene import Scene
from facemask.video.sinks.events import EventsSink
from facemask.video.sinks.file import FileSink
from facemask.video.sinks.window import WindowSink
from facemask.video.sources.source import Frame, Source
from facemask.video.sources.video_file import VideoFile

CLASSES = ("mask", "no_mask")


def face(track: int | None = 1, label: str = "mask") -> SeenFace:
    p = np.array([0.75, 0.25] if label == "mask" else [0.25, 0.75], np.float32)
    return SeenFace(track, np.array([5, 6, 25.26, 30], np.float32), label, p)


def scenes(source: Source, faces: list[SeenFace] | None = None) -> list[Scene]:
    return [Scene(frame, faces or [], CLASSES, 20.0, 1) for frame in source.frames()]


def write_all(
    sink: FileSink | EventsSink, source: Source, folder: Path, faces: list[SeenFace] | None = None
) -> list[str]:
    messages: list[str] = []
    sink.begin(source, folder, messages.append)
    for scene in scenes(source, faces):
        sink.write(scene)
    sink.end()
    return messages


def read(path: Path) -> tuple[list[Pixels], float]:
    capture, images = cv2.VideoCapture(str(path)), []
    while (item := capture.read())[0]:
        images.append(item[1])
    return images, capture.get(cv2.CAP_PROP_FPS)


@pytest.mark.parametrize(("codec", "fps"), [("libx264", 29.97), ("mpeg4", 12.5)])
def test_a_written_video_keeps_number_size_and_rate_of_frames(tmp_path: Path, codec: str, fps: float) -> None:
    source = Frames([grey_frame(i) for i in range(12)], fps=fps)
    messages = write_all(FileSink(str(tmp_path / "new" / "a.mp4"), codec), source, tmp_path)
    images, written_fps = read(tmp_path / "new" / "a.mp4")
    assert [image.shape for image in images] == [(48, 64, 3)] * 12
    assert [number_of(image[:20]) for image in images] == list(range(12))  # above the line of counts
    assert written_fps == pytest.approx(fps, rel=1e-3)
    assert messages == [f"annotated: {tmp_path / 'new' / 'a.mp4'}"]


def test_frames_of_a_camera_carry_their_arrival_time(tmp_path: Path) -> None:
    import av

    source = Frames([], fps=20, is_live=True)
    sink = FileSink(str(tmp_path / "a.mp4"))
    sink.begin(source, tmp_path, lambda _: None)
    times = [0.0, 0.04, 0.5, 2.0]
    for number, seconds in enumerate(times):
        sink.write(Scene(Frame(grey_frame(number), number, seconds, 0.0), [], CLASSES, 20.0, 0))
    sink.end()
    with av.open(str(tmp_path / "a.mp4")) as container:
        shown = [frame.time for frame in container.decode(video=0)]
    assert shown == pytest.approx(times, abs=0.002)


def test_a_video_that_was_never_closed_plays(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    source = Frames([rng.integers(0, 255, (240, 320, 3)).astype(np.uint8) for _ in range(90)], fps=5)
    sink = FileSink(str(tmp_path / "a.mp4"), "mpeg4")
    sink.begin(source, tmp_path, lambda _: None)
    for scene in scenes(source):
        sink.write(scene)
    shutil.copy(tmp_path / "a.mp4", tmp_path / "after_a_crash.mp4")
    sink.end()
    assert len(read(tmp_path / "after_a_crash.mp4")[0]) > 30
    assert len(read(tmp_path / "a.mp4")[0]) == 90


def test_frames_of_another_size_are_fitted_into_the_first_size_with_one_warning(tmp_path: Path) -> None:
    images = [grey_frame(5), grey_frame(5, 65, 49), grey_frame(5, 128, 48), grey_frame(5, 32, 96)]
    messages = write_all(FileSink(str(tmp_path / "a.mp4")), Frames(images), tmp_path)
    written, _ = read(tmp_path / "a.mp4")
    assert [image.shape for image in written] == [(48, 64, 3)] * 4
    assert written[2][:8].mean() < 20  # black above what is wider
    assert [("frame size changes" in sentence) for sentence in messages] == [True, False]


def test_odd_sides_lose_a_pixel(tmp_path: Path) -> None:
    messages = write_all(FileSink(str(tmp_path / "a.mp4")), Frames([grey_frame(5, 65, 49)] * 3), tmp_path)
    assert [image.shape for image in read(tmp_path / "a.mp4")[0]] == [(48, 64, 3)] * 3
    assert len(messages) == 1


def test_photos_are_copied_with_labels_and_the_originals_are_unchanged(tmp_path: Path) -> None:
    source = Frames([grey_frame(5)] * 2, is_stills=True)
    messages = write_all(FileSink(), source, tmp_path, [face(None)])
    copies = sorted((tmp_path / "photos").iterdir())
    assert [copy.name for copy in copies] == ["0.png", "1.png"]
    assert (np.asarray(Image.open(copies[0])) != 90).any()
    assert messages == [f"annotated: {tmp_path / 'photos'}"]


def test_the_source_is_never_written_over(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4")
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="is among the source's files"):
        FileSink(str(path)).begin(VideoFile(path, lambda _: None), tmp_path, lambda _: None)
    assert path.read_bytes() == before


def test_a_missing_or_unsuitable_codec_raises(tmp_path: Path) -> None:
    for codec in ("h267", "aac"):
        with pytest.raises(ConfigError, match=f"sink.file.codec={codec} is not an installed video encoder"):
            FileSink(codec=codec)
    with pytest.raises(ConfigError, match="cannot be written with the codec"):
        write_all(FileSink(str(tmp_path / "a.mp4"), "gif"), Frames([grey_frame(0)]), tmp_path)
    with pytest.raises(ConfigError, match="cannot be written with the codec"):
        write_all(FileSink(str(tmp_path / "a.unknown")), Frames([grey_frame(0)]), tmp_path)


def test_an_event_has_time_box_and_label(tmp_path: Path) -> None:
    write_all(EventsSink(), Frames([grey_frame(0)] * 3), tmp_path, [face(1), face(2, "no_mask")])
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert len(events) == 6
    assert events[3] == {
        "seconds": 0.05,
        "frame": 1,
        "track": 2,
        "box": [5.0, 6.0, 25.3, 30.0],
        "label": "no_mask",
        "probability": 0.75,
    }


def test_only_changes_are_written_if_requested(tmp_path: Path) -> None:
    sink = EventsSink(str(tmp_path / "e.jsonl"), only_changes=True)
    sink.begin(Frames([]), tmp_path, lambda _: None)
    for number, label in enumerate(["mask", "mask", "no_mask", "no_mask", "mask"]):
        sink.write(Scene(Frame(grey_frame(0), number, 0.0, 0.0), [face(1, label)], CLASSES, 20.0, 1))
    sink.end()
    assert [json.loads(line)["frame"] for line in (tmp_path / "e.jsonl").read_text().splitlines()] == [0, 2, 4]


def test_a_face_is_blurred_in_the_output_and_the_frame_is_not_changed() -> None:
    image = np.random.default_rng(0).integers(0, 255, (90, 120, 3)).astype(np.uint8)
    before = image.copy()
    boxes = np.array([[40, 30, 80, 70]], np.float32)
    scene = Scene(Frame(image, 0, 0.0, 0.0), [], CLASSES, 0.0, 0, boxes)
    assert len(np.unique(scene.picture[32:68, 42:78].reshape(-1, 3), axis=0)) <= 36
    assert (image == before).all()


def test_without_a_screen_a_window_raises_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match=r"sink=window needs a screen; use sink=file|has no window support"):
        WindowSink().begin(Frames([]), tmp_path, lambda _: None)
