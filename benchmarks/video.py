"""How much faster is the video pipeline than a plain loop over frames, and how much accuracy does that cost?

    python benchmarks/video.py RUN path/to/videos [path/to/photos] [MODEL]

In every frame, the loop detects the faces (with MTCNN in PyTorch, as in the SF-MASK study, or with CenterFace, as our
pipeline does), resizes each with Pillow, converts it with torchvision and classifies it, one face at a time. Our
pipeline detects in some frames, tracks the faces in between and classifies them in batches. RUN is a run folder; MODEL
is another model for our pipeline, such as the exported run. All draw boxes and labels and write no file; detectors get
pictures of at most 640 pixels. The passes alternate.

A pipeline could be fast because it misses faces. The benchmark therefore also reports the fraction of the faces found
by the loop with the same detector that our pipeline finds and labels equally; and, for photos with Pascal VOC files,
the fraction of faces of at least 24 pixels that each finds and classifies correctly.
"""

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageOps
from rich.console import Console
from rich.table import Table
from torchvision.transforms import v2

from facemask.annotations.naming import to_classes
from facemask.annotations.read import read_annotated
from facemask.cli.messages import fail
from facemask.config.checks.configuration import resolve_typed
from facemask.config.compose import compose
from facemask.config.schemas import EvaluateConfig, InferVideoConfig
from facemask.data.preprocessing import Pixels
from facemask.detection.crop import cut, widen
from facemask.detection.detectors import Detector
from facemask.detection.matching import match
from facemask.detection.track import Tracker
from facemask.errors import FaceMaskError
from facemask.evaluation.end_to_end import COLUMNS, OVERLAP, evaluate_photo, outcome_table
from facemask.inference.predictor import Predictor
from facemask.models.checkpoint import load_model
from facemask.video.capture import Capture
from facemask.video.overlay import draw
from facemask.video.pipeline import Pipeline, SeenFace
from facemask.video.smoothing import Smoother
from facemask.video.sources.video_file import VideoFile

Labelled = list[list[SeenFace]]  # the faces of each frame
Way = Callable[[Path], Labelled]
PASSES, MIN_SIDE = 2, 24
DETECTORS = ("mtcnn", "centerface")
VIDEOS = (".mp4", ".avi", ".mov", ".mkv")
STAGES = ("detect", "track", "classify", "draw")


class OneByOne:
    """The network in PyTorch, asked about one face at a time, with Pillow and torchvision before it."""

    def __init__(self, run: Path) -> None:
        checkpoint = run if run.is_file() else next(iter(sorted(run.glob("fold-*/best.ckpt"))))
        self.model, self.record = load_model(checkpoint)
        self.class_names = self.record.class_names
        size = self.record.input_size
        self.transform = v2.Compose(
            [
                v2.Lambda(lambda image: ImageOps.pad(image, (size, size))),
                v2.ToImage(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(self.record.mean, self.record.std),
            ]
        )

    def predict(self, crops: list[Pixels]) -> np.ndarray:
        """Return float32[N, C]."""
        answers = []
        with torch.inference_mode():
            for crop in crops:
                logits = self.model(self.transform(Image.fromarray(crop))[None])
                answers.append(logits.softmax(dim=1)[0].numpy())
        return np.stack(answers) if answers else np.empty((0, len(self.class_names)), np.float32)


def loop_over(video: Path, detector: Detector, classifier: OneByOne, margin: float | list[float]) -> Labelled:
    """Label a video in the straightforward way; return the faces of each frame."""
    capture = cv2.VideoCapture(str(video))
    labelled: Labelled = []
    while True:
        is_there, image = capture.read()
        if not is_there:
            return labelled
        frame = np.asarray(image, np.uint8)
        rgb = np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8)
        faces = detector.detect(rgb)
        crops = cut(rgb, widen(faces.boxes, margin, False, rgb.shape[1], rgb.shape[0]))
        seen = []
        for box, crop in zip(faces.boxes, crops, strict=True):
            p = classifier.predict([crop])[0]
            seen.append(SeenFace(None, box, classifier.class_names[int(p.argmax())], p))
        draw(frame, seen, classifier.class_names, "")
        labelled.append(seen)


def pipe(video: Path, pipeline: Pipeline) -> Labelled:
    """Label a video with ours; return the faces of each frame."""
    labelled, names = [], pipeline.classifier.class_names
    with Capture(VideoFile(video, print)) as capture:
        for frame in capture:
            faces = pipeline.process(frame)
            with pipeline.stopwatch.time("draw"):
                draw(frame.image.copy(), faces, names, "")
            labelled.append(faces)
    return labelled


