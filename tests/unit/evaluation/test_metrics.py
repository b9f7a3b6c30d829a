"""Metrics equal scikit-learn's on the same table; intervals hold what they promise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, log_loss, precision_score, recall_score, roc_auc_score

from facemask.evaluation.metrics import HEADLINE, bootstrap_intervals, classification_metrics


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 4), st.integers(8, 60), st.integers(0, 2**16), st.booleans())
def test_metrics_equal_scikit_learns(n_classes: int, n: int, seed: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(n_classes), rng.integers(0, n_classes, n)])
    probabilities = rng.dirichlet(np.ones(n_classes), len(labels))
    if ties:
        probabilities = np.maximum(probabilities.round(1), 0.01)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        probabilities = probabilities.round(12)  # so that equal ones are equal, not almost
        probabilities /= probabilities.sum(axis=1, keepdims=True)
    names = [f"class{c}" for c in range(n_classes)]
    found = classification_metrics(labels, probabilities, names)
    guess = probabilities.argmax(axis=1)
    scores = probabilities[:, 1] if n_classes == 2 else probabilities
    expected = {
        "loss": log_loss(labels, probabilities),
        "accuracy": accuracy_score(labels, guess),
        "f1": f1_score(labels, guess, average="macro"),
        "auroc": roc_auc_score(labels, scores, multi_class="ovr"),
    }
    for c, name in enumerate(names):
        only = {"labels": [c], "average": "macro", "zero_division": 0}
        expected[f"precision_{name}"] = precision_score(labels, guess, **only)
        expected[f"recall_{name}"] = recall_score(labels, guess, **only)
    assert found == pytest.approx(expected, abs=1e-9)


def test_a_class_without_images_has_no_auroc() -> None:
    found = classification_metrics(np.array([0, 0]), np.array([[0.9, 0.1], [0.4, 0.6]]), ["a", "b"])
    assert np.isnan(found["auroc"])
    assert found["accuracy"] == 0.5


def test_intervals_surround_the_estimate_and_repeat_themselves() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 300)
    probabilities = rng.dirichlet([2, 2], 300)
    probabilities[np.arange(300), labels] += 0.3
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    groups = [f"g{i // 3}" for i in range(300)]
    point = classification_metrics(labels, probabilities, ["a", "b"])
    first = bootstrap_intervals(labels, probabilities, groups)
    for name in HEADLINE:
        assert first[name][0] < point[name] < first[name][1]
    assert bootstrap_intervals(labels, probabilities, groups) == first
    assert bootstrap_intervals(labels, probabilities, groups, seed=1) != first


def test_faces_that_come_in_groups_make_the_interval_wider() -> None:
    """Thirty photos of ten alike faces tell about as much as thirty faces, not as three hundred."""
    rng = np.random.default_rng(1)
    right = np.repeat(rng.random(30) < 0.8, 10)
    labels = rng.integers(0, 2, 300)
    guess = np.where(right, labels, 1 - labels)
    probabilities = np.eye(2)[guess] * 0.8 + 0.1
    alone = bootstrap_intervals(labels, probabilities, [str(i) for i in range(300)])["accuracy"]
    grouped = bootstrap_intervals(labels, probabilities, [str(i // 10) for i in range(300)])["accuracy"]
    assert (grouped[1] - grouped[0]) > 2 * (alone[1] - alone[0])


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(2)
    covered = 0
    for draw in range(300):
        labels = rng.integers(0, 2, 200)
        guess = np.where(rng.random(200) < 0.85, labels, 1 - labels)
        probabilities = np.eye(2)[guess] * 0.8 + 0.1
        low, high = bootstrap_intervals(labels, probabilities, [str(i) for i in range(200)], 300, draw)["accuracy"]
        covered += low <= 0.85 <= high
    assert 0.91 <= covered / 300 <= 0.98
