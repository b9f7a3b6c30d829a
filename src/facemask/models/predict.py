"""Batched prediction, and conversion to and from the predictions table."""

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import nn

from facemask.data.preprocessing import Preprocessing
from facemask.errors import ConfigError


def predict_probabilities(
    model: nn.Module,
    preprocessing: Preprocessing,
    inputs: npt.NDArray[np.uint8] | npt.NDArray[np.float32],
    batch_size: int = 32,
) -> npt.NDArray[np.float32]:
    """Return class probabilities, float32[N, C].

    Args:
        model: maps float32[N, 3, S, S] to logits, float32[N, C]; used in evaluation mode on its device.
        preprocessing: preprocessing of the model.
        inputs: images, uint8[N, store_size, store_size, 3], from :meth:`Preprocessing.square`; or features of the
            model's frozen backbone, float32[N, F].
        batch_size: images per batch.
    """
    device = next(model.parameters()).device
    model.eval()
    parts = []
    with torch.inference_mode():
        for start in range(0, len(inputs), batch_size):
            # Copied, because the memory map is read-only.
            batch = torch.from_numpy(np.array(inputs[start : start + batch_size])).to(device)
            logits = model(batch if batch.ndim == 2 else preprocessing.normalise(batch))
            parts.append(logits.float().softmax(dim=1).cpu().numpy())
    return np.concatenate(parts)


def prediction_table(
    samples: pd.DataFrame, probabilities: npt.NDArray[np.float32], class_names: Sequence[str]
) -> pd.DataFrame:
    """Return ``path``, ``group``, ``label``, ``width``, ``height`` and ``probability_CLASS``, one row per sample."""
    table = samples[["path", "group", "label", "width", "height"]].reset_index(drop=True)
    for c, name in enumerate(class_names):
        table[f"probability_{name}"] = probabilities[:, c]
    return table


def truth_and_probabilities(
    predictions: pd.DataFrame, class_names: Sequence[str]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return labels, int64[N], and probabilities, float64[N, C], of a predictions table."""
    labels = np.array([list(class_names).index(label) for label in predictions["label"]], dtype=np.int64)
    columns = [f"probability_{name}" for name in class_names]
    return labels, predictions[columns].to_numpy(dtype=np.float64)


def usable_device(name: str) -> str:
    """Return the name of an available device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        ConfigError: the name is invalid, or the device is not available.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
            raise RuntimeError
        return str(torch.zeros(1, device=name).device)
    except (RuntimeError, AssertionError) as error:  # torch raises AssertionError if it was compiled without the device
        raise ConfigError(f"device={name} is not available; use device=cpu or device=auto.") from error
