"""A network for prediction alone: the same function in fewer steps."""

from copy import deepcopy

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def folded(model: nn.Module) -> nn.Module:
    """Return a copy in evaluation mode whose convolutions have taken in the batch normalisation that follows them.

    Where one follows the other in an ``nn.Sequential``; elsewhere nobody but the network knows what comes next. Layers
    of other kinds, which may do more, stay as they are.
    """
    copy = deepcopy(model).eval()
    for sequence in [module for module in copy.modules() if type(module) is nn.Sequential]:
        for i in range(len(sequence) - 1):
            convolution, norm = sequence[i], sequence[i + 1]
            if type(convolution) is nn.Conv2d and type(norm) is nn.BatchNorm2d and norm.track_running_stats:
                sequence[i], sequence[i + 1] = fuse_conv_bn_eval(convolution, norm), nn.Identity()
    return copy
