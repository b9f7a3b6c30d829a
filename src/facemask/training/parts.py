"""The parts of a fit, each built once from its node of the configuration."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from hydra.utils import get_object
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger
from rich.console import Console
from torch import Tensor

from facemask.config.schemas import TrainConfig
from facemask.data.datamodule import FaceDataModule
from facemask.data.preprocessing import Preprocessing
from facemask.errors import ConfigError, did_you_mean, first_line
from facemask.models.checkpoint import build_model
from facemask.models.distillation import DistillationLoss
from facemask.models.epoch_seed import EpochSeed
from facemask.models.weights import InitialWeights
from facemask.training.callbacks import AtomicCheckpointIO, BestAndLast, DataWait, EpochBar, EpochLines, History
from facemask.training.processes import InEachProcess, silence_expected_warnings


@dataclass(frozen=True)
class Model:
    """A model that is about to be trained.

    Attributes:
        module: the model.
        preprocessing: how stored images become its input.
        initial: where its first weights come from.
    """

    module: LightningModule
    preprocessing: Preprocessing
    initial: InitialWeights


def dry_run(config: TrainConfig) -> None:
    """Build what needs no data and run the model once, so that what cannot work fails before any image is decoded.

    Raises:
        FaceMaskError: the augmentation or the model does not accept its settings, or the model cannot take a batch.
    """
    config.augment.build()
    names = ["a", "b"]
    model = build_model(config.model, num_classes=len(names), class_names=names, **_training_facts(config))
    _check_monitor(config.monitor, model)
    n, size = min(config.bs, 2), config.model.get("input_size") or config.data.get("store_size")
    try:
        with torch.no_grad():
            shape = tuple(model.train()(torch.zeros(n, 3, size, size)).shape)
    except (RuntimeError, ValueError, TypeError) as error:
        raise ConfigError(
            f"the model cannot be trained with bs={config.bs} and {size} pixels: {first_line(error)}; try a "
            "larger model.input_size or bs."
        ) from error
    if shape != (n, len(names)):
        raise ConfigError(f"the model returns {shape} for {n} images of 2 classes; it must return logits, {(n, 2)}.")


def build_data(config: TrainConfig, fold: int, teacher: Callable[[Tensor], Tensor] | None = None) -> FaceDataModule:
    """Build the data module of a fold, with its images decoded and its tables read."""
    facts = {"input_size": config.model.get("input_size"), "teacher": teacher}
    accepted = inspect.signature(get_object(config.data.target)).parameters
    data: FaceDataModule = config.data.build(fold=fold, **{k: v for k, v in facts.items() if v and k in accepted})
    data.prepare_data()
    return data


def build_fold_model(config: TrainConfig, data: FaceDataModule) -> Model:
    """Build the model for the classes of the data.

    Raises:
        ConfigError: it has a loss of its own and a teacher is named.
    """
    names = data.class_names
    distillation = DistillationLoss(config.teacher_weight, config.teacher_temperature) if config.teacher else None
    facts = {"class_names": names, "class_weights": data.class_weights, "distillation": distillation}
    module = build_model(config.model, num_classes=len(names), **facts, **_training_facts(config))
    if distillation is not None and not hasattr(module, "distillation"):
        raise ConfigError(f"teacher= is for models of facemask, and {type(module).__name__} has a loss of its own.")
    initial = getattr(module, "initial", InitialWeights("not told by the model"))
    size = config.model.get("input_size") or data.store_size
    return Model(module, Preprocessing(tuple(names), size, data.store_size, initial.mean, initial.std), initial)


def _training_facts(config: TrainConfig) -> dict[str, object]:
    """Return how to optimise a model whose node does not say so itself: a network of the user's."""
    parts = {"optimizer": config.optim, "schedule": config.schedule}
    return {name: part.build() for name, part in parts.items() if name not in config.model.arguments}


def build_trainer(
    config: TrainConfig, folder: Path, model: Model, loggers: Sequence[Logger]
) -> tuple[Trainer, BestAndLast]:
    """Build the trainer of a fold, and the callback that keeps its checkpoints."""
    silence_expected_warnings()
    options = config.trainer.without("compile")
    if options.get("strategy") and torch.cuda.is_available() and options.get("accelerator") != "cpu":
        options = options.with_arguments(sync_batchnorm=options.get("sync_batchnorm", True))  # torch has it for GPUs
    has_bar = bool(options.get("enable_progress_bar", True)) and Console().is_terminal
    checkpoints, wait = BestAndLast(folder, config.monitor, config.model, model.preprocessing), DataWait()
    callbacks: list[Callback] = [
        EpochSeed(),
        InEachProcess(),
        *(node.build() for node in config.callbacks.values()),
        EpochLines(config.monitor),
        History(folder, wait),
        checkpoints,
        *([EpochBar(refresh_rate=10)] if has_bar else []),
    ]
    try:
        trainer: Trainer = options.with_arguments(enable_progress_bar=has_bar).build(
            callbacks=callbacks,
            logger=list(loggers),
            plugins=[AtomicCheckpointIO()],
            profiler=wait,
            default_root_dir=str(folder),
        )
    except MisconfigurationException as error:
        raise ConfigError(f"the trainer cannot be set up like this: {str(error).splitlines()[0]}") from error
    if config.bs % trainer.world_size:
        raise ConfigError(f"bs={config.bs} cannot be shared out among {trainer.world_size} processes; choose another.")
    return trainer, checkpoints


def _check_monitor(monitor: str, model: LightningModule) -> None:
    """Refuse a metric that our own module will not log; of a user's module nothing is known yet."""
    if metrics := getattr(model, "val_metrics", None):
        names = [f"val/{name}" for name in metrics.names]
        if monitor not in names:
            raise ConfigError(f"monitor={monitor} is not a validation metric{did_you_mean(monitor, names)}")
