"""Number of parameters, and sizes in bytes."""

from pathlib import Path

from torch import nn


def count_parameters(model: nn.Module) -> int:
    """Return the number of parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


def weights_size(model: nn.Module) -> int:
    """Return the size of a model's parameters and buffers, bytes."""
    return sum(value.numel() * value.element_size() for value in model.state_dict().values())


def file_size(checkpoint: Path) -> int:
    """Return the size of a file, bytes; a checkpoint's includes the optimiser state."""
    return checkpoint.stat().st_size
