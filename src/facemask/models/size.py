"""The size of a model: parameters and bytes."""

from pathlib import Path

from torch import nn


def count_parameters(model: nn.Module) -> int:
    """Return the number of parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


def weights_size(model: nn.Module) -> int:
    """Return the bytes of a model's parameters and buffers."""
    return sum(value.numel() * value.element_size() for value in model.state_dict().values())


def file_size(checkpoint: Path) -> int:
    """Return the bytes of a checkpoint, which also holds the state of the optimiser."""
    return checkpoint.stat().st_size
