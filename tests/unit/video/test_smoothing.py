"""Predictions are averaged with weights that decrease with age."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facemask.video.smoothing import Smoother


def p(value: float) -> np.ndarray:
    return np.array([value, 1 - value], np.float32)


@given(values=st.lists(st.floats(0, 1), min_size=1, max_size=20), half_life=st.floats(0, 5))
def test_an_average_lies_between_the_predictions_and_sums_to_one(values: list[float], half_life: float) -> None:
    smoother = Smoother(half_life)
    for i, value in enumerate(values):
        average = smoother.update(1, p(value), 0.1 * i)
    assert average.sum() == pytest.approx(1, abs=1e-5)
    assert min(values) - 1e-5 <= average[0] <= max(values) + 1e-5


def test_a_prediction_one_half_life_old_has_half_the_weight() -> None:
    smoother = Smoother(2.0)
    smoother.update(1, p(0.0), 0.0)
    assert smoother.update(1, p(1.0), 2.0)[0] == pytest.approx(1 / 1.5)


def test_without_a_half_life_the_newest_prediction_is_used() -> None:
    smoother = Smoother(0.0)
    smoother.update(1, p(0.0), 0.0)
    assert smoother.update(1, p(0.8), 0.0)[0] == pytest.approx(0.8)


def test_tracks_do_not_mix_and_a_forgotten_one_begins_anew() -> None:
    smoother = Smoother(1.0)
    smoother.update(1, p(0.0), 0.0)
    assert smoother.update(2, p(1.0), 0.0)[0] == 1
    smoother.keep_only({2})
    assert smoother.update(1, p(1.0), 0.1)[0] == 1
