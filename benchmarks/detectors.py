"""How many faces does each detector find, how many of its detections are faces, and how long does it take?

    python benchmarks/detectors.py path/to/photos [overlays]

The folder contains photos with Pascal VOC files. Faces with a shorter side of at least 24 pixels are counted;
detections of smaller faces are ignored. A detection matches a face if their IoU is at least 0.4.
Ranges are 95 % bootstrap intervals over photos. The optional second argument is a folder for the photos with their
boxes: annotated ones green, detected ones red.
"""

import statistics
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from facemask.annotations.read import read_annotated
from facemask.annotations.table import AnnotatedPhoto
from facemask.cli.messages import fail
from facemask.config.checks.configuration import resolve_typed
from facemask.config.compose import compose
from facemask.config.schemas import EvaluateConfig
from facemask.data.pictures import read_image
from facemask.detection.detectors import Detector
from facemask.detection.matching import average_precision, match
from facemask.errors import FaceMaskError

DETECTORS = ("centerface", "retinaface", "mtcnn", "haar")
SMALLEST, OVERLAP, N_BOOTSTRAPS = 24, 0.4, 1000
CLASSES = {"with_mask": "masked", "without_mask": "bare"}  # all else is worn wrong


def class_of(name: str) -> str:
    """Return the class of an annotation's word."""
    return CLASSES.get(name, "wrong")


def measure(detector: Detector, photos: list[AnnotatedPhoto], overlays: Path | None) -> dict[str, Any]:
    """Run a detector over the photos; return counts by photo, and what they come to."""
    rows, scores, hits, times = [], [], [], []
    detector.detect(read_image(photos[0].photo))  # warm
    for photo in track(photos, type(detector).__name__, console=Console(stderr=True), transient=True):
        image = read_image(photo.photo)
        start = time.perf_counter()
        faces = detector.detect(image)
        times.append((time.perf_counter() - start) * 1000)
        large = (photo.boxes[:, 2:] - photo.boxes[:, :2]).min(axis=1, initial=np.inf) >= SMALLEST
        matched = match(faces.boxes, photo.boxes, OVERLAP)
        counted = np.array([i < 0 or large[i] for i in matched], dtype=bool)
        is_hit = matched >= 0
        scores += faces.scores[counted].tolist()
        hits += is_hit[counted].tolist()
        row = {"finds": counted.sum(), "hits": (is_hit & counted).sum()}
        kinds = np.array([class_of(name) for name in photo.names], dtype=object)
        for kind in ("masked", "bare", "wrong"):
            of_kind = np.flatnonzero(large & (kinds == kind))
            row |= {kind: len(of_kind), f"{kind} found": np.isin(of_kind, matched).sum()}
        rows.append(row)
        if overlays:
            save_overlay(image, photo, faces.boxes, overlays / type(detector).__name__ / f"{photo.photo.stem}.jpg")
    counts = {key: np.array([row[key] for row in rows], dtype=float) for key in rows[0]}
    n_true = int(sum(counts[kind].sum() for kind in ("masked", "bare", "wrong")))
    return {
        "counts": counts,
        "ap": average_precision(scores, hits, n_true),
        "ms": statistics.median(times),
        "n": n_true,
    }


def share(part: np.ndarray, whole: np.ndarray) -> str:
    """Return a share with its interval, drawing photos."""
    if not whole.sum():
        return "–"
    drawn = np.random.default_rng(0).multinomial(len(whole), np.full(len(whole), 1 / len(whole)), size=N_BOOTSTRAPS)
    with np.errstate(invalid="ignore", divide="ignore"):
        low, high = np.nanquantile((drawn @ part) / (drawn @ whole), [0.025, 0.975])
    return f"{part.sum() / whole.sum():.2f}\n{low:.2f}-{high:.2f}"


def save_overlay(image: np.ndarray, photo: AnnotatedPhoto, boxes: np.ndarray, file: Path) -> None:
    """Write a photo with its boxes."""
    drawn = image.copy()
    for some, color in ((photo.boxes, (0, 200, 0)), (boxes, (230, 30, 30))):
        for left, top, right, bottom in some.round().astype(int).tolist():
            cv2.rectangle(drawn, (left, top), (right, bottom), color, 2)
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), drawn[..., ::-1])


def main() -> None:
    """Measure every detector that can be had, and print the table."""
    if len(sys.argv) not in (2, 3):
        fail("type: python benchmarks/detectors.py path/to/photos [overlays]", 2)
    overlays = Path(sys.argv[2]) if len(sys.argv) == 3 else None
    console = Console()
    try:
        photos = read_annotated(Path(sys.argv[1])).photos
    except FaceMaskError as error:
        fail(str(error), 2)
    table, n_true, kinds_shown = Table(title_justify="left"), 0, ""
    for column in ("detector", "recall", "masked", "bare", "wrong", "precision", "AP", "ms a photo"):
        table.add_column(column, justify="left" if column == "detector" else "right", no_wrap=True)
    for name in DETECTORS:
        config = resolve_typed(compose("evaluate", [f"detector={name}"]), EvaluateConfig, "evaluate.py")
        try:
            found = measure(config.detector.build(), photos, overlays)
        except FaceMaskError as error:
            console.print(f"{name}: {error}", soft_wrap=True, highlight=False, markup=False)
            continue
        counts, n_true = found["counts"], found["n"]
        kinds = ("masked", "bare", "wrong")
        total, hit = sum(counts[kind] for kind in kinds), sum(counts[f"{kind} found"] for kind in kinds)
        cells = [share(hit, total), *(share(counts[f"{kind} found"], counts[kind]) for kind in kinds)]
        cells += [share(counts["hits"], counts["finds"]), f"{found['ap']:.2f}", f"{found['ms']:.0f}"]
        table.add_row(name, *cells)
        kinds_shown = ", ".join(f"{int(counts[kind].sum())} {kind}" for kind in kinds)
    table.title = f"{len(photos)} photos, {n_true} faces of {SMALLEST} px or more ({kinds_shown}), IoU {OVERLAP}"
    console.print(table)


if __name__ == "__main__":
    main()
