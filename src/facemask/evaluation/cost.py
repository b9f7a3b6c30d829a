"""Latency and number of operations of a model."""

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from facemask.data.preprocessing import Pixels
from facemask.inference.backend import Probabilities
from facemask.reports.findings import Latency

Prediction = Callable[[Pixels], Probabilities]

WARM_UP = 3  # uncounted calls
SECONDS = 1.0  # approximate total time of counted calls
MOST, LEAST = 200, 10  # bounds of the number of counted calls


def measure_latency(predict: Prediction, images: Pixels, batch: int) -> Latency:
    """Measure the time of resizing, normalising and predicting a batch.

    Args:
        predict: maps uint8[N, store_size, store_size, 3] to probabilities on the CPU, which synchronises a device.
        images: uint8[N, store_size, store_size, 3]; repeated if fewer than ``batch``.
        batch: crops per call.
    """
    crops = images[np.resize(np.arange(len(images)), batch)]
    durations: list[float] = []
    calls = LEAST
    while len(durations) < WARM_UP + calls:
        start = time.perf_counter()
        predict(crops)
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
