"""Metrics, intervals, calibration and thresholds at their edges: missing classes, single groups, exact 0 and 1."""

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score

from facemask.metrics.bootstrap import (
    bootstrap_metrics,
    bootstrap_weights,
    exact_interval,
    expanded_tail,
    metric_intervals,
    percentile_intervals,
    proportion_interval,
)
from facemask.metrics.calibration import fit_temperature, negative_log_likelihood, reliability
from facemask.metrics.classification import classification_metrics, weighted_metrics
from facemask.metrics.significance import holm
from facemask.metrics.thresholds import candidates, cheapest_threshold, operating_points
from facemask.seeding import BOOTSTRAP, derive_seed

LABELS = np.array([0, 0, 1, 1, 1, 0])
SCORES = np.array([0.2, 0.6, 0.55, 0.7, 0.3, 0.1])  # of class 1
PROBABILITIES = np.stack([1 - SCORES, SCORES], axis=1)
EPS = np.finfo(np.float64).eps


def test_average_precision_is_that_of_the_positive_class() -> None:
    for positive in (0, 1):
        expected = average_precision_score(positive == LABELS, PROBABILITIES[:, positive])
        found = classification_metrics(LABELS, PROBABILITIES, ["a", "b"], positive)["average_precision"]
        assert found == pytest.approx(expected)
    default = weighted_metrics(LABELS, PROBABILITIES, ["a", "b"], np.ones((1, 6)))
    assert default["average_precision"][0] == pytest.approx(average_precision_score(LABELS, SCORES))
    assert default["average_precision"].shape == (1,)


def test_resampled_average_precision_is_that_of_the_positive_class() -> None:
    groups = [str(i) for i in range(6)]
    both = [bootstrap_metrics(LABELS, PROBABILITIES, ["a", "b"], groups, 10, 0, c)["average_precision"] for c in (0, 1)]
    assert len(both[0]) == 10
    assert not np.array_equal(*both)


def test_loss_of_certain_predictions_is_clipped_as_in_scikit_learn() -> None:
    certain = np.eye(2)
    right = classification_metrics(np.array([0, 1]), certain, ["a", "b"])["loss"]
    wrong = classification_metrics(np.array([1, 0]), certain, ["a", "b"])["loss"]
    assert right == -np.log(1 - EPS) > 0
    assert wrong == -np.log(EPS)
    assert negative_log_likelihood(np.array([0, 1]), certain) == -np.log(1 - EPS)
    assert negative_log_likelihood(np.array([1, 0]), certain) == -np.log(EPS)


def test_missing_classes_count_zero_and_unweighted_ones_are_undefined() -> None:
    labels = np.array([0, 0, 1])
    probabilities = np.array([[0.9, 0.1, 0.0], [0.8, 0.2, 0.0], [0.1, 0.9, 0.0]])
    weights = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
    found = weighted_metrics(labels, probabilities, ["a", "b", "c"], weights, undefined=np.nan)
    assert np.isnan(found["recall_b"]).tolist() == [True, False]
    assert np.isnan(found["precision_b"]).tolist() == [True, False]
    assert np.isnan(found["f1_b"]).tolist() == [True, False]
    for name in ("recall_c", "precision_c", "f1_c"):
        assert found[name].tolist() == [0.0, 0.0]
    plain = weighted_metrics(labels, probabilities, ["a", "b", "c"], weights)
    assert plain["recall_b"].tolist() == [0.0, 1.0]


def test_resamples_of_a_seed_do_not_change() -> None:
    (weights,) = bootstrap_weights(["x", "y", "y"], 4, seed=3)
    rng = np.random.default_rng(derive_seed(BOOTSTRAP, 3))
    drawn = rng.multinomial(2, [0.5, 0.5], size=4)
    assert weights.tolist() == drawn[:, [0, 1, 1]].tolist()
    assert weights.dtype == np.float64


def test_a_lower_level_gives_narrower_intervals_and_two_groups_are_enough() -> None:
    resampled = {"accuracy": np.linspace(0, 1, 101)}
    wide, narrow = (percentile_intervals(resampled, 2, level)["accuracy"] for level in (0.95, 0.5))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]
    assert np.isnan(percentile_intervals(resampled, 1)["accuracy"]).all()


