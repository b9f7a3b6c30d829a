"""What a checkpoint says beside its weights: how to build the network, how to prepare its input, on what it learned."""

import inspect
from collections.abc import Mapping
from typing import Any

from hydra.utils import get_object
from torch import nn

from facemask.config.component import TARGET
from facemask.data.datamodule import FaceDataModule
from facemask.data.preprocessing import Preprocessing
from facemask.errors import RunError

# Keys of a checkpoint, beside Lightning's own.
PREPROCESSING, MODEL, DATA, FINGERPRINT = "preprocessing", "model", "data", "fingerprint"


def add_records(
    checkpoint: dict[str, Any], model: Mapping[str, object], preprocessing: Preprocessing | None, data: object
) -> None:
    """Add the records to a checkpoint, as plain types.

    Args:
        checkpoint: what is about to be saved.
        model: the node that builds the module.
        preprocessing: how images become its input; None where it has not met any.
        data: the trainer's data module; one of another kind is not recorded.
    """
    checkpoint[MODEL] = dict(model)
    if preprocessing is not None:
        checkpoint[PREPROCESSING] = preprocessing.to_dict()
    if isinstance(data, FaceDataModule):
        checkpoint[DATA], checkpoint[FINGERPRINT] = data.to_record(), data.fingerprint


def preprocessing_of(checkpoint: Mapping[str, Any]) -> Preprocessing:
    """Return the preprocessing record of a checkpoint.

    Raises:
        RunError: it has none.
    """
    if PREPROCESSING not in checkpoint:
        raise RunError("the checkpoint does not say how to prepare images; give one that a fit of facemask wrote.")
    return Preprocessing.from_dict(checkpoint[PREPROCESSING])


def networks_only(node: Any) -> Any:
    """Return a node with None for every ``_target_`` in it that is no network: a file must not call anything else."""
    if isinstance(node, list):
        return [networks_only(item) for item in node]
    if not isinstance(node, dict):
        return node
    if TARGET in node:
        target = get_object(node[TARGET])
        if not (inspect.isclass(target) and issubclass(target, nn.Module)):
            return None
    return {key: networks_only(value) for key, value in node.items()}
