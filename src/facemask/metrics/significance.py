"""Several models on the same samples: how large a difference is, and how much of it may be chance. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from facemask.metrics.classification import Floats, Labels

Right = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class McNemar:
    """McNemar's test of two models on the same samples.

    Attributes:
        only_first: samples that the first alone has right.
        only_second: samples that the second alone has right.
        p: two-sided p value of the exact test: how often a fair coin would divide these as unequally.
    """

    only_first: int
    only_second: int
    p: float


def mcnemar(first: Right, second: Right) -> McNemar:
    """Test whether two models err equally often (McNemar 1947; the exact, binomial form).

    It takes samples for independent, which faces of one photo are not quite.

    Args:
        first: bool[N], where the first model is right.
        second: bool[N], where the second is.
    """
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    differing = only_first + only_second
    return McNemar(only_first, only_second, float(binomtest(only_first, differing).pvalue) if differing else 1.0)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values adjusted for that several are looked at (Holm 1979)."""
    p, n = np.asarray(p_values, dtype=np.float64), len(p_values)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(n)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * (n - np.arange(n))), 1)
    return [float(value) for value in adjusted]


def agreement(predicted: Sequence[Labels]) -> Floats:
    """Return the share of samples, float64[M, M], that each two of M models call the same."""
    stacked = np.stack(predicted)
    return np.asarray((stacked[:, None] == stacked[None]).mean(axis=2), dtype=np.float64)
