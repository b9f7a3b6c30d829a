"""Match detections with annotations, and average precision. Pure NumPy."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from facemask.detection.detectors import Boxes

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


def box_iou(first: Boxes, second: Boxes) -> Floats:
    """Return the intersection over union, float64[N, M], of boxes float[N, 4] and float[M, 4].

    Example:
        >>> import numpy as np
        >>> box_iou(np.array([[0, 0, 2, 2]]), np.array([[0, 0, 2, 2], [1, 0, 3, 2]])).round(2)
        array([[1.  , 0.33]])
    """
    a, b = first[:, None].astype(np.float64), second[None].astype(np.float64)
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    intersection = sides.clip(0).prod(axis=-1)
    union = (a[..., 2:] - a[..., :2]).prod(axis=-1) + (b[..., 2:] - b[..., :2]).prod(axis=-1) - intersection
    return np.asarray(np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0))


def match(found: Boxes, truth: Boxes, iou_threshold: float = 0.4) -> Indices:
    """Match detections, by decreasing score, to the unmatched true box with the largest IoU.

    Args:
        found: float32[N, 4], by decreasing score.
        truth: float32[M, 4].
        iou_threshold: smallest IoU of a match, in [0, 1].

    Returns:
        int64[N], positions in ``truth``; -1 for detections without a match.
    """
    ious = box_iou(found, truth)
    matched = np.full(len(found), -1, dtype=np.int64)
    for i in range(len(found)):
        if ious.shape[1] and ious[i].max() >= iou_threshold:
            matched[i] = ious[i].argmax()
            ious[:, matched[i]] = -1
    return matched


def average_precision(scores: Sequence[float], is_hit: Sequence[bool], n_true: int) -> float:
    """Return the area under the precision-recall curve, with precision made monotonic.

    Args:
        scores: scores of all detections of all images.
        is_hit: whether each detection is a true face.
        n_true: number of annotated faces.
    """
    weights = np.ones((1, len(scores)))
    return float(weighted_average_precision(np.asarray(scores, float), is_hit, weights, np.array([n_true]))[0])


def weighted_average_precision(
    scores: npt.NDArray[np.floating], is_hit: npt.ArrayLike, weights: Floats, n_true: npt.NDArray[Any]
) -> Floats:
    """Return the same for resamples, float64[B]; NaN without annotated faces.

    Args:
        scores: float[D], score of each detection.
        is_hit: bool[D], whether each detection is a true face.
        weights: float64[B, D], number of times that each resample has each detection.
        n_true: [B], number of annotated faces of each resample.
    """
    order = np.argsort(-scores, kind="stable")
    drawn = weights[:, order]
    hits = drawn * np.asarray(is_hit, dtype=np.float64)[order]
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.nan_to_num(hits.cumsum(axis=1) / drawn.cumsum(axis=1))
        best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        return np.where(n_true > 0, (best * hits).sum(axis=1) / n_true, np.nan)
