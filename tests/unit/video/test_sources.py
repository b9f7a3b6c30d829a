"""Every frame of a file is read, and a lost camera is reconnected."""

import threading
import time
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import numpy as np
import pytest
from moving_pictures import FakeCamera, grey_frame, number_of, write_video
from PIL import Image

from facemask.errors import ConfigError, DataError
from facemask.video.sources.camera import Camera, has_gstreamer
from facemask.video.sources.opening import open_sources
from facemask.video.sources.photos import Photos
from facemask.video.sources.source import Source, without_password
from facemask.video.sources.video_file import VideoFile


def silent(sentence: str) -> None:
    raise AssertionError(f"unexpected message: {sentence}")


def open_source(what: int | str, say: Callable[[str], None], **options: bool) -> Source:
    (source,) = open_sources(what, say, **options)  # type: ignore[arg-type]
    return source


def test_every_frame_of_a_file_comes_once_in_order_and_on_time(tmp_path: Path) -> None:
    source = open_source(str(write_video(tmp_path / "a.mp4", n=12, fps=20)), silent)
    frames = list(source.frames())
    assert [number_of(frame.image) for frame in frames] == list(range(12))
    assert [frame.seconds for frame in frames] == pytest.approx([i / 20 for i in range(12)])
    assert (source.fps, source.n_frames, source.is_live) == (20, 12, False)


def test_frames_of_a_variable_rate_keep_their_own_times(tmp_path: Path) -> None:
    times = [0.0, 0.05, 0.5, 0.6, 2.0]
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("mpeg4", rate=20)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, seconds in enumerate(times):
            frame = av.VideoFrame.from_ndarray(grey_frame(number), format="bgr24")
            frame.pts, frame.time_base = round(seconds * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    source = open_source(str(tmp_path / "a.mkv"), silent)
    assert [frame.seconds for frame in source.frames()] == pytest.approx(times, abs=0.01)


def test_a_looped_file_begins_again_and_its_time_goes_on(tmp_path: Path) -> None:
    source = VideoFile(write_video(tmp_path / "a.mp4", n=3), silent, is_looped=True)
    frames = []
    for frame in source.frames():
        frames.append(frame)
        if len(frames) == 8:
            source.ended.set()
    assert [number_of(frame.image) for frame in frames] == [0, 1, 2, 0, 1, 2, 0, 1]
    assert [frame.number for frame in frames] == list(range(8))


def test_a_file_played_live_keeps_its_own_speed(tmp_path: Path) -> None:
    source = open_source(str(write_video(tmp_path / "a.mp4", n=5, fps=50)), silent, is_live=True)
    start = time.monotonic()
    read_at = [frame.read_at - start for frame in source.frames()]
    assert source.is_live
    assert all(at >= number / 50 for number, at in enumerate(read_at))


def test_a_damaged_end_is_reported(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "a.avi", n=200, width=320, height=240)
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 3])
    messages: list[str] = []
    n = len(list(VideoFile(cut, messages.append).frames()))
    assert 0 < n < 200
    assert len(messages) == 1
    assert "the rest cannot be decoded" in messages[0]


