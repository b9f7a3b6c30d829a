"""Records in a checkpoint beside the weights: model, preprocessing and data."""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from hydra.utils import get_object
from torch import nn

from facemask.config.component import TARGET, Component
from facemask.config.targets import check_targets
from facemask.config.trust import check_trusted
from facemask.data.datamodule import FaceDataModule
from facemask.data.preprocessing import Preprocessing
from facemask.errors import ConfigError, RunError

# Keys of a checkpoint, beside Lightning's own.
PREPROCESSING, MODEL, DATA, FINGERPRINT = "preprocessing", "model", "data", "fingerprint"
TRAINING_ONLY = ("optimizer", "schedule")  # arguments of a model that predicting does not need


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


def preprocessing_of(checkpoint: Mapping[str, Any], origin: object = "the checkpoint") -> Preprocessing:
    """Return the preprocessing record of a checkpoint.

    Raises:
        RunError: there is none, or it is damaged.
    """
    if PREPROCESSING not in checkpoint:
        raise RunError(f"{origin} has no preprocessing record; give one that facemask wrote.")
    try:
        return Preprocessing.from_dict(checkpoint[PREPROCESSING])
    except ValueError as error:
        raise RunError(f"the preprocessing record of {origin} is damaged: {error}.") from error


def network_of(record: object, origin: object) -> Component:
    """Return the node that builds the network of a checkpoint.

    A checkpoint may be from somebody else, so its classes must be networks that are trusted
    (:mod:`facemask.config.trust`), and their arguments must have the types and ranges of their signatures. Optimiser
    and schedule, which only training needs, are left out without importing them.

    Args:
        record: model record of the checkpoint.
        origin: checkpoint, for errors.

    Raises:
        RunError: the record does not describe a network, or names a class that is not trusted.
    """
    if not isinstance(record, Mapping):
        raise RunError(f"{origin} does not describe its network; give a best.ckpt or last.ckpt of a run.")
    node = {str(key): value for key, value in record.items() if key not in TRAINING_ONLY}
    check_trusted(node, origin)
    if not all(_is_network(target) for target in _targets_of(node)) or TARGET not in node:
        raise RunError(f"{origin} does not describe its network; give a best.ckpt or last.ckpt of a run.")
    try:
        check_targets({MODEL: node})
    except ConfigError as error:
        raise RunError(f"the model record of {origin} is damaged: {error}") from error
    return Component.from_plain(node)


def _targets_of(node: object) -> Iterator[object]:
    """Yield every ``_target_`` of a node."""
    if isinstance(node, list):
        for item in node:
            yield from _targets_of(item)
    if isinstance(node, Mapping):
        if TARGET in node:
            yield node[TARGET]
        for value in node.values():
            yield from _targets_of(value)


def _is_network(target: object) -> bool:
    found = get_object(str(target)) if isinstance(target, str) else None
    return inspect.isclass(found) and issubclass(found, nn.Module)
