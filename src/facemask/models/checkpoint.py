"""A model out of its configuration, and back out of a checkpoint, which needs nothing else."""

import inspect
from pathlib import Path
from typing import Any

import torch
from hydra.utils import get_object
from lightning.pytorch import LightningModule
from torch import nn

from facemask.config.component import Component
from facemask.data.preprocessing import Preprocessing
from facemask.errors import RunError
from facemask.models.classifier import MaskClassifier
from facemask.models.records import MODEL, PREPROCESSING, networks_only


def build_model(model: Component, **facts: object) -> LightningModule:
    """Build a model.

    Args:
        model: a LightningModule with its arguments; or any other network, which :class:`MaskClassifier` then trains.
        facts: what the data tell: ``num_classes``, ``class_names``, ``class_weights``, and more. A module gets those
            that its constructor names.

    Raises:
        FaceMaskError: what the model found wrong with its settings.
    """
    target = get_object(model.target)
    if inspect.isclass(target) and issubclass(target, nn.Module) and not issubclass(target, LightningModule):
        net = Component(model.target, is_partial=True).to_plain()
        model = Component(f"{MaskClassifier.__module__}.{MaskClassifier.__qualname__}", {"net": net, **model.arguments})
        target = MaskClassifier
    accepted = inspect.signature(target).parameters
    if "input_size" not in accepted:  # then the data are resized before the model sees them
        model = model.without("input_size")
    elif model.get("input_size") is None:
        model = model.with_arguments(input_size=None)
    built: LightningModule = model.build(**{key: value for key, value in facts.items() if key in accepted})
    return built


def load_model(checkpoint: Path) -> tuple[LightningModule, Preprocessing]:
    """Rebuild the model of a checkpoint, in evaluation mode on the CPU, and its preprocessing record.

    What the checkpoint names to be built is built only if it is a network: a file has no say in what else is called.

    Raises:
        RunError: the file is missing, damaged, or no checkpoint of ours.
    """
    content = read_checkpoint(checkpoint)
    preprocessing = Preprocessing.from_dict(content[PREPROCESSING])
    record = networks_only(content[MODEL])
    if not record:
        raise RunError(f"{checkpoint} names no network to build; give a best.ckpt or last.ckpt of a run.")
    if "pretrained" in record or _takes_pretrained(record):  # its weights are about to be replaced
        record["pretrained"] = False
    names = preprocessing.class_names
    model = build_model(Component.from_plain(record), num_classes=len(names), class_names=list(names))
    try:
        model.load_state_dict(content["state_dict"])
    except RuntimeError as error:
        raise RunError(
            f"the weights of {checkpoint} do not fit the network that it names, of the {len(names)} classes "
            f"{', '.join(names)}; give a best.ckpt or last.ckpt of a run."
        ) from error
    if isinstance(model, MaskClassifier):
        model.preprocessing = preprocessing
    return model.eval(), preprocessing


def _takes_pretrained(record: dict[str, Any]) -> bool:
    """Return whether the network of a record would fetch pretrained weights if it is not told otherwise."""
    net = record.get("net")
    return isinstance(net, dict) and "pretrained" in inspect.signature(get_object(net["_target_"])).parameters


def read_checkpoint(checkpoint: Path) -> dict[str, Any]:
    """Read a checkpoint's tensors and plain types; no code of the file is run.

    Raises:
        RunError: the file is missing, damaged, or no checkpoint of ours.
    """
    if not checkpoint.is_file():
        raise RunError(f"{checkpoint} is not a file; give the path of a best.ckpt or last.ckpt of a run.")
    try:
        content: dict[str, Any] = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip and torch raise a dozen kinds on foreign and cut-off files
        raise RunError(f"{checkpoint} is no checkpoint, or a damaged one; give a best.ckpt or last.ckpt.") from error
    if not isinstance(content, dict) or not {PREPROCESSING, MODEL, "state_dict"} <= content.keys():
        raise RunError(f"{checkpoint} is not a checkpoint of facemask; give a best.ckpt or last.ckpt of a run.")
    return content