@pytest.mark.parametrize("content", [b"", b"not a video at all" * 100])
def test_undecodable_video_raises(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read as a video"):
        open_source(str(path), silent)


def test_missing_source_raises(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="missing.mp4 does not exist"):
        open_source(str(tmp_path / "missing.mp4"), silent)
    with pytest.raises(DataError, match="contains no photos"):
        open_source(str(tmp_path), silent)
    with pytest.raises(DataError, match="source has no value"):
        open_source("", silent)
    with pytest.raises(DataError, match="source=97: there is no such camera"):
        open_source(97, silent)


def test_photos_come_by_name_from_every_folder_and_damaged_ones_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name, value in (("b/z.png", 30), ("a.jpg", 10)):
        Image.fromarray(np.full((8, 9, 3), (value, 0, 0), np.uint8)).save(tmp_path / name, quality=100)
    (tmp_path / "broken.png").write_bytes(b"no images")
    messages: list[str] = []
    frames = list(open_source(str(tmp_path), messages.append).frames())
    assert [frame.name for frame in frames] == ["a.jpg", "b/z.png"]
    assert [int(frame.image[..., 2].mean()) for frame in frames] == [10, 30]  # red comes third in BGR
    assert len(messages) == 1
    assert "broken.png cannot be read" in messages[0]


def test_a_single_damaged_photo_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no images")
    with pytest.raises(DataError, match="broken.png cannot be read"):
        list(Photos(tmp_path / "broken.png", silent).frames())


def test_a_lost_camera_is_reconnected_and_its_password_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facemask.video.sources.camera.FIRST_PAUSE", 0.05)
    camera, messages = FakeCamera(), list[str]()
    source = Camera(camera.address, messages.append, reconnect=30)
    frames = source.frames()
    before = [next(frames) for _ in range(5)]
    camera.switch_off()
    is_back = False

    def say(sentence: str) -> None:
        nonlocal is_back
        messages.append(sentence)
        if "connection lost" in sentence:
            camera.switch_on()
        is_back |= "connected again" in sentence

    source._say = say
    after = next(frame for frame in frames if is_back)
    source.ended.set()
    assert list(frames) == []
    camera.switch_off()
    assert [frame.number for frame in before] == list(range(5))
    assert after.number >= 5
    assert after.seconds > before[-1].seconds
    assert any("connection lost; reconnecting for up to 30 s" in sentence for sentence in messages)
    assert "secret" not in source.name + "".join(messages)


def test_a_camera_that_cannot_be_reconnected_ends_the_source() -> None:
    camera, messages = FakeCamera(), list[str]()
    source = Camera(camera.address, messages.append, reconnect=0.2)
    frames = source.frames()
    next(frames)
    camera.switch_off()
    for _ in frames:
        pass
    assert messages[-1].endswith("no connection for 0.2 s.")


def test_a_missing_camera_raises() -> None:
    camera = FakeCamera()
    camera.switch_off()
    with pytest.raises(DataError, match=r"http://127.0.0.1:\d+/live.mjpg cannot be opened; check the URL"):
        open_sources(camera.address, silent, reconnect=0)


def test_a_stream_that_is_not_there_yet_is_waited_for() -> None:
    camera, messages = FakeCamera(), list[str]()
    camera.switch_off()
    timer = threading.Timer(1.0, camera.switch_on)
    timer.start()
    (source,) = open_sources(camera.address, messages.append, reconnect=20)
    assert source.is_live
    assert messages == [f"{source.name} is not there yet; waiting for up to 20 s."]
    next(iter(source.frames()))
    source.ended.set()


def test_devices_and_pipelines_are_cameras() -> None:
    with pytest.raises(DataError, match="source=97: there is no such camera"):
        open_source("/dev/video97", silent)
    expected = "cannot be opened by GStreamer" if has_gstreamer() else "this build of OpenCV has no GStreamer; install"
    with pytest.raises(DataError, match=expected):
        open_source("nosuchelement ! appsink", silent)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://admin:a@b/c@10.0.0.7:554/stream", "rtsp://10.0.0.7:554/stream"),
        ("rtsp://10.0.0.7/stream?user=admin&pwd=secret", "rtsp://10.0.0.7/stream"),
        ("rtsp://admin:p?s@10.0.0.7/stream", "rtsp://10.0.0.7/stream"),
        ("http://admin:pw@cam/live", "http://cam/live"),
    ],
)
def test_a_password_is_taken_out_of_an_address(address: str, shown: str) -> None:
    assert without_password(address) == shown


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Videos and photos as people have them, with what systems leave beside them."""
    for name in ("front door.mp4", "b/back.AVI", "._front door.mp4", ".cache/x.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        written = write_video(tmp_path / f"new.{name[-3:].lower()}", n=3)
        written.rename(tmp_path / name)
    for name in ("a.jpg", "c.jfif"):
        Image.new("RGB", (9, 8)).save(tmp_path / name, format="JPEG")
    (tmp_path / "._a.jpg").write_bytes(b"\0\5\x16\7")
    (tmp_path / ".thumbnails").mkdir()
    Image.new("RGB", (9, 8)).save(tmp_path / ".thumbnails/a.jpg")
    return tmp_path


def test_a_folder_of_videos_is_each_in_turn_after_its_photos(mixed: Path) -> None:
    photos, *videos = open_sources(str(mixed), silent)
    assert [frame.name for frame in photos.frames()] == ["a.jpg", "c.jfif"]
    assert [video.name for video in videos] == ["back.AVI", "front door.mp4"]
    assert all(len(list(video.frames())) == 3 for video in videos)
    for name in ("a.jpg", "c.jfif"):
        (mixed / name).unlink()
    assert len(open_sources(str(mixed), silent)) == 2


def test_a_pattern_names_several_and_damaged_ones_are_skipped(mixed: Path) -> None:
    (mixed / "z.mp4").write_bytes(b"no video")
    messages: list[str] = []
    assert [source.name for source in open_sources(f"{mixed}/*.mp4", messages.append)] == ["front door.mp4"]
    assert len(messages) == 1
    assert "z.mp4 cannot be read as a video or an image" in messages[0]
    assert messages[0].endswith("Skipped.")
    with pytest.raises(DataError, match="matches no file; correct the pattern"):
        open_sources(f"{mixed}/*.mkv", silent)
    with pytest.raises(DataError, match="none of 1 files can be opened"):
        open_sources(f"{mixed}/z*", messages.append)
    with pytest.raises(ConfigError, match="loop=true only applies to one video"):
        open_sources(str(mixed), silent, is_looped=True)
    (mixed / "[1].mp4").write_bytes((mixed / "front door.mp4").read_bytes())  # exists under that name
    assert [source.name for source in open_sources(f"{mixed}/[1].mp4", silent)] == ["[1].mp4"]


def test_a_video_behind_a_url_ends_with_every_frame_once(tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", n=12)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        source = open_source(f"http://127.0.0.1:{server.server_port}/clip.mp4", silent)
        assert (source.name, source.path, source.is_live) == ("clip.mp4", None, False)
        assert [number_of(frame.image) for frame in source.frames()] == list(range(12))
    finally:
        server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Print nothing."""
