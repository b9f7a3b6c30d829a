"""One function labels a video and leaves the calling process unchanged."""

import io
import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from moving_pictures import ByTurns, write_video
from rich.console import Console

from facemask.config.component import Component
from facemask.config.schemas import InferVideoConfig
from facemask.data.preprocessing import Pixels
from facemask.detection.detectors import Faces, as_faces
from facemask.errors import ConfigError
from facemask.inference.predictor import Predictor
from facemask.video.label import label_video
from facemask.video.scene import Scene
from facemask.video.sinks.sink import Sink
from facemask.video.sources.source import Frame, Say, Source
from facemask.video.tally import Tally, show


class OneFace:
    """A detector that is nothing but its method."""

    def detect(self, image: Pixels) -> Faces:
        return as_faces([[10, 10, 40, 40]], [0.9])


class Grey(Source):
    """A source that is nothing but its frames; at one of them a signal comes."""

    def __init__(self, n: int = 6, signal_at: int = -1, is_live: bool = False) -> None:
        self.n, self.signal_at, self.is_live = n, signal_at, is_live

    def frames(self) -> Iterator[Frame]:
        for number in range(self.n):
            if number == self.signal_at:
                os.kill(os.getpid(), signal.SIGINT)
                assert self.ended.wait(10)
            yield Frame(np.full((60, 80, 3), 90, np.uint8), number, number / 20, 0.0)


class Keeps(Sink):
    """Keeps what it is given, where a test can look at it."""

    seen: ClassVar[list[str]] = []
    handlers: ClassVar[list[object]] = []

    def begin(self, source: Source, folder: Path, say: Say) -> None:
        Keeps.seen = [source.name]
        Keeps.handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]

    def write(self, scene: Scene) -> None:
        Keeps.seen += [face.label for face in scene.faces]

    def end(self) -> None:
        Keeps.seen.append("end")


class Nothing:
    pass


def node(kind: type, **arguments: object) -> Component:
    return Component(f"{__name__}.{kind.__name__}", arguments)


@pytest.fixture(autouse=True)
def classifier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Predictor, "load", lambda *_: ByTurns())


def configure(**changed: Any) -> InferVideoConfig:
    values = {"run": "run", "source": node(Grey), "detector": node(OneFace), "sink": {"keeps": node(Keeps)}}
    return InferVideoConfig(**values | changed)


def handlers() -> list[object]:
    return [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]


def test_custom_parts_are_built_from_their_nodes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tally = label_video(configure(source=node(Grey, n=4)), tmp_path / "out")
    assert Keeps.seen == ["source", "mask", "mask", "mask", "mask", "end"]
    assert (tally.source, tally.n_frames, tally.n_tracks, tally.is_interrupted) == ("source", 4, 1, False)
    assert tally.labels == {"mask": 4}
    assert tally.stages.times["detect"] == 1
    assert capsys.readouterr().out == ""
    assert not (tmp_path / "out").exists()
    console = Console(file=io.StringIO(), width=200)
    show(tally, console)
    assert "1 face, seen 4 times: mask 100%." in console.file.getvalue()  # type: ignore[attr-defined]


def test_handlers_of_signals_are_set_meanwhile_and_put_back(tmp_path: Path) -> None:
    before = handlers()
    label_video(configure(), tmp_path)
    assert handlers() == before
    assert all(meanwhile not in before for meanwhile in Keeps.handlers)
    with pytest.raises(ConfigError):
        label_video(configure(source=node(Nothing)), tmp_path)
    assert handlers() == before


@pytest.mark.parametrize("is_live", [True, False])
def test_a_signal_ends_the_source_and_the_counts_are_returned(tmp_path: Path, is_live: bool) -> None:
    tally = label_video(configure(source=node(Grey, n=50, signal_at=8, is_live=is_live)), tmp_path)
    assert tally.n_frames <= 9
    assert Keeps.seen[-1] == "end"
    assert tally.is_interrupted == (not is_live)


def test_another_thread_may_label_and_sets_no_handler(tmp_path: Path) -> None:
    before, tallies = handlers(), list[Tally]()
    thread = threading.Thread(target=lambda: tallies.append(label_video(configure(), tmp_path)))
    thread.start()
    thread.join()
    assert tallies[0].n_frames == 6
    assert Keeps.handlers == before


def test_no_timer_is_left_behind(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    assert label_video(configure(seconds=1000.0), tmp_path).n_frames == 6
    begun = [thread for thread in threading.enumerate() if thread not in before]
    for thread in begun:  # a cancelled timer and rich's stopped refreshing end by themselves, a moment later
        thread.join(10)
    assert [thread.name for thread in begun if thread.is_alive()] == []


@pytest.mark.parametrize(
    ("changed", "expected_error"),
    [
        ({"source": node(Nothing)}, r"source=.*\.Nothing is not a Source; derive it from facemask.video.sources"),
        (
            {"sink": {"mine": node(Nothing)}},
            r"sink.mine=.*\.Nothing is not a Sink; derive it from facemask.video.sinks",
        ),
        ({"detector": node(Nothing)}, r"detector=.*\.Nothing has no method detect\(image\)"),
    ],
)
def test_a_class_of_another_kind_is_one_sentence(tmp_path: Path, changed: dict[str, Any], expected_error: str) -> None:
    with pytest.raises(ConfigError, match=expected_error):
        label_video(configure(**changed), tmp_path)


def test_without_av_videos_are_refused_in_one_sentence_and_photos_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facemask.video.sinks.file.find_spec", lambda _: None)
    sink = {"file": Component("facemask.video.sinks.file.FileSink", {"path": str(tmp_path / "out")})}
    with pytest.raises(ConfigError, match=r"sink=file needs the package av; type: pip install 'facemask\[video\]'"):
        label_video(configure(sink=sink), tmp_path)
    (tmp_path / "photos").mkdir()
    from PIL import Image

    Image.new("RGB", (80, 60)).save(tmp_path / "photos/one.png")
    assert label_video(configure(sink=sink, source=str(tmp_path / "photos")), tmp_path).n_frames == 1
    assert (tmp_path / "out/one.png").is_file()


def test_a_video_file_is_opened_by_its_path(tmp_path: Path) -> None:
    tally = label_video(configure(source=str(write_video(tmp_path / "a.mp4", n=5))), tmp_path)
    assert (tally.source, tally.n_frames) == ("a.mp4", 5)


def test_several_videos_are_labelled_in_turn_with_one_summary(tmp_path: Path) -> None:
    place = tmp_path / "videos"
    place.mkdir()
    for name, n in (("back", 5), ("front door", 7)):
        write_video(place / f"{name}.mp4", n=n)
    sink = {"events": Component("facemask.video.sinks.events.EventsSink")}
    tally = label_video(configure(source=str(place), sink=sink), tmp_path / "out")
    assert (tally.source, tally.n_frames, tally.n_tracks) == ("2 sources", 12, 2)
    lines = {name: (tmp_path / f"out/{name}/events.jsonl").read_text().splitlines() for name in ("back", "front door")}
    assert [len(found) for found in lines.values()] == [5, 7]
    tracks = [{json.loads(line)["track"] for line in found} for found in lines.values()]
    assert tracks == [{1}, {2}]  # no face is taken for one of the video before


def test_events_may_go_to_standard_output_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sink = {"events": Component("facemask.video.sinks.events.EventsSink", {"path": "/dev/stdout"})}
    label_video(configure(sink=sink), tmp_path / "out")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["frame"] for line in lines] == list(range(6))
    print("still open")
    assert capsys.readouterr().out == "still open\n"
