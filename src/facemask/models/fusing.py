"""Fuse layers for inference."""

from copy import deepcopy

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fuse_conv_bn(model: nn.Module) -> nn.Module:
    """Return a copy in evaluation mode with batch normalisation fused into the convolutions.

    Only consecutive layers of an ``nn.Sequential`` are fused, because elsewhere only ``forward`` knows their order.
    Subclasses of the two layers are not fused, because they may compute something else.
    """
    copy = deepcopy(model).eval()
    for sequence in [module for module in copy.modules() if type(module) is nn.Sequential]:
        for i in range(len(sequence) - 1):
            convolution, norm = sequence[i], sequence[i + 1]
            if type(convolution) is nn.Conv2d and type(norm) is nn.BatchNorm2d and norm.track_running_stats:
                sequence[i], sequence[i + 1] = fuse_conv_bn_eval(convolution, norm), nn.Identity()
    return copy
