"""How many faces of annotated photos are found, and how many of these are called right. Pure but for the networks."""

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
from facemask.metrics.bootstrap import bootstrap_weights, share_interval
from facemask.metrics.classification import Floats

OVERLAP = 0.4  # least intersection over union of a find and a face
ALL, IGNORED = "all", ""


def look_at(
    photo: AnnotatedPhoto,
    name: str,
    detector: Detector,
    classifier: Predictor,
    margin: float | Sequence[float],
    is_square: bool,
    min_side: int,
) -> Iterator[dict[str, object]]:
    """Yield a row for every annotated face of a photo, found or missed, and for every find that is none.

    Args:
        photo: with the classes of its faces; a find on one of class ``IGNORED`` counts neither for nor against.
        name: what the rows call it.
        detector: finds faces.
        classifier: says what they wear.
        margin: as in :func:`facemask.detection.crop.widen`.
        is_square: likewise.
        min_side: pixels; smaller faces, finds on them and smaller finds count neither for nor against.

    Yields:
        ``photo``; ``label``, None for a find that is no annotated face; ``predicted``, None for a face that was missed;
        ``probability`` of what was predicted; the box as ``left``, ``top``, ``right`` and ``bottom``, pixels.
    """
    image = read_image(photo.photo)
    faces = detector.detect(image)
    crops = cut(image, widen(faces.boxes, margin, is_square, image.shape[1], image.shape[0]))
    probabilities = classifier.predict([np.ascontiguousarray(crop) for crop in crops])
    labels = [classifier.class_names[i] for i in probabilities.argmax(axis=1)]
    matched = match(faces.boxes, photo.boxes, OVERLAP)
    finds = {int(truth): find for find, truth in enumerate(matched) if truth >= 0}
    height, width = image.shape[:2]
    for truth, (label, box) in enumerate(zip(photo.names, photo.boxes, strict=True)):
        is_large = _side(box.clip(0, [width, height] * 2)) >= max(min_side, 1)  # False where a box is none
        if label == IGNORED or not is_large:
            continue
        find = finds.get(truth)
        row: dict[str, object] = {"photo": name, "label": label, "predicted": None}
        if find is not None:
            row |= {"predicted": labels[find], "probability": float(probabilities[find].max())}
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
    """Return what came of the faces of each class, and of all.

    Args:
        faces: rows of :func:`look_at`.
        class_names: of the classifier.
        n_bootstraps: of the bootstrap over photos.
        seed: of the same.

    Returns:
        For each class and for all: ``faces`` and ``photos``, how many there are; and with their 95 % intervals
        ``found``, the share that was found; ``right_of_found``, the share of these that were called right; and
        ``found_and_right``, the share of all.
    """
    known = faces[faces["label"].notna()]
    is_found = known["predicted"].notna().to_numpy().astype(np.float64)
    is_right = (known["predicted"] == known["label"]).to_numpy().astype(np.float64)
    rows = []
    for name in (*class_names, ALL):
        of_class = ((known["label"] == name).to_numpy() | (name == ALL)).astype(np.float64)
        photos = known["photo"][of_class > 0].nunique()
        shares = {
            "found": (is_found * of_class, of_class),
            "right_of_found": (is_right * of_class, is_found * of_class),
            "found_and_right": (is_right * of_class, of_class),
        }
        row = {"class": name, "faces": int(of_class.sum()), "photos": int(photos)}
        rows.append(row | _with_intervals(shares, known["photo"], n_bootstraps, seed))
    return pd.DataFrame(rows)


def find_table(faces: pd.DataFrame, n_bootstraps: int, seed: int) -> pd.DataFrame:
    """Return how many finds are faces: ``finds`` and ``precision``, with its 95 % interval over photos."""
    finds = faces[faces["predicted"].notna()]
    is_face = finds["label"].notna().to_numpy().astype(np.float64)
    precision = {"precision": (is_face, np.ones(len(finds)))}
    row = {"finds": len(finds), "photos": int(finds["photo"].nunique())}
    return pd.DataFrame([row | _with_intervals(precision, finds["photo"], n_bootstraps, seed)])


def confusion(faces: pd.DataFrame, class_names: Sequence[str]) -> pd.DataFrame:
    """Return counts: a row a true class and one for finds that are no annotated face, a column a prediction or none."""
    table = pd.crosstab(faces["label"].fillna("not annotated"), faces["predicted"].fillna("missed"))
    rows, columns = [*class_names, "not annotated"], [*class_names, "missed"]
    counts = table.reindex(index=rows, columns=columns, fill_value=0)
    return counts.rename_axis("truth").rename_axis(None, axis=1).reset_index()


def _with_intervals(
    shares: Mapping[str, tuple[Floats, Floats]], photos: pd.Series, n_bootstraps: int, seed: int
) -> dict[str, float]:
    """Return each share, part over whole, with the ends of its interval."""
    if photos.empty:
        return {f"{name}{end}": np.nan for name in shares for end in ("", "_low", "_high")}
    weights = np.concatenate(list(bootstrap_weights(photos.tolist(), n_bootstraps, seed)))
    found: dict[str, float] = {}
    for name, (part, whole) in shares.items():
        n_photos = photos[whole > 0].nunique()
        value = part.sum() / whole.sum() if whole.sum() else np.nan
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn = (weights @ part) / (weights @ whole)
        low, high = share_interval(value, drawn, n_photos)
        found |= {name: value, f"{name}_low": low, f"{name}_high": high}
    return found
