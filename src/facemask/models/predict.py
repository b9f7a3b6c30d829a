"""Run a model over decoded images; what it says as a table, and back."""

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
        model: maps float32[N, 3, S, S] to logits, float32[N, C]; run in evaluation mode where it is.
        preprocessing: the model's own.
        inputs: uint8[N, store_size, store_size, 3] images, as :meth:`Preprocessing.square` makes them; or features,
            float32[N, F], that the model's frozen backbone made of them.
        batch_size: images at a time.
    """
    device = next(model.parameters()).device
    model.eval()
    parts = []
    with torch.inference_mode():
        for start in range(0, len(inputs), batch_size):
            batch = torch.from_numpy(np.array(inputs[start : start + batch_size])).to(device)  # of a read-only map
            logits = model(batch if batch.ndim == 2 else preprocessing.normalise(batch))
            parts.append(logits.float().softmax(dim=1).cpu().numpy())
    return np.concatenate(parts)


def prediction_table(
    samples: pd.DataFrame, probabilities: npt.NDArray[np.float32], class_names: Sequence[str]
) -> pd.DataFrame:
    """Return ``path``, ``group``, ``label``, ``width``, ``height`` and ``probability_CLASS``, a row a sample."""
    table = samples[["path", "group", "label", "width", "height"]].reset_index(drop=True)
    for c, name in enumerate(class_names):
        table[f"probability_{name}"] = probabilities[:, c]
    return table


def truth_and_probabilities(
    predictions: pd.DataFrame, class_names: Sequence[str]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return the truth, int64[N], and the probabilities, float64[N, C], of such a table."""
    labels = np.array([list(class_names).index(label) for label in predictions["label"]], dtype=np.int64)
    columns = [f"probability_{name}" for name in class_names]
    return labels, predictions[columns].to_numpy(dtype=np.float64)


def usable_device(name: str) -> str:
    """Return a device by its name: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        ConfigError: it is none of these, or not here.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
            raise RuntimeError
        return str(torch.zeros(1, device=name).device)
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was compiled for a device
        raise ConfigError(f"device={name} cannot be used here; type device=cpu or device=auto.") from error
