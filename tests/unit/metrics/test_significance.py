"""Tests equal those of other packages, and report no difference where there is none."""

import numpy as np
import pytest
from scipy.stats import binom, bootstrap

from facemask.metrics.bootstrap import bootstrap_metrics, expanded_tail, percentile_intervals
from facemask.metrics.significance import agreement, holm, mcnemar


def right_and_wrong(both: int, only_first: int, only_second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    counts = [both, only_first, only_second, neither]
    return np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)


@pytest.mark.parametrize(
    ("only_first", "only_second", "p"),  # statsmodels 0.15.0: mcnemar(table, exact=True).pvalue
    [(11, 3, 0.057373046875), (86, 150, 3.7159361395713866e-05), (0, 6, 0.03125), (25, 11, 0.028816719655878845)],
)
def test_mcnemars_test_equals_statsmodels(only_first: int, only_second: int, p: float) -> None:
    first, second = right_and_wrong(100, only_first, only_second, 50)
    found = mcnemar(first, second)
    assert (found.only_first, found.only_second) == (only_first, only_second)
    assert found.p == pytest.approx(p, rel=1e-9)
    tail = binom.cdf(min(only_first, only_second), only_first + only_second, 0.5)
    assert found.p == pytest.approx(min(1, 2 * tail), rel=1e-9)
    assert mcnemar(second, first).p == pytest.approx(p, rel=1e-9)


def test_models_with_equal_errors_do_not_differ() -> None:
    same = np.array([True, False, True])
    assert mcnemar(same, same).p == 1
    assert mcnemar(same, same).only_first == 0


def test_holms_adjustment_equals_statsmodels() -> None:
    """multipletests(…, method="holm") of statsmodels 0.15.0."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_paired_bootstrap_agrees_with_scipys() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 300)
    difficulty = rng.random(300)  # which both models feel
    noise = [rng.normal(0, 0.05, 300) for _ in range(2)]
    fractions = zip((0.9, 0.85), noise, strict=True)
    predicted = [np.where(difficulty + more < fraction, labels, 1 - labels) for fraction, more in fractions]
    groups = [str(i) for i in range(300)]
    resampled = [
        bootstrap_metrics(labels, np.eye(2)[g] * 0.8 + 0.1, ["a", "b"], groups, 4000)["accuracy"] for g in predicted
    ]
    found = percentile_intervals({"difference": resampled[0] - resampled[1]}, 300)["difference"]
    right = [(answer == labels).astype(float) for answer in predicted]
    theirs = bootstrap(
        right, lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis), paired=True, n_resamples=4000,
        method="percentile", confidence_level=1 - 2 * expanded_tail(300), vectorized=True, rng=1,
    ).confidence_interval  # fmt: skip
    assert found == pytest.approx([theirs.low, theirs.high], abs=0.0081)
    apart = [values.std() for values in resampled]
    assert (resampled[0] - resampled[1]).std() < np.hypot(*apart)  # paired resamples share what makes a sample easy


def test_agreement_is_the_fraction_of_equal_predictions() -> None:
    fractions = agreement([np.array([0, 1, 1, 0]), np.array([0, 1, 0, 1]), np.array([0, 1, 1, 0])])
    assert fractions.tolist() == [[1, 0.5, 1], [0.5, 1, 0.5], [1, 0.5, 1]]
