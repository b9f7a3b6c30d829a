"""``infer_video.py`` as users run it."""

import json
import os
import signal
import time
from fractions import Fraction
from multiprocessing.process import BaseProcess
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from commands import Outcome, assert_refused, call_command, type_command
from conftest import PROJECT, write_faces
from facemask.training.fit import fit_folds
from fits import configure

pytestmark = pytest.mark.slow

N_FRAMES, SIZE = 24, 256  # frames a video has, and their side
FACE = (0.354, 0.113, 0.527, 0.347)  # where the astronaut's face is, as fractions of the picture


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained run, a video of a face that moves, one without a face, and photos."""
    place = tmp_path_factory.mktemp("video")
    fit_folds(configure(write_faces(place / "faces", {"mask": 20, "no_mask": 16}), place), place / "run")
    face = cv2.resize(astronaut(), (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    write_video(place / "face.mp4", [np.roll(face, i, axis=1) for i in range(N_FRAMES)])
    write_video(place / "empty.mp4", [np.full((SIZE, SIZE, 3), 90, np.uint8)] * N_FRAMES)
    for name in ("one.png", "more/two.jpg"):
        (place / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(face).save(place / "photos" / name)
    (place / "photos" / "broken.jpg").write_bytes(b"no images")
    return place


def write_video(path: Path, images: list[np.ndarray]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(25))
        stream.height, stream.width = images[0].shape[:2]
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))


def infer(place: Path, *words: str) -> Outcome:
    return call_command(PROJECT / "infer_video.py", ["run=run", *words], place, {})


def events(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def n_frames(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_a_video_is_written_with_all_frames_and_a_list_of_events(place: Path) -> None:
    done = infer(place, "source=face.mp4", "sink=[file,events]", "hydra.run.dir=both")
    assert done.code == 0, done.err
    assert n_frames(place / "both/face.mp4") == N_FRAMES
    seen = events(place / "both/events.jsonl")
    assert [event["frame"] for event in seen] == list(range(N_FRAMES))
    assert {event["track"] for event in seen} == {1}
    first = np.array(seen[0]["box"]) / SIZE
    assert first == pytest.approx(FACE, abs=0.05)
    assert f"face.mp4: {N_FRAMES} frames in" in done.out
    assert f"1 face, seen {N_FRAMES} times" in done.out
    for stage in ("detect", "track", "classify", "output"):
        assert stage in done.out
    assert "both/events.jsonl" in done.err


def test_events_on_standard_output_can_be_read_by_another_program(place: Path) -> None:
    done = infer(place, "source=face.mp4", "sink=events", "sink.events.path=-", "hydra.run.dir=piped")
    assert done.code == 0, done.err
    assert [json.loads(line)["frame"] for line in done.out.splitlines()] == list(range(N_FRAMES))
    assert f"face.mp4: {N_FRAMES} frames in" in done.err
    assert not (place / "piped").exists()


def test_a_checkpoint_predicts_the_same_as_its_run(place: Path) -> None:
    for run in ("run", "run/fold-0/best.ckpt"):
        done = infer(place, f"run={run}", "source=face.mp4", "sink=events", f"hydra.run.dir=of_{Path(run).stem}")
        assert done.code == 0, done.err
    assert events(place / "of_run/events.jsonl") == events(place / "of_best/events.jsonl")


def test_a_video_without_a_face_is_no_error_and_leaves_no_empty_folder(place: Path) -> None:
    done = infer(place, "source=empty.mp4", "sink=none", "hydra.run.dir=nothing")
    assert done.code == 0, done.err
    assert "No faces were found." in done.out
    assert not (place / "nothing").exists()


def test_photos_are_copied_with_labels_drawn(place: Path) -> None:
    done = infer(place, "source=photos", "sink=[file,events]", "hydra.run.dir=copies")
    assert done.code == 0, done.err
    copies = {path.relative_to(place / "copies/photos").as_posix() for path in (place / "copies/photos").rglob("*.*")}
    assert copies == {"one.png", "more/two.jpg"}
    assert [event["photo"] for event in events(place / "copies/events.jsonl")] == ["more/two.jpg", "one.png"]
    assert "broken.jpg cannot be read" in done.err
    assert "2 faces: " in done.out


def test_blurred_faces_keep_no_detail_in_any_frame(place: Path) -> None:
    for privacy in ("none", "blur"):
        done = infer(place, "source=face.mp4", "sink=file", f"privacy={privacy}", f"hydra.run.dir=with_{privacy}")
        assert done.code == 0, done.err
    original, shown, blurred = (
        details(place / name) for name in ("face.mp4", "with_none/face.mp4", "with_blur/face.mp4")
    )
    assert all(np.corrcoef(a, b)[0, 1] > 0.8 for a, b in zip(original, shown, strict=True))
    assert all(np.corrcoef(a, b)[0, 1] < 0.5 for a, b in zip(original, blurred, strict=True))


def details(path: Path) -> list[np.ndarray]:
    """Return the fine structure of the face in every frame, where it moves by a pixel a frame."""
    left, top, right, bottom = (round(side * SIZE) for side in FACE)
    with av.open(str(path)) as container:
        images = [frame.to_ndarray(format="gray").astype(float) for frame in container.decode(video=0)]
    fine = [image - cv2.GaussianBlur(image, (0, 0), 6) for image in images]
    return [image[top + 8 : bottom - 8, left + i + 8 : right + i - 8].ravel() for i, image in enumerate(fine)]


def test_it_stops_after_the_given_seconds(place: Path) -> None:
    done = infer(place, "source=face.mp4", "loop=true", "live=true", "seconds=0.5", "sink=none")
    assert done.code == 0, done.err
    assert "delay" in done.out


@pytest.mark.parametrize(
    ("how", "is_live", "code"), [(signal.SIGINT, True, 0), (signal.SIGTERM, True, 0), (signal.SIGINT, False, 130)]
)
def test_signals_close_the_written_files(place: Path, how: signal.Signals, is_live: bool, code: int) -> None:
    out = place / f"ended_{how.name}_{is_live}"
    words = [f"live={is_live}", "loop=true", "source=face.mp4", "sink=[file,events]", f"hydra.run.dir={out}"]

    def end_it(process: BaseProcess) -> None:
        deadline = time.monotonic() + 120
        while not ((out / "events.jsonl").exists() and (out / "events.jsonl").stat().st_size) and process.is_alive():
            assert time.monotonic() < deadline
        os.kill(process.pid or 0, how)

    done = type_command(PROJECT / "infer_video.py", ["run=run", *words], place, {}, end_it)
    assert done.code == code, done.err
    assert "Traceback" not in done.err
    assert "face.mp4: " in done.out
    assert n_frames(out / "face.mp4") > 0


WRONG = [
    ("source=missing.mp4", "source=missing.mp4 does not exist"),
    ("source=", "source has no value"),
    ("sink=events sink.events.path=face.mp4", "is among the source's files"),
    ("source=photos sink=file sink.file.path=photos/annotated", "is among the source's files"),
    ("source=99999999999", "does not exist"),
    ("source=photos sink=web", "sink=web shows videos"),
    ("privacy=blur patience=0", "patience must be greater than 0"),
    ("source=97", "source=97: there is no such camera"),
    ("source=store", "store contains no photos"),
    ("source=run/result.json", "cannot be read as a video or an image"),
    ("source=photos/broken.jpg", "broken.jpg cannot be read as an image"),
    ("source=http://127.0.0.1:9/live reconnect=1", "cannot be opened; check the URL"),
    ("run=faces", "config.yaml"),
    ("run=missing", "missing does not exist"),
    ("run=photos/one.png", "is not a model file"),
    ("sink=screen", "there is no such sink; choose from: "),
    ("sink=file sink.file.codec=h267", "sink.file.codec=h267 is not an installed video encoder"),
    ("sink=file sink.file.path=face.mp4", "is among the source's files"),
    ("sink=web sink.web.port=99999", "sink.web.port must be"),
    ("sink=file sink.file.size=3", "sink.file.size is not a key; did you mean sink.file?"),
    ("detector=yolo", "there is no such detector"),
    ("detector.threshold=2", "detector.threshold must be less than or equal to 1, got 2."),
    ("detect_every=0", "detect_every must be at least 1 frame, got 0."),
    ("half_life=-1", "half_life must be finite and at least 0 seconds, got -1.0."),
    ("privacy=black", "privacy must be one of none, blur, got black."),
    ("crop.margin=[1,2]", "'crop.margin=[0.1,0.3,0.1,0.1]', got [1, 2]."),
    ("crop.margin=wide", "'crop.margin=[0.1,0.3,0.1,0.1]', got wide."),
    ("seconds=0", "seconds must be greater than 0, got 0.0."),
    ("detect_evry=3", "detect_evry is not a key; did you mean detect_every?"),
    ("-m source=face.mp4", "is only supported by train.py"),
]


@pytest.mark.parametrize(("line", "expected_error"), WRONG, ids=[line for line, _ in WRONG])
def test_an_invalid_command_gets_one_sentence_and_exit_code_two(place: Path, line: str, expected_error: str) -> None:
    before = sorted(place.rglob("*"))
    words = line.split()
    defaults = {"source": "face.mp4", "sink": "none"}
    words += [f"{key}={value}" for key, value in defaults.items() if not any(w.startswith(f"{key}=") for w in words)]
    done = infer(place, *words, "hydra.run.dir=refused")
    assert_refused(done, expected_error)
    assert sorted(place.rglob("*")) == before


def test_without_a_run_the_ready_made_model_labels_and_is_named(place: Path) -> None:
    words = ["source=face.mp4", "sink=events", "hydra.run.dir=ready"]
    done = call_command(PROJECT / "infer_video.py", words, place, {})
    assert done.code == 0, done.err
    assert "note: no run= was given, so the ready-made model is used; its scores and limits: " in done.err
    (file,) = (place / "ready").rglob("*.jsonl")
    labels = [face["label"] for event in events(file) for face in event.get("faces", [event]) if "label" in face]
    assert labels.count("no_mask") > len(labels) / 2 > 0
