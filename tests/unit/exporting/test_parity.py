"""The loss of an export is measured exactly, and an export that loses too much is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score

from facemask.errors import ModelError
from facemask.exporting.parity import TOLERANCE, Parity, check, compare
from facemask.metrics.classification import Labels, Probabilities


def samples(seed: int, n: int = 60) -> tuple[Labels, Probabilities, Probabilities, list[str]]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    before, after = (rng.dirichlet(np.ones(3), n) + 0.5 * np.eye(3)[labels] for _ in range(2))
    before, after = (p / p.sum(axis=1, keepdims=True) for p in (before, after))
    return labels, before, after, [str(i % 12) for i in range(n)]


@given(st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_figures_are_those_of_the_two_models(seed: int) -> None:
    labels, before, after, groups = samples(seed)
    parity = compare(labels, before, after, groups, n_bootstraps=200, seed=0)
    assert (parity.n, parity.groups) == (60, 12)
    assert parity.changed == (before.argmax(axis=1) != after.argmax(axis=1)).sum()
    assert parity.largest == np.abs(before - after).max() >= parity.mean > 0
    for probabilities, (value, low, high) in ((before, parity.before), (after, parity.after)):
        assert value == pytest.approx(accuracy_score(labels, probabilities.argmax(axis=1)))
        assert low <= value <= high
    assert parity.gain[0] == pytest.approx(parity.after[0] - parity.before[0])
    assert parity.gain[1] <= parity.gain[0] <= parity.gain[2]


def test_a_model_does_not_differ_from_itself() -> None:
    labels, before, _, groups = samples(0)
    parity = compare(labels, before, before, groups, n_bootstraps=200, seed=0)
    assert (parity.changed, parity.largest, parity.gain) == (0, 0.0, (0.0, 0.0, 0.0))
    check(parity, "fp32", max_drop=0.0)


def found(gain: float, largest: float = 0.3) -> Parity:
    before, after = (0.9, 0.88, 0.92), (0.9 + gain, 0.88, 0.92)
    return Parity(400, 90, 0, 3, largest, 0.01, before, after, (gain, gain - 0.01, gain + 0.01))


def test_too_great_a_loss_is_refused() -> None:
    check(found(-0.005), "int8", max_drop=0.005)
    check(found(+0.02), "int8", max_drop=0.0)
    with pytest.raises(
        ModelError, match=r"int8 lost 0\.75 points of accuracy \(95 % interval: -0\.25 to 1\.75\) on the 400 validation"
    ):
        check(found(-0.0075), "int8", max_drop=0.005)


def test_an_accuracy_drop_equal_to_the_limit_is_allowed() -> None:
    labels, right = np.zeros(200, np.int64), np.tile([0.9, 0.1], (200, 1))
    before, after = right.copy(), right.copy()
    before[:5], after[:6] = (0.1, 0.9), (0.1, 0.9)
    parity = compare(labels, before, after, [str(i) for i in range(200)], n_bootstraps=200, seed=0)
    check(parity, "int8", max_drop=0.005)
    check(parity, "int8", max_drop=0.001)  # one image
    with pytest.raises(
        ModelError, match=r"int8 lost 0\.50 points of accuracy \(95 % interval: 0\.00 to [\d.]+\) on the 200"
    ):
        check(parity, "int8", max_drop=0.0)
    after[6] = 0.1, 0.9
    two = compare(labels, before, after, [str(i) for i in range(200)], n_bootstraps=200, seed=0)
    check(two, "int8", max_drop=0.01)
    with pytest.raises(ModelError, match=r"int8 lost 1\.00 points of accuracy"):
        check(two, "int8", max_drop=0.0099)


def test_fp32_may_not_differ_at_all() -> None:
    check(found(0.0, largest=0.5 * TOLERANCE), "fp32", max_drop=0.0)
    with pytest.raises(ModelError, match="the exported graph does not match the trained network"):
        check(found(0.0, largest=2 * TOLERANCE), "fp32", max_drop=1.0)


def test_probabilities_that_are_not_finite_are_refused() -> None:
    labels, before, after, groups = samples(0)
    after[[3, 5]] = np.nan
    with pytest.raises(ModelError, match="fp16 gives NaN or infinity for 2 of the 60 validation images"):
        check(compare(labels, before, after, groups, n_bootstraps=200, seed=0), "fp16", max_drop=1.0)
