"""Decision thresholds for two classes. Pure functions."""

import numpy as np
import numpy.typing as npt

from facemask.metrics.classification import Floats, ratio

Truth = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.floating]


def candidates(scores: Scores) -> Floats:
    """Return all distinct thresholds, ascending: midpoints of neighbouring scores, and both ends."""
    distinct = np.unique(scores.astype(np.float64))
    return np.concatenate([[0.0], (distinct[:-1] + distinct[1:]) / 2, [np.nextafter(max(distinct[-1], 1.0), 2.0)]])


def operating_points(
    is_positive: Truth, scores: Scores, thresholds: Floats, missed: float = 1.0, false_alarm: float = 1.0
) -> dict[str, Floats]:
    """Return confusion-matrix rates at each threshold; predicts positive if score >= threshold.

    Args:
        is_positive: bool[N].
        scores: float[N], probability of the positive class.
        thresholds: float64[T].
        missed: cost of a false negative, in any unit.
        false_alarm: cost of a false positive, in the same unit.

    Returns:
        float64[T] each: ``recall``, ``precision``, ``false_alarm_rate`` (false positive rate), ``missed`` and
        ``false_alarms`` (counts), and ``cost`` per sample.
    """
    positives, negatives = (np.sort(scores[side].astype(np.float64)) for side in (is_positive, ~is_positive))
    passed = np.searchsorted(positives, thresholds, side="left").astype(np.float64)
    alarms = len(negatives) - np.searchsorted(negatives, thresholds, side="left").astype(np.float64)
    hits = len(positives) - passed
    return {
        "recall": hits / len(positives) if len(positives) else np.full(len(thresholds), np.nan),
        "precision": ratio(hits, hits + alarms),
        "false_alarm_rate": alarms / len(negatives) if len(negatives) else np.full(len(thresholds), np.nan),
        "missed": passed,
        "false_alarms": alarms,
        "cost": (missed * passed + false_alarm * alarms) / len(scores),
    }


def cheapest_threshold(is_positive: Truth, scores: Scores, missed: float, false_alarm: float) -> float:
    """Return the threshold of minimum cost; of several, the middle one."""
    thresholds = candidates(scores)
    cost = operating_points(is_positive, scores, thresholds, missed, false_alarm)["cost"]
    best = np.flatnonzero(cost <= cost.min() + 1e-12)
    return float(thresholds[best[len(best) // 2]])


def threshold_at_recall(is_positive: Truth, scores: Scores, recall: float) -> float:
    """Return the highest threshold with at least this recall, which has the fewest false positives."""
    thresholds = candidates(scores)
    reached = operating_points(is_positive, scores, thresholds)["recall"] >= recall - 1e-12
    return float(thresholds[np.flatnonzero(reached)[-1]])
