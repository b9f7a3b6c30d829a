"""Evaluate detection and classification together on annotated photos."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from facemask.annotations.table import AnnotatedPhoto
from facemask.data.pictures import read_image
from facemask.detection.crop import cut, widen
from facemask.detection.detectors import SIDES, Detector
from facemask.detection.matching import match, weighted_average_precision
from facemask.inference.answers import UNSURE, Answers
from facemask.inference.predictor import Predictor
from facemask.metrics.bootstrap import bootstrap_weights, proportion_interval
from facemask.metrics.classification import Floats

OVERLAP = 0.4  # IoU threshold of a detection and an annotated face
AP_IOU = 0.5  # IoU threshold of the average precision, as in PASCAL VOC
COLUMNS = ["photo", "label", "predicted", "probability", "score", "is_face", *SIDES]
FACE_SIDES = (1, 8, 16, 24, 32, 48, 64, 96, np.inf)  # edges of the size bins, pixels
ENOUGH = 10  # smallest number of faces from which a size bin is judged
ALL, IGNORED = "all", ""


def evaluate_photo(
    photo: AnnotatedPhoto,
    name: str,
    detector: Detector,
    classifier: Predictor,
    margin: float | Sequence[float],
    is_square: bool,
    min_side: int,
    answers: Answers | None = None,
) -> Iterator[dict[str, object]]:
    """Yield one row per annotated face of a photo and per false detection.

    Args:
        photo: annotated photo; detections of faces of class ``IGNORED`` are ignored.
        name: name of the photo in the rows.
        detector: face detector.
        classifier: face classifier.
        margin: as in :func:`facemask.detection.crop.widen`.
        is_square: as in :func:`facemask.detection.crop.widen`.
        min_side: faces and detections with a shorter side are ignored, pixels.
        answers: rule for ``predicted``; None for the most probable class of every face.

    Yields:
        ``photo``; ``label`` (None for false detections); ``predicted`` (None for missed faces), which may be
        ``unsure``; ``probability`` of the most probable class; ``score`` of the detection; ``is_face``, whether it
        matches a face at an IoU of ``AP_IOU`` (None for missed faces); the box as ``left``, ``top``, ``right`` and
        ``bottom``, pixels.
    """
    image = read_image(photo.photo)
    faces = detector.detect(image)
    crops = cut(image, widen(faces.boxes, margin, is_square, image.shape[1], image.shape[0]))
    probabilities = classifier.predict([np.ascontiguousarray(crop) for crop in crops])
    rule = answers or Answers(tuple(classifier.class_names))
    matched, is_face = match(faces.boxes, photo.boxes, OVERLAP), match(faces.boxes, photo.boxes, AP_IOU) >= 0
    found = [
        {"predicted": rule.answer(p, crop.shape), "probability": float(p.max()), "score": score, "is_face": is_right}
        for p, crop, score, is_right in zip(probabilities, crops, faces.scores.tolist(), is_face.tolist(), strict=True)
    ]
    detections = {int(truth): detection for detection, truth in enumerate(matched) if truth >= 0}
    height, width = image.shape[:2]
    for truth, (label, box) in enumerate(zip(photo.names, photo.boxes, strict=True)):
        is_large = _side(box.clip(0, [width, height] * 2)) >= max(min_side, 1)  # False for NaN boxes
        if label == IGNORED or not is_large:
            continue
        detection = detections.get(truth)
        outcome = {"predicted": None} if detection is None else found[detection]
        yield {"photo": name, "label": label, **outcome, **_place(box)}
    strays = np.flatnonzero((matched < 0) & (np.array([_side(box) for box in faces.boxes], float) >= min_side))
    for stray in strays.tolist():
        yield {"photo": name, "label": None, **found[stray], **_place(faces.boxes[stray])}


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
        faces), ``answered`` (fraction of detected faces that are not ``unsure``, if any are), ``correct_of_answered``
        and ``detected_and_correct`` (fraction of faces).
    """
    known = faces[faces["label"].notna()]
    rows = []
    for name in (*class_names, ALL):
        of_class = (known["label"] == name).to_numpy() | (name == ALL)
        row = {"class": name, "faces": int(of_class.sum()), "photos": int(known["photo"][of_class].nunique())}
        rows.append(row | _with_intervals(_fractions(known, of_class), known["photo"], n_bootstraps, seed))
    return pd.DataFrame(rows)


def size_table(faces: pd.DataFrame, n_bootstraps: int, seed: int) -> pd.DataFrame:
    """Return the same rates by the shorter side of the face's box, and the ``mean_probability`` of detected faces.

    Empty bins are left out.
    """
    known = faces[faces["label"].notna()]
    sides = _sides(known)
    rows = []
    for low, high in pairwise(FACE_SIDES):
        of_size = (sides >= low) & (sides < high)
        if not of_size.any():
            continue
        row: dict[str, object] = {"shorter_side_px": f"{low:g}+" if np.isinf(high) else f"{low:g}–{high:g}"}
        row |= {"faces": int(of_size.sum()), "photos": int(known["photo"][of_size].nunique())}
        row |= _with_intervals(_fractions(known, of_size), known["photo"], n_bootstraps, seed)
        rows.append(row | {"mean_probability": float(known.loc[of_size, "probability"].mean())})
    return pd.DataFrame(rows)


