"""Evaluate detection and classification together on annotated photos."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from facemask.data.pictures import read_image
from facemask.detection.annotations import AnnotatedPhoto
from facemask.detection.crop import cut, widen
from facemask.detection.detectors import SIDES, Detector
from facemask.detection.matching import match
from facemask.inference.predictor import Predictor
from facemask.metrics.bootstrap import bootstrap_weights, proportion_interval
from facemask.metrics.classification import Floats

OVERLAP = 0.4  # IoU threshold of a detection and an annotated face
ALL, IGNORED = "all", ""


def evaluate_photo(
    photo: AnnotatedPhoto,
    name: str,
    detector: Detector,
    classifier: Predictor,
    margin: float | Sequence[float],
    is_square: bool,
    min_side: int,
) -> Iterator[dict[str, object]]:
    """Yield one row per annotated face of a photo and per false detection.

    Args:
        photo: annotated photo; detections of faces of class ``IGNORED`` are ignored.
        name: name of the photo in the rows.
        detector: face detector.
        classifier: face classifier.
        margin: as in :func:`facemask.detection.crop.widen`.
        is_square: as in :func:`facemask.detection.crop.widen`.
        min_side: smaller faces, their detections and smaller detections are ignored, pixels.

    Yields:
        ``photo``; ``label`` (None for false detections); ``predicted`` (None for missed faces); ``probability`` of the
        predicted class; the box as ``left``, ``top``, ``right`` and ``bottom``, pixels.
    """
    image = read_image(photo.photo)
    faces = detector.detect(image)
    crops = cut(image, widen(faces.boxes, margin, is_square, image.shape[1], image.shape[0]))
    probabilities = classifier.predict([np.ascontiguousarray(crop) for crop in crops])
    labels = [classifier.class_names[i] for i in probabilities.argmax(axis=1)]
    matched = match(faces.boxes, photo.boxes, OVERLAP)
    detections = {int(truth): detection for detection, truth in enumerate(matched) if truth >= 0}
    height, width = image.shape[:2]
    for truth, (label, box) in enumerate(zip(photo.names, photo.boxes, strict=True)):
        is_large = _side(box.clip(0, [width, height] * 2)) >= max(min_side, 1)  # False for NaN boxes
        if label == IGNORED or not is_large:
            continue
        detection = detections.get(truth)
        row: dict[str, object] = {"photo": name, "label": label, "predicted": None}
        if detection is not None:
            row |= {"predicted": labels[detection], "probability": float(probabilities[detection].max())}
        yield row | _place(box)
    strays = np.flatnonzero((matched < 0) & (np.array([_side(box) for box in faces.boxes], float) >= min_side))
    for stray in strays.tolist():
        row = {"photo": name, "label": None, "predicted": labels[stray]}
        yield row | {"probability": float(probabilities[stray].max()), **_place(faces.boxes[stray])}


def _place(box: npt.NDArray[np.float32]) -> dict[str, float]:
    return dict(zip(SIDES, box.astype(float).round(1).tolist(), strict=True))


def _side(box: npt.NDArray[np.float32]) -> float:
    return float(min(box[2] - box[0], box[3] - box[1]))


def outcome_table(faces: pd.DataFrame, class_names: Sequence[str], n_bootstraps: int, seed: int) -> pd.DataFrame:
    """Return detection and classification rates per class and for all faces.

    Args:
        faces: rows of :func:`evaluate_photo`.
        class_names: classes of the classifier.
        n_bootstraps: number of bootstrap resamples of photos.
        seed: seed of the bootstrap.

    Returns:
        Per class and for all: numbers of ``faces`` and ``photos``; with 95 % intervals ``detected`` (fraction of
        faces), ``correct_of_detected`` (fraction of detected faces) and ``detected_and_correct`` (fraction of faces).
    """
    known = faces[faces["label"].notna()]
    is_detected = known["predicted"].notna().to_numpy().astype(np.float64)
    is_right = (known["predicted"] == known["label"]).to_numpy().astype(np.float64)
    rows = []
    for name in (*class_names, ALL):
        of_class = ((known["label"] == name).to_numpy() | (name == ALL)).astype(np.float64)
        photos = known["photo"][of_class > 0].nunique()
        fractions = {
            "detected": (is_detected * of_class, of_class),
            "correct_of_detected": (is_right * of_class, is_detected * of_class),
            "detected_and_correct": (is_right * of_class, of_class),
        }
        row = {"class": name, "faces": int(of_class.sum()), "photos": int(photos)}
        rows.append(row | _with_intervals(fractions, known["photo"], n_bootstraps, seed))
    return pd.DataFrame(rows)


def detection_table(faces: pd.DataFrame, n_bootstraps: int, seed: int) -> pd.DataFrame:
    """Return the number of ``detections`` and their ``precision`` with its 95 % interval over photos."""
    detections = faces[faces["predicted"].notna()]
    is_face = detections["label"].notna().to_numpy().astype(np.float64)
    precision = {"precision": (is_face, np.ones(len(detections)))}
    row = {"detections": len(detections), "photos": int(detections["photo"].nunique())}
    return pd.DataFrame([row | _with_intervals(precision, detections["photo"], n_bootstraps, seed)])


def confusion(faces: pd.DataFrame, class_names: Sequence[str]) -> pd.DataFrame:
    """Return the confusion matrix with a row for false detections and a column for missed faces."""
    table = pd.crosstab(faces["label"].fillna("not annotated"), faces["predicted"].fillna("missed"))
    rows, columns = [*class_names, "not annotated"], [*class_names, "missed"]
    counts = table.reindex(index=rows, columns=columns, fill_value=0)
    return counts.rename_axis("truth").rename_axis(None, axis=1).reset_index()


def _with_intervals(
    fractions: Mapping[str, tuple[Floats, Floats]], photos: pd.Series, n_bootstraps: int, seed: int
) -> dict[str, float]:
    """Return each fraction, part over whole, with its interval."""
    if photos.empty:
        return {f"{name}{end}": np.nan for name in fractions for end in ("", "_low", "_high")}
    weights = np.concatenate(list(bootstrap_weights(photos.tolist(), n_bootstraps, seed)))
    found: dict[str, float] = {}
    for name, (part, whole) in fractions.items():
        n_photos = photos[whole > 0].nunique()
        value = part.sum() / whole.sum() if whole.sum() else np.nan
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn = (weights @ part) / (weights @ whole)
        low, high = proportion_interval(value, drawn, n_photos)
        found |= {name: value, f"{name}_low": low, f"{name}_high": high}
    return found