def test_exact_intervals_count_the_groups_that_contribute() -> None:
    labels = np.array([0] * 12 + [1] * 6)
    groups = [f"a{i // 2}" for i in range(12)] + [f"b{i // 2}" for i in range(6)]  # six groups of a, three of b
    probabilities = np.eye(2)[labels] * 0.8 + 0.1
    metrics = classification_metrics(labels, probabilities, ["a", "b"])
    resampled = bootstrap_metrics(labels, probabilities, ["a", "b"], groups, 200)
    found = metric_intervals(resampled, metrics, labels, labels, ["a", "b"], groups)
    trials = {"accuracy": 9, "precision_a": 6, "recall_a": 6, "f1_a": 6, "precision_b": 3, "recall_b": 3, "f1": 3}
    trials |= {"auroc": 3, "auroc_b": 3, "average_precision": 3, "average_precision_b": 3}
    for name, n in trials.items():
        assert found[name] == pytest.approx(exact_interval(1.0, n)), name
    swapped = 1 - labels  # everything is wrong
    metrics = classification_metrics(labels, np.eye(2)[swapped] * 0.8 + 0.1, ["a", "b"])
    resampled = bootstrap_metrics(labels, np.eye(2)[swapped] * 0.8 + 0.1, ["a", "b"], groups, 200)
    found = metric_intervals(resampled, metrics, labels, swapped, ["a", "b"], groups)
    assert found["recall_a"] == pytest.approx(exact_interval(0.0, 6))
    assert found["precision_a"] == pytest.approx(exact_interval(0.0, 3))  # predicted in the groups of b


def test_areas_need_two_groups_of_each_side() -> None:
    rng = np.random.default_rng(0)
    for n_groups, is_defined in ((1, False), (2, True)):
        labels = np.array([0] * 20 + [1] * 8)
        groups = [f"a{i // 2}" for i in range(20)] + [f"b{i % n_groups}" for i in range(8)]
        scores = np.clip(labels * 0.2 + rng.random(28) * 0.7, 0, 1)
        probabilities = np.stack([1 - scores, scores], axis=1)
        metrics = classification_metrics(labels, probabilities, ["a", "b"])
        resampled = bootstrap_metrics(labels, probabilities, ["a", "b"], groups, 300)
        found = metric_intervals(resampled, metrics, labels, probabilities.argmax(axis=1), ["a", "b"], groups)
        for name in ("auroc_b", "average_precision_b", "recall_b"):
            assert np.isfinite(found[name]).all() == is_defined, (name, n_groups)


def test_a_proportion_of_exactly_zero_or_one_has_an_exact_interval() -> None:
    expected = binomtest(0, 5).proportion_ci(0.95, method="exact")
    assert proportion_interval(0.0, np.zeros(50), 5) == [expected.low, expected.high]
    assert proportion_interval(1.0, np.ones(50), 2) == exact_interval(1.0, 2)
    assert np.isnan(proportion_interval(1.0, np.ones(50), 1)).all()
    resampled = np.linspace(0.2, 0.8, 50)
    assert proportion_interval(0.5, resampled, 5) == percentile_intervals({"x": resampled}, 5)["x"]


def test_tails_of_one_group_are_not_expanded() -> None:
    assert expanded_tail(1) == pytest.approx(0.025)
    assert expanded_tail(1, 0.9) == pytest.approx(0.05)
    assert expanded_tail(2) < 1e-9
    assert expanded_tail(10_000) == pytest.approx(0.025, rel=1e-2)


def test_reliability_has_its_columns_and_the_lowest_bin() -> None:
    uniform = np.full((4, 30), 1 / 30)
    table = reliability(np.array([0, 0, 1, 2]), uniform)
    assert table.columns.tolist() == ["above", "up_to", "n", "confidence", "accuracy"]
    assert table.index.tolist() == [0]
    row = table.iloc[0]
    assert (row["above"], row["n"], row["accuracy"]) == (0, 4, 0.5)
    assert row["up_to"] == pytest.approx(1 / 15)


def test_the_temperature_is_one_if_no_other_is_better() -> None:
    assert fit_temperature(np.array([0, 1]), np.full((2, 2), 0.5)) == 1.0


def test_costs_default_to_one_each_and_missing_sides_have_no_rates() -> None:
    thresholds = np.array([0.5, 0.65])
    points = operating_points(LABELS == 1, SCORES, thresholds)
    assert (points["cost"] * len(LABELS)).tolist() == pytest.approx(
        (points["missed"] + points["false_alarms"]).tolist()
    )
    nobody = operating_points(np.zeros(3, bool), np.array([0.1, 0.5, 0.9]), thresholds)
    assert np.isnan(nobody["recall"]).tolist() == [True, True]
    everybody = operating_points(np.ones(3, bool), np.array([0.1, 0.5, 0.9]), thresholds)
    assert np.isnan(everybody["false_alarm_rate"]).tolist() == [True, True]
    assert everybody["recall"].tolist() == pytest.approx([2 / 3, 1 / 3])


def test_candidates_end_just_above_one_and_of_equal_costs_the_middle_is_taken() -> None:
    assert candidates(np.array([0.4, 0.2]))[-1] == np.nextafter(1.0, 2.0)
    scores = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    is_positive = np.array([False, True, False, True, False, True])
    thresholds = candidates(scores)
    cost = operating_points(is_positive, scores, thresholds)["cost"]
    best = thresholds[np.flatnonzero(cost == cost.min())]
    assert len(best) > 2
    assert cheapest_threshold(is_positive, scores, 1.0, 1.0) == best[len(best) // 2]


def test_adjusted_p_values_do_not_exceed_one() -> None:
    assert list(holm([0.9, 0.8])) == [1.0, 1.0]
