"""Significance tests for models on the same samples. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from facemask.metrics.classification import Floats, Labels

Correct = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class McNemar:
    """Result of McNemar's test of two models on the same samples.

    Attributes:
        only_first: number of samples that only the first model classifies correctly.
        only_second: number of samples that only the second model classifies correctly.
        p: two-sided p value of the exact binomial test.
    """

    only_first: int
    only_second: int
    p: float


def mcnemar(first: Correct, second: Correct) -> McNemar:
    """Test whether two models have the same error rate (McNemar 1947; exact binomial form).

    The test assumes independent samples, which faces of one photo are not.

    Args:
        first: bool[N], whether the first model is correct.
        second: bool[N], whether the second model is correct.
    """
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    differing = only_first + only_second
    return McNemar(only_first, only_second, float(binomtest(only_first, differing).pvalue) if differing else 1.0)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values adjusted for multiple testing (Holm 1979).

    Args:
        p_values: p values of the tests, in [0, 1].

    Returns:
        The adjusted p values, in [0, 1], in the order of ``p_values``.

    Example:
        >>> [round(p, 2) for p in holm([0.01, 0.04, 0.03])]
        [0.03, 0.06, 0.06]
    """
    p, n = np.asarray(p_values, dtype=np.float64), len(p_values)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(n)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * (n - np.arange(n))), 1)
    return [float(value) for value in adjusted]


def agreement(predicted: Sequence[Labels]) -> Floats:
    """Return the fraction of samples for which two models predict the same class.

    Args:
        predicted: predicted class of each of N samples, int64[N], one array per model.

    Returns:
        float64[M, M] for M models, in [0, 1]; 1 on the diagonal.
    """
    stacked = np.stack(predicted)
    return np.asarray((stacked[:, None] == stacked[None]).mean(axis=2), dtype=np.float64)
