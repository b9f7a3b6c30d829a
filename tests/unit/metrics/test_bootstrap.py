"""Intervals contain the true value as often as they claim."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import bootstrap
from sklearn.metrics import accuracy_score, average_precision_score, roc_auc_score

from facemask.metrics.bootstrap import (
    bootstrap_metrics,
    bootstrap_weights,
    expanded_tail,
    metric_intervals,
    percentile_intervals,
)
from facemask.metrics.classification import classification_metrics

HEADLINE = ("accuracy", "f1", "weighted_f1", "auroc", "average_precision", "loss")


def intervals(
    labels: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.float64],
    groups: list[str],
    n_bootstraps: int = 1000,
    seed: int = 0,
) -> dict[str, list[float]]:
    return percentile_intervals(
        bootstrap_metrics(labels, probabilities, ["a", "b"], groups, n_bootstraps, seed), len(set(groups))
    )


def test_intervals_surround_the_estimate_and_repeat_themselves() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 300)
    probabilities = rng.dirichlet([2, 2], 300)
    probabilities[np.arange(300), labels] += 0.3
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    groups = [f"g{i // 3}" for i in range(300)]
    point = classification_metrics(labels, probabilities, ["a", "b"])
    first = intervals(labels, probabilities, groups)
    for name in HEADLINE:
        assert first[name][0] < point[name] < first[name][1]
    assert intervals(labels, probabilities, groups) == first
    assert intervals(labels, probabilities, groups, seed=1) != first


def test_faces_that_come_in_groups_make_the_interval_wider() -> None:
    """Thirty photos of ten alike faces tell about as much as thirty faces, not as three hundred."""
    rng = np.random.default_rng(1)
    right = np.repeat(rng.random(30) < 0.8, 10)
    labels = rng.integers(0, 2, 300)
    predicted = np.where(right, labels, 1 - labels)
    probabilities = np.eye(2)[predicted] * 0.8 + 0.1
    alone = intervals(labels, probabilities, [str(i) for i in range(300)])["accuracy"]
    grouped = intervals(labels, probabilities, [str(i // 10) for i in range(300)])["accuracy"]
    assert (grouped[1] - grouped[0]) > 2 * (alone[1] - alone[0])


def test_each_resample_equals_scikit_learn() -> None:
    """A draw that takes a photo twice counts its faces twice."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, 60)
    probabilities = rng.dirichlet(np.ones(3), 60).round(1) + 0.01  # with ties
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    groups = [f"g{i // 4}" for i in range(60)]
    found = bootstrap_metrics(labels, probabilities, ["a", "b", "c"], groups, n_bootstraps=120)
    weights = np.concatenate(list(bootstrap_weights(groups, 120, 0)))
    assert np.array_equal(weights.reshape(120, 15, 4).max(axis=2), weights.reshape(120, 15, 4).min(axis=2))
    assert (weights.sum(axis=1) == 60).all()
    for draw in (0, 49, 50, 119):  # on both sides of a slice's edge
        rows = np.repeat(np.arange(60), weights[draw].astype(int))
        once = {"a": labels[rows], "b": probabilities[rows]}
        assert found["accuracy"][draw] == pytest.approx(accuracy_score(once["a"], once["b"].argmax(axis=1)))
        assert found["auroc"][draw] == pytest.approx(roc_auc_score(once["a"], once["b"], multi_class="ovr"))
        precision = average_precision_score(once["a"], once["b"])
        assert found["average_precision"][draw] == pytest.approx(precision)


def test_ungrouped_intervals_agree_with_scipys_bootstrap() -> None:
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 2, 250)
    predicted = np.where(rng.random(250) < 0.8, labels, 1 - labels)
    found = intervals(labels, np.eye(2)[predicted] * 0.8 + 0.1, [str(i) for i in range(250)], n_bootstraps=4000)[
        "accuracy"
    ]
    right, level = ((predicted == labels).astype(float),), 1 - 2 * expanded_tail(250)
    theirs = bootstrap(right, np.mean, n_resamples=4000, method="percentile", confidence_level=level, rng=0)
    # 0.0081: two images, which is what resampling leaves to chance.
    assert found == pytest.approx(list(theirs.confidence_interval), abs=0.0081)


@pytest.mark.parametrize(("groups", "tail"), [(10, 0.0086), (20, 0.0159), (10**6, 0.025)])
def test_few_groups_widen_the_interval(groups: int, tail: float) -> None:
    assert expanded_tail(groups) == pytest.approx(tail, abs=1e-4)


