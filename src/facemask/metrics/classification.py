"""Metrics of a table of predictions. Pure; equal to scikit-learn's."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.floating]
PER_CLASS = ("precision", "recall", "f1", "auroc", "average_precision")


def classification_metrics(
    labels: Labels, probabilities: Probabilities, class_names: Sequence[str], positive: int = 1
) -> dict[str, float]:
    """Return every metric of a sample.

    Args:
        labels: int64[N], the truth.
        probabilities: float[N, C].
        class_names: C names.
        positive: of two classes, the one whose ``auroc`` and ``average_precision`` are meant.

    Returns:
        ``loss``, the mean negative log-likelihood; ``accuracy``; ``f1`` and ``weighted_f1``, the means over classes,
        each alike or by its share; ``auroc`` and ``average_precision``, of the positive class where there are two, else
        the mean over classes of one against the rest; and ``precision_CLASS``, ``recall_CLASS``, ``f1_CLASS``,
        ``auroc_CLASS``, ``average_precision_CLASS``. A metric that the sample cannot give (a class without images) is
        NaN.
    """
    scores = weighted_metrics(labels, probabilities, np.ones((1, len(labels))), positive)
    return {name: float(values[0]) for name, values in by_name(scores, class_names).items()}


def by_name(scores: Mapping[str, Floats], class_names: Sequence[str]) -> dict[str, Floats]:
    """Give each class's column of the per-class metrics a name of its own."""
    named = {name: values for name, values in scores.items() if values.ndim == 1}
    for kind in PER_CLASS:
        values = scores[f"{kind} of classes"]
        named |= {f"{kind}_{label}": values[:, c] for c, label in enumerate(class_names)}
    return named


def weighted_metrics(
    labels: Labels, probabilities: Probabilities, weights: Floats, positive: int, undefined: float = 0.0
) -> dict[str, Floats]:
    """Return each metric under each row of sample weights, [B, N]: [B], or [B, C] for the per-class ones.

    Recall and F1 of a class that a row has no image of, and precision of one that it never calls, are ``undefined``;
    of a class that is missing altogether, 0, as scikit-learn has it.
    """
    classes = np.arange(probabilities.shape[1])
    truth = (labels[:, None] == classes).astype(np.float64)  # [N, C]
    guess = (probabilities.argmax(axis=1)[:, None] == classes).astype(np.float64)
    total, hits = weights.sum(axis=1), weights @ (truth * guess)
    true, guessed = weights @ truth, weights @ guess
    tiny = np.finfo(np.float64).eps
    likelihood = probabilities[np.arange(len(labels)), labels].astype(np.float64).clip(tiny, 1 - tiny)
    is_missing, is_uncalled = truth.sum(axis=0) == 0, guess.sum(axis=0) == 0
    f1 = np.where((true > 0) | is_missing, ratio(2 * hits, true + guessed), undefined)
    with np.errstate(invalid="ignore", divide="ignore"):
        curves = [_areas(truth[:, c], probabilities[:, c], weights) for c in classes]
        auroc, precision = (np.stack(areas, axis=1) for areas in zip(*curves, strict=True))
    is_binary = len(classes) == 2
    return {
        "loss": weights @ -np.log(likelihood) / total,
        "accuracy": hits.sum(axis=1) / total,
        "f1": f1.mean(axis=1),
        "weighted_f1": np.nansum(f1 * true, axis=1) / total,
        "auroc": auroc[:, positive] if is_binary else auroc.mean(axis=1),
        "average_precision": precision[:, positive] if is_binary else precision.mean(axis=1),
        "precision of classes": np.where((guessed > 0) | is_uncalled, ratio(hits, guessed), undefined),
        "recall of classes": np.where((true > 0) | is_missing, ratio(hits, true), undefined),
        "f1 of classes": f1,
        "auroc of classes": auroc,
        "average_precision of classes": precision,
    }


def ratio(part: Floats, whole: Floats) -> Floats:
    """Return part / whole, and 0 of nothing, as scikit-learn does."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _areas(truth: Floats, scores: Probabilities, weights: Floats) -> tuple[Floats, Floats]:
    """Return AUROC and average precision of one class, [B] each, under each row of weights.

    AUROC is the chance that a positive outscores a negative, ties counting half; average precision the mean, over the
    positives, of the precision among all that score as high or higher.
    """
    order = np.argsort(scores, kind="stable")
    _, starts = np.unique(scores[order], return_index=True)
    positives = np.add.reduceat((weights * truth)[:, order], starts, axis=1)  # by distinct score, ascending
    negatives = np.add.reduceat((weights * (1 - truth))[:, order], starts, axis=1)
    below = negatives.cumsum(axis=1) - negatives
    true, false = positives.sum(axis=1), negatives.sum(axis=1)
    auroc = (positives * (below + negatives / 2)).sum(axis=1) / (true * false)
    hits = positives[:, ::-1].cumsum(axis=1)
    alarms = negatives[:, ::-1].cumsum(axis=1)
    precision = ratio(hits, hits + alarms)
    return auroc, (positives[:, ::-1] * precision).sum(axis=1) / true
