"""Run a model over decoded images."""

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from facemask.data.preprocessing import Preprocessing


def predict_probabilities(
    model: nn.Module, preprocessing: Preprocessing, images: npt.NDArray[np.uint8], batch_size: int = 64
) -> npt.NDArray[np.float32]:
    """Return class probabilities, float32[N, C].

    Args:
        model: maps float32[N, 3, S, S] to logits, float32[N, C]; run in evaluation mode where it is.
        preprocessing: the model's own.
        images: uint8[N, store_size, store_size, 3], as :meth:`Preprocessing.square` makes them.
        batch_size: images at a time.
    """
    device = next(model.parameters()).device
    model.eval()
    with torch.inference_mode():
        parts = [
            model(preprocessing.normalise(torch.from_numpy(images[i : i + batch_size]).to(device)))
            .float()
            .softmax(dim=1)
            .cpu()
            .numpy()
            for i in range(0, len(images), batch_size)
        ]
    return np.concatenate(parts)
