"""Which detected face is which annotated one, and how good a detector is. Pure NumPy."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from facemask.detection.detectors import Boxes

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


def box_iou(first: Boxes, second: Boxes) -> Floats:
    """Return intersection over union, float64[N, M], of float[N, 4] and float[M, 4] boxes."""
    a, b = first[:, None].astype(np.float64), second[None].astype(np.float64)
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = sides.clip(0).prod(axis=-1)
    union = (a[..., 2:] - a[..., :2]).prod(axis=-1) + (b[..., 2:] - b[..., :2]).prod(axis=-1) - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def match(found: Boxes, truth: Boxes, at_least: float = 0.4) -> Indices:
    """Give each found box, the surest first, the true one it overlaps most, no true one twice.

    Args:
        found: float32[N, 4], by falling score.
        truth: float32[M, 4].
        at_least: intersection over union that a match takes.

    Returns:
        int64[N], positions in ``truth``; -1 for a box without a match.
    """
    shares = box_iou(found, truth)
    matched = np.full(len(found), -1, dtype=np.int64)
    for i in range(len(found)):
        if shares.shape[1] and shares[i].max() >= at_least:
            matched[i] = shares[i].argmax()
            shares[:, matched[i]] = -1
    return matched


def average_precision(scores: Sequence[float], is_hit: Sequence[bool], n_true: int) -> float:
    """Return the area under precision over recall, each precision being the best at that recall or a higher one.

    Args:
        scores: of every found box of every picture.
        is_hit: whether each is a true face.
        n_true: how many faces there are to find.
    """
    order = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
    hits = np.asarray(is_hit, dtype=np.float64)[order]
    precision = hits.cumsum() / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float((best * hits).sum() / n_true) if n_true else float("nan")
