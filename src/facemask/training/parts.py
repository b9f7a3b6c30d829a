"""The parts of a fit, each built from its node of the configuration."""

from collections.abc import Sequence
from pathlib import Path

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger
from rich.console import Console

from facemask.config.compose import Settings, build
from facemask.data.datamodule import FaceDataModule
from facemask.data.preprocessing import Preprocessing
from facemask.errors import ConfigError, did_you_mean, first_line
from facemask.models.checkpoint import build_model
from facemask.models.weights import InitialWeights
from facemask.training.callbacks import (
    AtomicCheckpointIO,
    Checkpoints,
    DataWait,
    EpochBar,
    EpochLines,
    EpochSeed,
    History,
)
from facemask.training.processes import InEachProcess, quieten


def model_name(settings: Settings) -> str:
    """Return what tables call the model: its timm name, or its class."""
    model = settings["model"]
    target = (model.get("net") or model)["_target_"]
    return str(model.get("name") or target.rpartition(".")[2])


def rehearse(settings: Settings) -> None:
    """Build what needs no data, and run the model once: what cannot work is told before any image is decoded.

    Raises:
        FaceMaskError: the augmentation or the model does not accept its settings, or the model cannot take a batch.
    """
    build(settings["augment"])
    names = ["a", "b"]
    model = build_model(settings["model"], num_classes=len(names), class_names=names, class_weights=None)
    _check_monitor(settings["monitor"], model)
    n, size = min(settings["bs"], 2), settings["model"].get("input_size") or settings["data"]["store_size"]
    try:
        with torch.no_grad():
            shape = tuple(model.train()(torch.zeros(n, 3, size, size)).shape)
    except (RuntimeError, ValueError, TypeError) as error:
        raise ConfigError(
            f"the model cannot be trained with bs={settings['bs']} and {size} pixels: {first_line(error)}; try a "
            "larger model.input_size or bs."
        ) from error
    if shape != (n, len(names)):
        raise ConfigError(f"the model returns {shape} for {n} images of 2 classes; it must return logits, {(n, 2)}.")


def build_data(settings: Settings, fold: int) -> FaceDataModule:
    """Build the data module of a fold, with its images decoded and its tables read."""
    data: FaceDataModule = build(settings["data"], fold=fold)
    data.prepare_data()
    return data


def build_fold_model(settings: Settings, data: FaceDataModule) -> tuple[LightningModule, Preprocessing, InitialWeights]:
    """Build the model for the classes of the data, and the record of how it wants to be fed."""
    names = data.class_names
    model = build_model(settings["model"], num_classes=len(names), class_names=names, class_weights=data.class_weights)
    initial = getattr(model, "initial", InitialWeights("not told by the model"))
    size = settings["model"].get("input_size") or data.store_size
    record = Preprocessing(tuple(names), size, data.store_size, initial.mean, initial.std)
    return model, record, initial


def build_trainer(
    settings: Settings, fold: int, folder: Path, record: Preprocessing, loggers: Sequence[Logger]
) -> tuple[Trainer, Checkpoints]:
    """Build the trainer of a fold, and the callback that keeps its checkpoints."""
    quieten()
    options = {key: value for key, value in settings["trainer"].items() if key != "compile"}
    if options.get("strategy") and torch.cuda.is_available() and options.get("accelerator") != "cpu":
        options.setdefault("sync_batchnorm", True)  # which torch has for GPUs only
    checkpoints = Checkpoints(folder, settings["monitor"], record.to_dict(), settings["model"])
    wait = DataWait()
    callbacks: list[Callback] = [
        EpochSeed(settings["seed"], fold),
        InEachProcess(),
        *(build(node) for node in (settings["callbacks"] or {}).values()),
        EpochLines(settings["monitor"]),
        History(folder, wait),
        checkpoints,
    ]
    options["enable_progress_bar"] = options.get("enable_progress_bar", True) and Console().is_terminal
    if options["enable_progress_bar"]:
        callbacks.append(EpochBar(refresh_rate=10))
    try:
        trainer: Trainer = build(
            options,
            callbacks=callbacks,
            logger=list(loggers),
            plugins=[AtomicCheckpointIO()],
            profiler=wait,
            default_root_dir=str(folder),
        )
    except MisconfigurationException as error:
        raise ConfigError(f"the trainer cannot be set up like this: {str(error).splitlines()[0]}") from error
    if settings["bs"] % trainer.world_size:
        raise ConfigError(
            f"bs={settings['bs']} cannot be shared out among {trainer.world_size} processes; choose another."
        )
    return trainer, checkpoints


def _check_monitor(monitor: str, model: LightningModule) -> None:
    """Refuse a metric that our own module will not log; of a user's module nothing is known yet."""
    if metrics := getattr(model, "val_metrics", None):
        names = [f"val/{name}" for name in metrics.names]
        if monitor not in names:
            raise ConfigError(f"monitor={monitor} is not a validation metric{did_you_mean(monitor, names)}")
