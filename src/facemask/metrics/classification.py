"""Classification metrics. Pure; equal to scikit-learn's."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.floating]


def classification_metrics(
    labels: Labels, probabilities: Probabilities, class_names: Sequence[str], positive: int = 1
) -> dict[str, float]:
    """Return all metrics.

    Args:
        labels: int64[N], true classes.
        probabilities: float[N, C].
        class_names: C names.
        positive: for two classes, index of the class of ``auroc`` and ``average_precision``.

    Returns:
        ``loss`` (mean negative log-likelihood); ``accuracy``; ``f1`` (macro average) and ``weighted_f1``; ``auroc`` and
        ``average_precision`` (of the positive class, for more than two classes the macro average of one-vs-rest); and
        ``precision_CLASS``, ``recall_CLASS``, ``f1_CLASS``,
        ``auroc_CLASS``, ``average_precision_CLASS``. AUROC and average precision of a class without images are NaN.
    """
    values = weighted_metrics(labels, probabilities, class_names, np.ones((1, len(labels))), positive)
    return {name: float(value[0]) for name, value in values.items()}


def weighted_metrics(
    labels: Labels,
    probabilities: Probabilities,
    class_names: Sequence[str],
    weights: Floats,
    positive: int = 1,
    undefined: float = 0.0,
) -> dict[str, Floats]:
    """Return all metrics, float64[B], for each row of sample weights.

    Args:
        labels: int64[N], the true classes.
        probabilities: float[N, C].
        class_names: C names.
        weights: float64[B, N].
        positive: as in :func:`classification_metrics`.
        undefined: value for recall and F1 of a class whose samples all have weight 0, and for precision of a class that
            is predicted only for samples of weight 0. For a class without samples (or predictions) they are 0, as in
            scikit-learn.
    """
    classes = np.arange(probabilities.shape[1])
    truth = (labels[:, None] == classes).astype(np.float64)  # [N, C]
    predicted = (probabilities.argmax(axis=1)[:, None] == classes).astype(np.float64)
    total, hits = weights.sum(axis=1), weights @ (truth * predicted)
    n_true, n_predicted = weights @ truth, weights @ predicted  # [B, C]
    tiny = np.finfo(np.float64).eps
    likelihood = probabilities[np.arange(len(labels)), labels].astype(np.float64).clip(tiny, 1 - tiny)
    is_missing, is_unpredicted = truth.sum(axis=0) == 0, predicted.sum(axis=0) == 0
    f1 = np.where((n_true > 0) | is_missing, ratio(2 * hits, n_true + n_predicted), undefined)
    with np.errstate(invalid="ignore", divide="ignore"):
        curves = [_areas(truth[:, c], probabilities[:, c], weights) for c in classes]
        auroc, average_precision = (np.stack(areas, axis=1) for areas in zip(*curves, strict=True))
    is_binary = len(classes) == 2
    metrics = {
        "loss": weights @ -np.log(likelihood) / total,
        "accuracy": hits.sum(axis=1) / total,
        "f1": f1.mean(axis=1),
        "weighted_f1": np.nansum(f1 * n_true, axis=1) / total,
        "auroc": auroc[:, positive] if is_binary else auroc.mean(axis=1),
        "average_precision": average_precision[:, positive] if is_binary else average_precision.mean(axis=1),
    }
    per_class = {
        "precision": np.where((n_predicted > 0) | is_unpredicted, ratio(hits, n_predicted), undefined),
        "recall": np.where((n_true > 0) | is_missing, ratio(hits, n_true), undefined),
        "f1": f1,
        "auroc": auroc,
        "average_precision": average_precision,
    }
    for kind, values in per_class.items():
        metrics |= {f"{kind}_{label}": values[:, c] for c, label in enumerate(class_names)}
    return metrics


def ratio(part: Floats, whole: Floats) -> Floats:
    """Return part / whole, or 0 if the whole is 0, as in scikit-learn."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _areas(truth: Floats, scores: Probabilities, weights: Floats) -> tuple[Floats, Floats]:
    """Return AUROC and average precision of one class, float64[B] each, for each row of weights.

    AUROC is the probability that a positive scores higher than a negative; ties count half. Average precision is the
    mean, over the positives, of the precision at their score.
    """
    order = np.argsort(scores, kind="stable")
    _, starts = np.unique(scores[order], return_index=True)
    positives = np.add.reduceat((weights * truth)[:, order], starts, axis=1)  # per distinct score, ascending
    negatives = np.add.reduceat((weights * (1 - truth))[:, order], starts, axis=1)
    below = negatives.cumsum(axis=1) - negatives
    true, false = positives.sum(axis=1), negatives.sum(axis=1)
    auroc = (positives * (below + negatives / 2)).sum(axis=1) / (true * false)
    hits = positives[:, ::-1].cumsum(axis=1)
    alarms = negatives[:, ::-1].cumsum(axis=1)
    precision = ratio(hits, hits + alarms)
    return auroc, (positives[:, ::-1] * precision).sum(axis=1) / true
