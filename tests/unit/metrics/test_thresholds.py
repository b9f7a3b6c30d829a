"""Thresholds reach their targets on the images they are chosen on."""

from types import SimpleNamespace
from typing import cast

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_score, recall_score

from facemask.config.schemas import Costs
from facemask.metrics.thresholds import candidates, cheapest_threshold, operating_points, threshold_at_recall
from facemask.reports.evaluated import Evaluated
from facemask.reports.tables import threshold_table

SAMPLES = st.lists(
    st.tuples(st.booleans(), st.sampled_from([i / 20 for i in range(21)])), min_size=2, max_size=60
).filter(lambda rows: 0 < sum(positive for positive, _ in rows) < len(rows))
COSTS = st.floats(0.1, 50)


@settings(max_examples=100, deadline=None)
@given(SAMPLES, COSTS, COSTS)
def test_no_other_threshold_is_cheaper(rows: list[tuple[bool, float]], missed: float, false_alarm: float) -> None:
    is_positive, scores = (np.array(column) for column in zip(*rows, strict=True))
    chosen = cheapest_threshold(is_positive, scores, missed, false_alarm)

    def cost(threshold: float) -> float:
        predicted = scores >= threshold
        return missed * (is_positive & ~predicted).sum() + false_alarm * (~is_positive & predicted).sum()

    assert cost(chosen) == pytest.approx(min(cost(t) for t in [0.0, *(scores + 1e-9), 1.1]))


@settings(max_examples=100, deadline=None)
@given(SAMPLES, st.floats(0.01, 1.0))
def test_the_threshold_is_the_highest_that_reaches_the_recall(rows: list[tuple[bool, float]], recall: float) -> None:
    is_positive, scores = (np.array(column) for column in zip(*rows, strict=True))
    chosen = threshold_at_recall(is_positive, scores, recall)
    assert (scores[is_positive] >= chosen).mean() >= recall - 1e-9
    for higher in candidates(scores)[candidates(scores) > chosen]:
        assert (scores[is_positive] >= higher).mean() < recall


def test_operating_points_equal_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    is_positive = rng.random(300) < 0.4
    scores = rng.random(300).round(2)
    thresholds = np.array([0.0, 0.1, 0.5, 0.77, 1.0])
    found = operating_points(is_positive, scores, thresholds, missed=5, false_alarm=2)
    for i, threshold in enumerate(thresholds):
        predicted = scores >= threshold
        assert found["recall"][i] == pytest.approx(recall_score(is_positive, predicted))
        assert found["precision"][i] == pytest.approx(precision_score(is_positive, predicted, zero_division=0))
        assert found["false_alarm_rate"][i] == pytest.approx(predicted[~is_positive].mean())
        assert found["missed"][i] == (is_positive & ~predicted).sum()
        cost = 5 * (is_positive & ~predicted).sum() + 2 * (~is_positive & predicted).sum()
        assert found["cost"][i] == pytest.approx(cost / 300)


def test_false_alarm_rate_is_undefined_without_negatives() -> None:
    found = operating_points(np.array([True, True]), np.array([0.2, 0.7]), np.array([0.5]))
    assert found["recall"][0] == 0.5
    assert np.isnan(found["false_alarm_rate"][0])


def test_zero_false_alarms_in_few_photos_have_an_interval() -> None:
    labels = np.array([1, 1, 0, 0] * 5)
    scores = np.where(labels == 1, 0.8, 0.2)
    groups = pd.DataFrame({"group": [f"p{i % 5}" for i in range(20)]})
    evaluated = SimpleNamespace(
        probabilities=np.stack([1 - scores, scores], axis=1),
        positive=1,
        labels=labels,
        predictions=groups,
        n_bootstraps=200,
        seed=0,
        class_names=("mask", "no_mask"),
    )
    costs = Costs(missed=1, false_alarm=1)
    table = threshold_table(cast(Evaluated, evaluated), (labels, evaluated.probabilities), {"half": 0.5}, costs)
    row = table.iloc[0]
    assert (row["recall"], row["recall_high"]) == (1, 1)
    assert row["recall_low"] == pytest.approx(0.025 ** (1 / 5))
    assert (row["false_alarm_rate"], row["false_alarm_rate_low"]) == (0, 0)
    assert row["false_alarm_rate_high"] == pytest.approx(1 - 0.025 ** (1 / 5))


@pytest.mark.filterwarnings("error")
def test_rates_of_a_missing_side_are_undefined_without_a_warning() -> None:
    scores, thresholds = np.array([0.2, 0.8]), np.array([0.0, 0.5])
    for side, undefined in ((True, "false_alarm_rate"), (False, "recall")):
        found = operating_points(np.array([side, side]), scores, thresholds)
        assert np.isnan(found[undefined]).all()