def time_passes(ways: dict[str, Way], videos: list[Path]) -> tuple[dict[str, list[float]], dict[str, Labelled]]:
    """Return frames per second of each way, pass by pass, and what each saw in the last."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    saw: dict[str, Labelled] = {}
    for _ in range(PASSES):
        for name, way in ways.items():
            start = time.perf_counter()
            saw[name] = [faces for video in videos for faces in way(video)]
            rates[name].append(len(saw[name]) / (time.perf_counter() - start))
    return rates, saw


def agreement(reference: Labelled, other: Labelled) -> tuple[int, float, float]:
    """Return how many faces the reference saw, and the shares of them that the other saw, and called the same."""
    n = n_seen = n_same = 0
    for faces, others in zip(reference, other, strict=True):
        found, expected = (np.array([f.box for f in some], np.float32).reshape(-1, 4) for some in (others, faces))
        n += len(faces)
        for i, j in enumerate(match(found, expected, OVERLAP)):
            n_seen += j >= 0
            n_same += j >= 0 and others[i].label == faces[j].label
    return n, n_seen / n, n_same / n


def accuracy(
    photos: Path, detector: Detector, classifier: Any, margin: float | list[float], classes: dict[str, str | None]
) -> pd.Series:
    """Return the last line of the outcome on annotated photos."""
    rows = [
        row
        for photo in to_classes(read_annotated(photos).photos, classes)
        for row in evaluate_photo(photo, photo.photo.name, detector, classifier, margin, False, MIN_SIDE)
    ]
    faces = pd.DataFrame(rows, columns=COLUMNS)
    return outcome_table(faces, classifier.class_names, 1000, 0).iloc[-1]


def video_config(run: Path, *overrides: str) -> InferVideoConfig:
    """Return the configuration of ``infer_video.py``."""
    return resolve_typed(compose("infer_video", [f"run='{run}'", *overrides]), InferVideoConfig, "infer_video.py")


def add_row(table: Table, name: str, rates: dict[str, list[float]], row: pd.Series | None) -> None:
    """Add a way's speed, and its accuracy where that was measured."""
    ratios = [a / b for a, b in zip(rates["ours"], rates[name], strict=True)]
    speed = f"{statistics.median(rates[name]):.1f}"
    cells = [speed, f"{statistics.median(ratios):.1f}x ({min(ratios):.1f}-{max(ratios):.1f})"]
    if row is not None:
        keys = ("detected", "correct_of_answered", "detected_and_correct")
        cells += [f"{row[key]:.3f} ({row[f'{key}_low']:.3f}-{row[f'{key}_high']:.3f})" for key in keys]
    table.add_row(name, *cells)


def describe_stages(pipelines: list[Pipeline], n_frames: int, seconds: float) -> str:
    """Return where the time went, in milliseconds a frame."""
    spent = {name: sum(p.stopwatch.seconds[name] for p in pipelines) for name in STAGES}
    words = [f"{name} {s / n_frames * 1000:.1f}" for name, s in spent.items()]
    rest = (seconds - sum(spent.values())) / n_frames * 1000
    return f"Ours, milliseconds a frame: {', '.join(words)}, waiting for frames and all else {rest:.1f}."


def main() -> None:
    """Measure and print."""
    if len(sys.argv) not in (3, 4, 5):
        fail("type: python benchmarks/video.py RUN path/to/videos [path/to/photos] [MODEL]", 2)
    run, folder = Path(sys.argv[1]), Path(sys.argv[2])
    videos = sorted(path for path in folder.iterdir() if path.suffix.lower() in VIDEOS)
    photos = Path(sys.argv[3]) if len(sys.argv) > 3 else None
    video = video_config(run)
    margin = video.crop.margin
    classes = resolve_typed(compose("evaluate"), EvaluateConfig, "evaluate.py").classes
    try:
        slow, quick = OneByOne(run), Predictor.load(sys.argv[4] if len(sys.argv) > 4 else run)
        found_by = {name: video_config(run, f"detector={name}").detector.build() for name in DETECTORS}
    except FaceMaskError as error:
        fail(str(error), 2)
    pipelines: list[Pipeline] = []

    def ours(path: Path) -> Labelled:
        tools = (found_by["centerface"], quick, Tracker(), Smoother(video.half_life))
        pipelines.append(Pipeline(*tools, margin, False, video.detect_every, video.classify_every))
        return pipe(path, pipelines[-1])

    ways: dict[str, Way] = {
        f"loop, {name}": partial(loop_over, detector=detector, classifier=slow, margin=margin)
        for name, detector in found_by.items()
    }
    rates, saw = time_passes(ways | {"ours": ours}, videos)
    n = len(saw["ours"])
    table = Table(title=f"{len(videos)} videos, {n:,} frames, {PASSES} passes each in turn", title_justify="left")
    for column in ("", "frames per second", "ours is faster by", "faces found", "of these right", "found and right"):
        table.add_column(column, justify="left" if not column else "right")
    for name in rates:
        detector = found_by["mtcnn" if "mtcnn" in name else "centerface"]
        row = accuracy(photos, detector, quick if name == "ours" else slow, margin, classes) if photos else None
        add_row(table, name, rates, row)
    console = Console(width=150)
    console.print(table)
    console.print(describe_stages(pipelines, n * PASSES, sum(n / rate for rate in rates["ours"])))
    n_faces, seen, same = agreement(saw["loop, centerface"], saw["ours"])
    console.print(
        f"Frames: of the {n_faces:,} faces that the loop with the same detector saw, ours saw {seen:.1%} too,"
    )
    console.print(f"and called {same:.1%} the same: this is what following and averaging change.")
    if photos:
        what = f"faces of {MIN_SIDE} pixels or more in {photos.name}; ranges: 95 % bootstrap intervals over photos"
        console.print(f"Photos, each for itself, hence detector and classifier alone: {what}.")


if __name__ == "__main__":
    main()
