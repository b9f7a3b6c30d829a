"""Calibration of probabilities, and temperature scaling. Pure NumPy and SciPy."""

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from facemask.metrics.classification import Floats, Labels, Probabilities

BINS = 15
COOLEST, HOTTEST = 0.05, 20.0  # range of the temperature
SMALLEST = np.finfo(np.float32).tiny  # avoids the logarithm of 0


def reliability(labels: Labels, probabilities: Probabilities, bins: int = BINS) -> pd.DataFrame:
    """Return the mean confidence and accuracy in bins of confidence.

    Args:
        labels: int64[N], true classes.
        probabilities: float[N, C].
        bins: number of bins of equal width over the probability of the predicted class.

    Returns:
        One row per non-empty bin: ``above`` and ``up_to`` (bounds), ``n``, and mean ``confidence`` and ``accuracy``.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    correct = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, bins + 1)
    bin_of = (np.ceil(confidence * bins) - 1).clip(0, bins - 1).astype(int)  # a bin includes its upper bound
    rows = pd.DataFrame({"bin": bin_of, "confidence": confidence, "accuracy": correct.astype(float)})
    table = rows.groupby("bin").agg(
        n=("confidence", "size"), confidence=("confidence", "mean"), accuracy=("accuracy", "mean")
    )
    table.insert(0, "above", edges[table.index])
    table.insert(1, "up_to", edges[table.index + 1])
    return table.reset_index(drop=True)


def expected_calibration_error(labels: Labels, probabilities: Probabilities, bins: int = BINS) -> float:
    """Return the expected calibration error (Guo et al. 2017): mean |confidence - accuracy|."""
    table = reliability(labels, probabilities, bins)
    return float((table["n"] * (table["confidence"] - table["accuracy"]).abs()).sum() / table["n"].sum())


def fit_temperature(labels: Labels, probabilities: Probabilities) -> float:
    """Return the temperature that minimises the negative log-likelihood (Guo et al. 2017, arXiv:1706.04599).

    Args:
        labels: int64[N], true classes of validation images.
        probabilities: float[N, C].

    Returns:
        The temperature in [0.05, 20]; 1 (no change) if no other is better.
    """

    def loss(log_temperature: float) -> float:
        return negative_log_likelihood(labels, rescale(probabilities, float(np.exp(log_temperature))))

    found = minimize_scalar(loss, bounds=(np.log(COOLEST), np.log(HOTTEST)), method="bounded")
    return float(np.exp(found.x)) if found.fun < loss(0.0) else 1.0


def negative_log_likelihood(labels: Labels, probabilities: Probabilities) -> float:
    """Return the mean negative log-likelihood."""
    tiny = np.finfo(np.float64).eps  # as in scikit-learn
    of_truth = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(of_truth.clip(tiny, 1 - tiny)).mean())


def rescale(probabilities: Probabilities, temperature: float) -> Floats:
    """Return softmax(logits / temperature), float64[N, C], of probabilities; their order does not change."""
    logits = np.log(np.maximum(probabilities.astype(np.float64), SMALLEST))
    return np.asarray(softmax(log_softmax(logits, axis=1) / temperature, axis=1))
