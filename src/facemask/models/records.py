"""Records in a checkpoint beside the weights: model, preprocessing and data."""

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
        checkpoint: checkpoint to be saved.
        model: node that builds the module.
        preprocessing: preprocessing of the module; None if it is unknown.
        data: the trainer's data module; only a FaceDataModule is recorded.
    """
    checkpoint[MODEL] = dict(model)
    if preprocessing is not None:
        checkpoint[PREPROCESSING] = preprocessing.to_dict()
    if isinstance(data, FaceDataModule):
        checkpoint[DATA], checkpoint[FINGERPRINT] = data.to_record(), data.fingerprint


def preprocessing_of(checkpoint: Mapping[str, Any]) -> Preprocessing:
    """Return the preprocessing record of a checkpoint.

    Raises:
        RunError: there is none.
    """
    if PREPROCESSING not in checkpoint:
        raise RunError("the checkpoint has no preprocessing record; give one that facemask wrote.")
    return Preprocessing.from_dict(checkpoint[PREPROCESSING])


def networks_only(node: Any) -> Any:
    """Return a node in which every ``_target_`` that is not a network is None.

    A checkpoint cannot make its reader call anything else.
    """
    if isinstance(node, list):
        return [networks_only(item) for item in node]
    if not isinstance(node, dict):
        return node
    if TARGET in node:
        target = get_object(node[TARGET])
        if not (inspect.isclass(target) and issubclass(target, nn.Module)):
            return None
    return {key: networks_only(value) for key, value in node.items()}
