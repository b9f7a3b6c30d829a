"""Metrics of a table of predictions, with bootstrap intervals. Pure NumPy."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from facemask.seeding import BOOTSTRAP, derive_seed

Floats = npt.NDArray[np.float64]
HEADLINE = ("accuracy", "f1", "auroc")  # the metrics that get intervals
DRAWS = 1000


def classification_metrics(
    labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.floating], class_names: Sequence[str]
) -> dict[str, float]:
    """Return ``loss``, ``accuracy``, ``f1``, ``auroc``, ``precision_CLASS`` and ``recall_CLASS``.

    Args:
        labels: int64[N], the truth.
        probabilities: float[N, C].
        class_names: C names.

    Returns:
        The metrics: ``loss`` is the mean negative log-likelihood; ``f1`` the mean over classes; ``auroc`` the mean over
        classes of one against the rest. A metric that the sample cannot give (a class without images) is NaN.
    """
    everything = np.ones((1, len(labels)))
    values = {name: score[0] for name, score in _weighted_metrics(labels, probabilities, everything).items()}
    true = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    named = {"loss": float(-np.log(np.maximum(true, 1e-12)).mean())}
    named |= {name: float(values[name]) for name in HEADLINE}
    for kind in ("precision", "recall"):
        named |= {f"{kind}_{label}": float(values[kind][c]) for c, label in enumerate(class_names)}
    return named


def bootstrap_intervals(
    labels: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.floating],
    groups: Sequence[str],
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, list[float]]:
    """Return 95 % percentile intervals of the headline metrics, from a bootstrap over groups.

    Faces of one photo resemble each other, so whole groups are drawn, with replacement (the cluster bootstrap,
    Davison & Hinkley 1997, section 3.8). Draws in which a metric is not defined are left out.

    Args:
        labels: int64[N].
        probabilities: float[N, C].
        groups: N group names; all different where nothing is known.
        draws: number of bootstrap samples.
        seed: seed of the draws.
    """
    members, group_of = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    rng = np.random.default_rng(derive_seed(BOOTSTRAP, seed))
    drawn = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), size=draws)
    scores = _weighted_metrics(labels, probabilities, drawn[:, group_of].astype(np.float64))
    intervals = {}
    for name in HEADLINE:
        defined = scores[name][np.isfinite(scores[name])]
        low, high = np.quantile(defined, [0.025, 0.975]) if len(defined) else (np.nan, np.nan)
        intervals[name] = [float(low), float(high)]
    return intervals


def _weighted_metrics(
    labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.floating], weights: Floats
) -> dict[str, Floats]:
    """Return each metric under each row of sample weights, [B, N]: [B], or [B, C] for the per-class ones."""
    classes = np.arange(probabilities.shape[1])
    truth = (labels[:, None] == classes).astype(np.float64)  # [N, C]
    guess = (probabilities.argmax(axis=1)[:, None] == classes).astype(np.float64)
    total, hits = weights.sum(axis=1), weights @ (truth * guess)
    true, guessed = weights @ truth, weights @ guess
    with np.errstate(invalid="ignore", divide="ignore"):
        auroc = [_weighted_auroc(truth[:, c], probabilities[:, c], weights) for c in classes]
        return {
            "accuracy": hits.sum(axis=1) / total,
            "f1": np.divide(2 * hits, true + guessed, out=np.zeros_like(hits), where=true + guessed > 0).mean(axis=1),
            "auroc": np.mean(auroc, axis=0),
            "precision": np.divide(hits, guessed, out=np.zeros_like(hits), where=guessed > 0),
            "recall": np.divide(hits, true, out=np.zeros_like(hits), where=true > 0),
        }


def _weighted_auroc(truth: Floats, scores: npt.NDArray[np.floating], weights: Floats) -> Floats:
    """Return the chance that a positive outscores a negative, ties counting half, under each row of weights: [B]."""
    order = np.argsort(scores, kind="stable")
    _, starts = np.unique(scores[order], return_index=True)
    positives = np.add.reduceat((weights * truth)[:, order], starts, axis=1)  # by distinct score, ascending
    negatives = np.add.reduceat((weights * (1 - truth))[:, order], starts, axis=1)
    below = negatives.cumsum(axis=1) - negatives
    wins = (positives * (below + negatives / 2)).sum(axis=1)
    return np.asarray(wins / (positives.sum(axis=1) * negatives.sum(axis=1)))
