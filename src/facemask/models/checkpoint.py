"""A model out of its configuration, and back out of a checkpoint, which needs nothing else."""

import inspect
from pathlib import Path
from typing import Any

import torch
from hydra.utils import get_object
from lightning.pytorch import LightningModule
from torch import nn

from facemask.config.compose import Settings, build
from facemask.data.preprocessing import Preprocessing
from facemask.errors import RunError

RECORD, MODEL = "preprocessing", "model"  # what we add to Lightning's own keys


def build_model(settings: Settings, **facts: Any) -> LightningModule:
    """Instantiate a model configuration.

    Args:
        settings: the ``model`` node as plain types: the ``_target_`` of a LightningModule with its arguments.
            ``input_size`` is not among these: the data are resized before the model sees them.
        facts: what the data tell: ``num_classes``, ``class_names``, ``class_weights``. A module gets those its
            constructor names.

    Raises:
        FaceMaskError: what the model found wrong with its settings.
    """
    accepted = inspect.signature(get_object(settings["_target_"])).parameters
    arguments = {key: value for key, value in settings.items() if key != "input_size"}
    model: LightningModule = build(arguments, **{key: value for key, value in facts.items() if key in accepted})
    return model


def load_model(checkpoint: Path) -> tuple[LightningModule, Preprocessing]:
    """Rebuild the model of a checkpoint, in evaluation mode on the CPU, and its preprocessing record.

    What the checkpoint names to be built is built only if it is a network: a file has no say in what else is called.

    Raises:
        RunError: the file is missing, damaged, or no checkpoint of ours.
    """
    content = read_checkpoint(checkpoint)
    preprocessing = Preprocessing.from_dict(content[RECORD])
    settings = _networks_only(content[MODEL])
    if not settings:
        raise RunError(f"{checkpoint} names no network to build; give a best.ckpt or last.ckpt of a run.")
    if "pretrained" in settings:  # its weights are about to be replaced
        settings["pretrained"] = False
    names = preprocessing.class_names
    model = build_model(settings, num_classes=len(names), class_names=list(names), class_weights=None)
    try:
        model.load_state_dict(content["state_dict"])
    except RuntimeError as error:
        raise RunError(
            f"the weights of {checkpoint} do not fit the network that it names, of the {len(names)} classes "
            f"{', '.join(names)}; give a best.ckpt or last.ckpt of a run."
        ) from error
    return model.eval(), preprocessing


def _networks_only(node: Any) -> Any:
    """Return a configuration with None for everything to be built that is no network (the optimiser, for one)."""
    if isinstance(node, list):
        return [_networks_only(item) for item in node]
    if not isinstance(node, dict):
        return node
    if "_target_" in node:
        target = get_object(node["_target_"])
        if not (inspect.isclass(target) and issubclass(target, nn.Module)):
            return None
    return {key: _networks_only(value) for key, value in node.items()}


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
    if not isinstance(content, dict) or not {RECORD, MODEL, "state_dict"} <= content.keys():
        raise RunError(f"{checkpoint} is not a checkpoint of facemask; give a best.ckpt or last.ckpt of a run.")
    return content
