"""Test-time augmentation with the mirror image."""

import math
from collections.abc import Callable

import torch
from torch import Tensor


def flip_averaged(net: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Return the logarithms of the mean probabilities of images and their mirror images, float32[N, C].

    Their softmax is these means, so they can be used like logits.

    Args:
        net: network in evaluation mode; maps float[N, 3, S, S] to logits, float[N, C].
        images: float[N, 3, S, S].
    """
    n = images.shape[0]
    log_probabilities = net(torch.cat([images, images.flip(-1)])).float().log_softmax(dim=1)
    return torch.stack([log_probabilities[:n], log_probabilities[n:]]).logsumexp(dim=0) - math.log(2)