def overconfident_below(sizes: pd.DataFrame) -> float | None:
    """Return the face size below which the model is overconfident, pixels.

    In a bin of sizes it is overconfident if its mean probability exceeds the interval of the fraction correct.

    Args:
        sizes: the result of :func:`size_table`.

    Returns:
        The upper edge of the last bin, counted from the smallest faces, in which it is; None if it is in none.
    """
    found = None
    for row in sizes[(sizes["faces"] * sizes["detected"]).round() >= ENOUGH].to_dict(orient="records"):
        if not row["mean_probability"] > row["correct_of_answered_high"] or "+" in row["shorter_side_px"]:
            break
        found = float(row["shorter_side_px"].partition("–")[2])
    return found


def _sides(faces: pd.DataFrame) -> Floats:
    """Return the shorter side of each box, pixels."""
    left, top, right, bottom = (faces[side].to_numpy(np.float64) for side in SIDES)
    return np.asarray(np.minimum(right - left, bottom - top))


def _fractions(known: pd.DataFrame, chosen: npt.NDArray[np.bool_]) -> dict[str, tuple[Floats, Floats]]:
    """Return part and whole of each rate over the chosen faces, as one float64[N] each."""
    is_chosen = chosen.astype(np.float64)
    is_detected = known["predicted"].notna().to_numpy() * is_chosen
    is_answered = (known["predicted"] != UNSURE).to_numpy() * is_detected
    is_right = (known["predicted"] == known["label"]).to_numpy() * is_chosen
    answered = {"answered": (is_answered, is_detected)} if (known["predicted"] == UNSURE).any() else {}
    return {
        "detected": (is_detected, is_chosen),
        **answered,
        "correct_of_answered": (is_right, is_answered),
        "detected_and_correct": (is_right, is_chosen),
    }


def detection_table(faces: pd.DataFrame, n_bootstraps: int, seed: int) -> pd.DataFrame:
    """Return the number of ``detections``, their ``precision``, and ``AP50``, with 95 % intervals over photos."""
    detections = faces[faces["predicted"].notna()]
    is_face = detections["label"].notna().to_numpy().astype(np.float64)
    precision = {"precision": (is_face, np.ones(len(detections)))}
    row: dict[str, float] = {"detections": len(detections), "photos": int(detections["photo"].nunique())}
    row |= _with_intervals(precision, detections["photo"], n_bootstraps, seed)
    return pd.DataFrame([row | _average_precision(faces, n_bootstraps, seed)])


def precision_recall(faces: pd.DataFrame) -> tuple[Floats, Floats]:
    """Return recall and precision of the detector at an IoU of ``AP_IOU``, float64[D] each, by decreasing score."""
    detections = faces[faces["predicted"].notna()].sort_values("score", ascending=False, kind="stable")
    hits = detections["is_face"].to_numpy(np.float64).cumsum()
    n_faces = int(faces["label"].notna().sum())
    return hits / max(n_faces, 1), hits / np.arange(1, len(hits) + 1)


def _average_precision(faces: pd.DataFrame, n_bootstraps: int, seed: int) -> dict[str, float]:
    """Return the average precision of the detector at an IoU of ``AP_IOU``, with its interval over photos."""
    is_detection = faces["predicted"].notna().to_numpy()
    is_true = faces["label"].notna().to_numpy(np.float64)
    scores = faces.loc[is_detection, "score"].to_numpy(np.float64)
    hits = faces.loc[is_detection, "is_face"].to_numpy(bool)

    def resampled(weights: Floats) -> Floats:
        return weighted_average_precision(scores, hits, weights[:, is_detection], weights @ is_true)

    value = float(resampled(np.ones((1, len(faces))))[0])
    drawn = np.concatenate([resampled(w) for w in bootstrap_weights(faces["photo"].tolist(), n_bootstraps, seed)])
    low, high = proportion_interval(value, drawn, faces["photo"].nunique())
    return {"AP50": value, "AP50_low": low, "AP50_high": high}


def confusion(faces: pd.DataFrame, class_names: Sequence[str]) -> pd.DataFrame:
    """Return the confusion matrix with a row for false detections and a column for missed faces."""
    table = pd.crosstab(faces["label"].fillna("not annotated"), faces["predicted"].fillna("missed"))
    unsure = [UNSURE] if UNSURE in table else []
    rows, columns = [*class_names, "not annotated"], [*class_names, *unsure, "missed"]
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
