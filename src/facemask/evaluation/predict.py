"""Run a model over decoded images."""

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from facemask.data.preprocessing import Preprocessing


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
