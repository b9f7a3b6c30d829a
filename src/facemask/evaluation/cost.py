"""Latency and number of operations of a model."""

import time

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from facemask.data.preprocessing import Pixels, Preprocessing
from facemask.models.predict import predict_probabilities
from facemask.reports.findings import Latency

WARM_UP = 3  # uncounted calls
SECONDS = 1.0  # approximate total time of counted calls
MOST, LEAST = 200, 10  # bounds of the number of counted calls


def measure_latency(model: nn.Module, preprocessing: Preprocessing, images: Pixels, batch: int) -> Latency:
    """Measure the time of resizing, normalising and predicting a batch on the model's device.

    Args:
        model: as in :func:`facemask.models.predict.predict_probabilities`.
        preprocessing: preprocessing of the model.
        images: uint8[N, store_size, store_size, 3]; repeated if fewer than ``batch``.
        batch: crops per call.
    """
    crops = images[np.resize(np.arange(len(images)), batch)]
    durations: list[float] = []
    calls = LEAST
    while len(durations) < WARM_UP + calls:
        start = time.perf_counter()
        # Returns on the CPU, which synchronises the device.
        predict_probabilities(model, preprocessing, crops, batch_size=batch)
        durations.append(time.perf_counter() - start)
        if len(durations) == WARM_UP:
            calls = int(np.clip(SECONDS / durations[-1], LEAST, MOST))
    median, p90 = np.quantile(np.array(durations[WARM_UP:]) * 1000, [0.5, 0.9])
    return Latency(batch, calls, float(median), float(p90))


def count_flops(model: nn.Module, input_size: int) -> int:
    """Return the floating-point operations per image; a multiply-add counts as two."""
    device = next(model.parameters()).device
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 3, input_size, input_size, device=device))
    return int(counter.get_total_flops())