def test_a_proportion_of_one_has_an_interval() -> None:
    """Of three photos whose ten faces each are all called right, as much follows as of three faces."""
    labels = np.array([0, 1, 1] * 10)
    probabilities = np.eye(2)[labels] * 0.8 + 0.1
    groups = ["a", "b", "c"] * 10
    metrics = classification_metrics(labels, probabilities, ["x", "y"])
    resampled = bootstrap_metrics(labels, probabilities, ["x", "y"], groups)
    assert percentile_intervals(resampled, 3)["accuracy"] == [1, 1]
    found = metric_intervals(resampled, metrics, labels, probabilities.argmax(axis=1), ["x", "y"], groups)
    assert found["accuracy"] == pytest.approx([0.025 ** (1 / 3), 1])
    assert found["recall_y"] == pytest.approx([0.025 ** (1 / 2), 1])
    assert np.isnan(found["recall_x"]).all()  # of one photo


def test_intervals_of_areas_and_means_use_the_rarest_class() -> None:
    labels = np.array([0, 0, 1, 1, 1] * 4)
    probabilities = np.eye(2)[labels] * 0.8 + 0.1
    groups = [f"{label}{i % 3 if label == 0 else i % 6}" for i, label in enumerate(labels)]
    rare, common = (len({g for g in groups if g[0] == c}) for c in "01")
    assert (rare, common) == (3, 6)
    metrics = classification_metrics(labels, probabilities, ["x", "y"])
    resampled = bootstrap_metrics(labels, probabilities, ["x", "y"], groups)
    found = metric_intervals(resampled, metrics, labels, probabilities.argmax(axis=1), ["x", "y"], groups)
    for name in ("f1", "weighted_f1", "auroc", "average_precision", "auroc_x", "auroc_y", "f1_x"):
        assert found[name] == pytest.approx([0.025 ** (1 / rare), 1]), name
    assert found["f1_y"] == pytest.approx([0.025 ** (1 / common), 1])
    assert found["accuracy"] == pytest.approx([0.025 ** (1 / (rare + common)), 1])
    assert found["loss"][1] < 1


@pytest.mark.parametrize("names", [["x", "y"], ["x", "y", "z"]])  # of z there is no image
def test_macro_averages_have_no_interval_if_a_class_has_one_group(names: list[str]) -> None:
    labels = np.array([0] * 20 + [1])
    probabilities = np.eye(len(names))[labels] * 0.7 + 0.1
    groups = [str(i) for i in range(21)]
    metrics = classification_metrics(labels, probabilities, names)
    resampled = bootstrap_metrics(labels, probabilities, names, groups)
    found = metric_intervals(resampled, metrics, labels, probabilities.argmax(axis=1), names, groups)
    for name in ("f1", "auroc", "average_precision", "f1_y"):
        assert np.isnan(found[name]).all(), name
    assert found["accuracy"] == pytest.approx([0.025 ** (1 / 21), 1])


def test_recall_is_undefined_in_resamples_without_the_class() -> None:
    labels = np.array([1, 1] + [0] * 58)
    probabilities = np.eye(2)[labels] * 0.8 + 0.1
    probabilities[5] = [0.2, 0.8]
    resampled = bootstrap_metrics(labels, probabilities, ["a", "b"], [str(i) for i in range(60)])
    lacks = np.isnan(resampled["recall_b"])
    assert 0.08 < lacks.mean() < 0.2  # (58/60)**60
    assert (resampled["recall_b"][~lacks] == 1).all()
    assert np.isnan(resampled["f1"])[lacks].all()
    assert np.isfinite(resampled["accuracy"]).all()
    assert np.isfinite(resampled["weighted_f1"]).all()


@pytest.mark.slow
def test_intervals_have_their_nominal_coverage() -> None:
    """500 test parts of 70 photos each, of which the truth is known: AUROC and accuracy of a very large one."""
    photos, faces = 70, 4

    def draw(rng: np.random.Generator, photos: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        labels = rng.integers(0, 2, photos * faces)
        photo = np.repeat(rng.normal(0, 0.7, photos), faces)  # what the faces of a photo share
        score = 1 / (1 + np.exp(-(2.2 * (labels - 0.5) + photo + rng.normal(0, 0.7, len(labels)))))
        return labels, np.stack([1 - score, score], axis=1)

    truth = classification_metrics(*draw(np.random.default_rng(5), 200_000), ["a", "b"])
    covered = dict.fromkeys(("accuracy", "f1", "auroc", "average_precision"), 0)
    groups = [f"p{i // faces}" for i in range(photos * faces)]
    for repeat in range(500):
        found = intervals(*draw(np.random.default_rng([6, repeat]), photos), groups, seed=repeat)
        for name in covered:
            low, high = found[name]
            covered[name] += low <= truth[name] <= high
    for name, count in covered.items():
        assert 0.92 <= count / 500 <= 0.98, (name, count / 500)
