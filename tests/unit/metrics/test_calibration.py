"""Temperature scaling changes the confidence of a model, never its predicted class."""

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.classification import multiclass_calibration_error

from facemask.metrics.calibration import (
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    reliability,
    rescale,
)


def predictions(seed: int, n: int, n_classes: int, sharpness: float) -> tuple[npt.NDArray[np.int64], np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, n)
    logits = rng.normal(0, 1, (n, n_classes)) + 1.5 * np.eye(n_classes)[labels]
    exponentials = np.exp(sharpness * logits)
    return labels, (exponentials / exponentials.sum(axis=1, keepdims=True)).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**16), st.integers(1, 80), st.integers(2, 4), st.floats(0.05, 30))
def test_temperature_never_changes_a_decision_nor_raises_the_validation_loss(
    seed: int, n: int, n_classes: int, sharpness: float
) -> None:
    labels, probabilities = predictions(seed, n, n_classes, sharpness)
    temperature = fit_temperature(labels, probabilities)
    scaled = rescale(probabilities, temperature)
    clear = np.diff(np.sort(probabilities, axis=1)[:, -2:])[:, 0] > 1e-6
    assert (scaled.argmax(axis=1) == probabilities.argmax(axis=1))[clear].all()
    before = negative_log_likelihood(labels, probabilities)
    assert negative_log_likelihood(labels, scaled) <= before * (1 + 1e-9) + 1e-9
    assert np.allclose(scaled.sum(axis=1), 1)


@pytest.mark.parametrize("sharpness", [0.3, 1.0, 3.0])
def test_the_temperature_recovers_the_scale_of_overconfident_logits(sharpness: float) -> None:
    labels, honest = predictions(0, 20000, 3, 1.5)  # 1.5: what these logits' likelihood ratio says
    sharpened = rescale(honest, 1 / sharpness)
    assert fit_temperature(labels, sharpened) == pytest.approx(sharpness, rel=0.05)
    assert expected_calibration_error(labels, honest) < 0.015
    if sharpness != 1:
        assert expected_calibration_error(labels, sharpened) > 0.05


@pytest.mark.parametrize("bins", [5, 15])
def test_the_calibration_error_equals_torchmetrics(bins: int) -> None:
    labels, probabilities = predictions(1, 500, 3, 2.0)
    theirs = multiclass_calibration_error(
        torch.from_numpy(probabilities).double(), torch.from_numpy(labels), num_classes=3, n_bins=bins, norm="l1"
    )
    assert expected_calibration_error(labels, probabilities, bins) == pytest.approx(float(theirs), abs=1e-6)
    table = reliability(labels, probabilities, bins)
    assert table["n"].sum() == 500
    assert (table["confidence"] > table["above"]).all()
    assert (table["confidence"] <= table["up_to"] + 1e-7).all()


def test_probability_of_zero_is_rescaled() -> None:
    labels, probabilities = np.array([0, 1, 1]), np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], np.float32)
    temperature = fit_temperature(labels, probabilities)
    assert temperature > 1
    assert np.isfinite(rescale(probabilities, temperature)).all()
