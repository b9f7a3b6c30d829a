"""Build models from configurations and from checkpoints, which are self-contained."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from hydra.utils import get_object
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from facemask.config.component import Component
from facemask.data.preprocessing import Preprocessing
from facemask.errors import ConfigError, RunError
from facemask.models.classifier import MaskClassifier
from facemask.models.records import MODEL, PREPROCESSING, network_of, preprocessing_of


def build_model(model: Component, **facts: object) -> LightningModule:
    """Build a model.

    Args:
        model: a LightningModule with its arguments, or a network that :class:`MaskClassifier` wraps.
        facts: facts about the data, such as ``num_classes``, ``class_names`` and ``class_weights``. The constructor
            gets those that it has parameters for.

    Raises:
        FaceMaskError: the model does not accept its settings.
    """
    target = get_object(model.target)
    if inspect.isclass(target) and issubclass(target, nn.Module) and not issubclass(target, LightningModule):
        net = Component(model.target, is_partial=True).to_plain()
        model = Component(f"{MaskClassifier.__module__}.{MaskClassifier.__qualname__}", {"net": net, **model.arguments})
        target = MaskClassifier
    accepted = inspect.signature(target).parameters
    if "input_size" not in accepted:  # then the data module resizes images
        model = model.without("input_size")
    elif model.get("input_size") is None:
        model = model.with_arguments(input_size=None)
    built: LightningModule = model.build(**{key: value for key, value in facts.items() if key in accepted})
    return built


def load_model(checkpoint: Path) -> tuple[LightningModule, Preprocessing]:
    """Load the model of a checkpoint, in evaluation mode on the CPU, and its preprocessing.

    Only networks that are trusted are built, see :func:`facemask.models.records.network_of`.

    Raises:
        RunError: the file is missing, damaged, or not a checkpoint of facemask.
    """
    content = read_checkpoint(checkpoint)
    preprocessing, record = preprocessing_of(content, checkpoint), network_of(content[MODEL], checkpoint)
    if "pretrained" in record.arguments or _takes_pretrained(record):  # its weights are replaced below
        record = record.with_arguments(pretrained=False)
    names, state = preprocessing.class_names, content["state_dict"]
    facts = {"num_classes": len(names), "class_names": list(names), "input_size": preprocessing.input_size}
    try:
        _check_shapes(record, facts, state)
        model = build_model(record, **facts)
        model.load_state_dict(state)
    except (RuntimeError, ConfigError) as error:
        raise RunError(
            f"the weights of {checkpoint} do not fit its network with the {len(names)} classes "
            f"{', '.join(names)}; give a best.ckpt or last.ckpt of a run."
        ) from error
    if isinstance(model, MaskClassifier):
        model.preprocessing = preprocessing
    return model.eval(), preprocessing


def _check_shapes(record: Component, facts: Mapping[str, object], state: Mapping[str, Tensor]) -> None:
    """Check that the tensors of a checkpoint fit its network, before the network takes memory.

    Raises:
        RuntimeError: they do not.
    """
    try:
        with torch.device("meta"):
            shapes = {key: tensor.shape for key, tensor in build_model(record, **facts).state_dict().items()}
    except NotImplementedError:  # a custom network that computes with its weights
        return
    if shapes != {key: tensor.shape for key, tensor in state.items()}:
        raise RuntimeError("other shapes")


def _takes_pretrained(record: Component) -> bool:
    """Return whether the network of a record has the parameter ``pretrained``."""
    net = record.get("net")
    return isinstance(net, dict) and "pretrained" in inspect.signature(get_object(net["_target_"])).parameters


def read_checkpoint(checkpoint: Path) -> dict[str, Any]:
    """Read tensors and plain types of a checkpoint without running code from the file.

    Raises:
        RunError: the file is missing, damaged, or no checkpoint of ours.
    """
    if not checkpoint.is_file():
        raise RunError(f"{checkpoint} is not a file; give the path of a best.ckpt or last.ckpt of a run.")
    try:
        content: dict[str, Any] = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip and torch raise many types for foreign and truncated files
        raise RunError(f"{checkpoint} is not a checkpoint, or is damaged; give a best.ckpt or last.ckpt.") from error
    is_ours = isinstance(content, dict) and {PREPROCESSING, MODEL, "state_dict"} <= content.keys()
    if not (is_ours and isinstance(state := content["state_dict"], dict) and all(map(torch.is_tensor, state.values()))):
        raise RunError(f"{checkpoint} is not a checkpoint of facemask; give a best.ckpt or last.ckpt of a run.")
    return content


def completed_epochs(last: Path) -> int:
    """Return the number of epochs of a fold's last checkpoint; 0 if there is none.

    Raises:
        RunError: the file is damaged, or no checkpoint of ours.
    """
    return int(read_checkpoint(last)["epoch"]) + 1 if last.is_file() else 0
