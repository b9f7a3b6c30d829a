"""Build the parts of a fit from the configuration."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from hydra.utils import get_object
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger
from torch import Tensor

from facemask.config.schemas import TrainConfig
from facemask.data.datamodule import FaceDataModule
from facemask.data.preprocessing import Preprocessing
from facemask.errors import ConfigError, did_you_mean, first_line
from facemask.models.checkpoint import build_model
from facemask.models.distillation import DistillationLoss
from facemask.models.epoch_seed import EpochSeed
from facemask.models.weights import InitialWeights
from facemask.terminal import SafeConsole
from facemask.training.callbacks import (
    AtomicCheckpointIO,
    BestAndLast,
    DataWait,
    EpochBar,
    EpochLines,
    History,
    StopAfterEpochs,
)
from facemask.training.processes import InEachProcess, external_ranks, silence_expected_warnings


@dataclass(frozen=True)
class Model:
    """A model before training.

    Attributes:
        module: the Lightning module.
        preprocessing: preprocessing from stored images to its input.
        initial: source of its initial weights.
    """

    module: LightningModule
    preprocessing: Preprocessing
    initial: InitialWeights


def dry_run(config: TrainConfig) -> None:
    """Build the model and run it once on random data, so that errors appear before images are decoded.

    Raises:
        FaceMaskError: the augmentation or the model does not accept its settings, or the model fails on a batch.
    """
    config.augment.build()
    names = ["a", "b"]
    n, size = min(config.bs, 2), config.model.get("input_size") or config.data.get("store_size")
    facts = {"num_classes": len(names), "class_names": names, "input_size": size}
    model = build_model(config.model, **facts, **_training_facts(config))
    _check_monitor(config.monitor, model)
    try:
        with torch.no_grad():
            shape = tuple(model.train()(torch.zeros(n, 3, size, size)).shape)
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        own = getattr(getattr(getattr(model, "net", None), "backbone", None), "default_cfg", {}).get("input_size")
        advice = "use a larger model.input_size or bs"
        if own and own[-1] != size:
            advice = f"set model.input_size={own[-1]}, the network's own size"
        raise ConfigError(
            f"the model fails with bs={config.bs} and {size} pixels: {first_line(error)}; {advice}."
        ) from error
    if shape != (n, len(names)):
        raise ConfigError(f"the model must return logits of shape {(n, 2)} for {n} images and 2 classes, got {shape}.")


def build_data(config: TrainConfig, fold: int, teacher: Callable[..., Tensor] | None = None) -> FaceDataModule:
    """Build and set up the data module of a fold."""
    facts = {"input_size": config.model.get("input_size"), "teacher": teacher}
    accepted = inspect.signature(get_object(config.data.target)).parameters
    data: FaceDataModule = config.data.build(fold=fold, **{k: v for k, v in facts.items() if v and k in accepted})
    data.prepare_data()
    return data


def build_fold_model(config: TrainConfig, data: FaceDataModule) -> Model:
    """Build the model for the classes of the data.

    Raises:
        ConfigError: a teacher is given, but the model has its own loss.
    """
    names = data.class_names
    distillation = DistillationLoss(config.teacher_weight, config.teacher_temperature) if config.teacher else None
    size = config.model.get("input_size") or data.store_size
    facts = {"class_names": names, "class_weights": data.class_weights, "distillation": distillation}
    module = build_model(config.model, num_classes=len(names), input_size=size, **facts, **_training_facts(config))
    if distillation is not None and not hasattr(module, "distillation"):
        raise ConfigError(f"teacher= needs a model of facemask, but {type(module).__name__} has its own loss.")
    initial = getattr(module, "initial", InitialWeights("chosen by the model"))
    preprocessing = Preprocessing(
        tuple(names),
        size,
        data.store_size,
        initial.mean,
        initial.std,
        caveat=data.caveat,
        smallest_crop=data.smallest_crop,
    )
    return Model(module, preprocessing, initial)


def _training_facts(config: TrainConfig) -> dict[str, object]:
    """Return optimiser and schedule for custom networks whose node has none."""
    parts = {"optimizer": config.optim, "schedule": config.schedule}
    return {name: part.build() for name, part in parts.items() if name not in config.model.arguments}


def build_trainer(
    config: TrainConfig, folder: Path, model: Model, loggers: Sequence[Logger], stop_after: int | None = None
) -> tuple[Trainer, BestAndLast]:
    """Build the trainer of a fold, which may stop after some epochs, and its checkpoint callback."""
    silence_expected_warnings()
    options = config.trainer.without("compile")
    ranks = external_ranks()
    if ranks:  # DDPStrategy must not spawn: torchrun or srun already did
        strategy = {**options.get("strategy"), "start_method": "popen"}
        options = options.with_arguments(strategy=strategy, devices=ranks.size // ranks.nodes, num_nodes=ranks.nodes)
    wants_gpus = options.get("accelerator") != "cpu" if ranks else options.get("devices") == -1
    if options.get("strategy") and wants_gpus and not torch.cuda.is_available():
        raise ConfigError(
            "trainer=ddp uses all GPUs, but there is none here; remove it, or try it on the CPU: trainer=ddp "
            "trainer.accelerator=cpu trainer.devices=2"
        )
    if options.get("strategy") and torch.cuda.is_available() and options.get("accelerator") != "cpu":
        options = options.with_arguments(sync_batchnorm=options.get("sync_batchnorm", True))  # only supported on GPUs
    has_bar = bool(options.get("enable_progress_bar", True)) and SafeConsole().is_terminal
    checkpoints, wait = BestAndLast(folder, config.monitor, config.model, model.preprocessing), DataWait()
    callbacks: list[Callback] = [
        EpochSeed(),
        InEachProcess(),
        *(node.build() for node in config.callbacks.values()),
        EpochLines(config.monitor),
        History(folder, wait),
        checkpoints,
        *([StopAfterEpochs(stop_after)] if stop_after else []),
        *([EpochBar(refresh_rate=10)] if has_bar else []),
    ]
    try:
        trainer: Trainer = options.with_arguments(enable_progress_bar=has_bar).build(
            callbacks=callbacks,
            logger=list(loggers),
            # Named, because Lightning would take a batch script of Slurm for one of several processes.
            plugins=[AtomicCheckpointIO(), ranks.environment if ranks else LightningEnvironment()],
            profiler=wait,
            default_root_dir=str(folder),
        )
    except (MisconfigurationException, ValueError) as error:  # the latter for a step of Slurm that differs from its job
        raise ConfigError(f"the trainer cannot be built with these settings: {str(error).splitlines()[0]}") from error
    if config.bs % trainer.world_size:
        raise ConfigError(f"bs={config.bs} must be divisible by the number of processes, {trainer.world_size}.")
    return trainer, checkpoints


def _check_monitor(monitor: str, model: LightningModule) -> None:
    """Raise if MaskClassifier does not log the metric; custom modules are checked later."""
    if metrics := getattr(model, "val_metrics", None):
        names = [f"val/{name}" for name in metrics.names]
        if monitor not in names:
            raise ConfigError(f"monitor={monitor} is not a validation metric{did_you_mean(monitor, names)}")
