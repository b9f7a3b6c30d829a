"""Metrics equal scikit-learn's on the same table."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    log_loss,
    precision_score,
    recall_score,
    roc_auc_score,
)

from facemask.metrics.classification import classification_metrics


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
    predicted = probabilities.argmax(axis=1)
    scores = probabilities[:, 1] if n_classes == 2 else probabilities
    expected = {
        "loss": log_loss(labels, probabilities),
        "accuracy": accuracy_score(labels, predicted),
        "f1": f1_score(labels, predicted, average="macro"),
        "weighted_f1": f1_score(labels, predicted, average="weighted"),
        "auroc": roc_auc_score(labels, scores, multi_class="ovr"),
        "average_precision": average_precision_score(labels, scores),
    }
    for c, name in enumerate(names):
        only = {"labels": [c], "average": "macro", "zero_division": 0}
        expected[f"f1_{name}"] = f1_score(labels, predicted, **only)
        expected[f"auroc_{name}"] = roc_auc_score(labels == c, probabilities[:, c])
        expected[f"average_precision_{name}"] = average_precision_score(labels == c, probabilities[:, c])
        expected[f"precision_{name}"] = precision_score(labels, predicted, **only)
        expected[f"recall_{name}"] = recall_score(labels, predicted, **only)
    assert found == pytest.approx(expected, abs=1e-9)


def test_a_class_without_images_has_no_auroc() -> None:
    found = classification_metrics(np.array([0, 0]), np.array([[0.9, 0.1], [0.4, 0.6]]), ["a", "b"])
    assert np.isnan(found["auroc"])
    assert found["accuracy"] == 0.5
