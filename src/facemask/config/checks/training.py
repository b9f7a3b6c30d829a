"""Checks of the configuration of ``train.py``."""

import math
from pathlib import PurePath
from typing import Any

from omegaconf import DictConfig

from facemask.config.checks.configuration import check_seeds, resolve_typed
from facemask.config.component import Component
from facemask.config.keys import ALL_FOLDS
from facemask.config.schemas import TrainConfig
from facemask.errors import ConfigError

# Arguments of the trainer that facemask sets itself.
RESERVED_TRAINER_ARGS = ("callbacks", "default_root_dir", "logger", "plugins", "profiler")
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")


def resolve_training(config: DictConfig) -> TrainConfig:
    """Check the configuration of ``train.py`` without importing torch.

    Args:
        config: composed configuration.

    Returns:
        The typed configuration.

    Raises:
        ConfigError: a key is unknown, a value is missing or out of range, or two values conflict.
    """
    typed = resolve_typed(config, TrainConfig, "train.py")
    check_training(typed)
    return typed


def check_training(config: TrainConfig) -> None:
    """Check ranges and conflicts that need neither data nor torch.

    Raises:
        ConfigError: a value is out of range, or two values conflict.
    """
    _check_ranges(config)
    _check_fold(config.fold, config.k)
    _check_trainer(config.trainer)
    _check_conflicts(config)


def check_sweep_keys(config: TrainConfig, is_sweep: bool) -> None:
    """Check the keys that need a sweep, and those that a sweep cannot have.

    Not part of :func:`check_training`: a run of a sweep may be resumed on its own.

    Raises:
        ConfigError: ``race=true`` or ``halving=true`` in a single run, or ``teacher_unseen=true`` in a sweep.
    """
    if is_sweep:
        check_ranking_scores(config.teacher_unseen)
    for key in ("race", "halving"):
        if getattr(config, key) and not is_sweep:
            raise ConfigError(
                f"{key}=true compares the configurations of a sweep, but this is a single run; add -m, or remove "
                f"{key}=true."
            )


def check_ranking_scores(teacher_unseen: bool) -> None:
    """Check that the validation scores of a sweep can rank its runs.

    Raises:
        ConfigError: the teachers have seen the validation images.
    """
    if teacher_unseen:
        raise ConfigError(
            "a sweep ranks by validation scores, which teacher_unseen=true makes too high; remove teacher_unseen=true, "
            "or train without -m, all folds with fold=all."
        )


def check_name(name: str) -> None:
    """Check the name of a sweep's folder.

    Raises:
        ConfigError: the folder would not be below ``outputs/sweeps``.
    """
    path = PurePath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts:
        raise ConfigError(f"name={name} must be the name of a folder below outputs/sweeps, without '..'.")


def _check_ranges(config: TrainConfig) -> None:
    check_name(config.name)
    for key, low in (("bs", 1), ("epochs", 1), ("k", 2)):
        if getattr(config, key) < low:
            raise ConfigError(f"{key} must be at least {low}, got {getattr(config, key)}.")
    if not config.race_margin >= 0:
        raise ConfigError(f"race_margin must be at least 0 standard errors, got {config.race_margin}.")
    lowest = 0 if config.halving else 1
    if config.race_folds is not None and config.race_folds < lowest:
        raise ConfigError(f"race_folds must be at least {lowest}, got {config.race_folds}; remove it: sweeps set it.")
    check_seeds(config)
    if not 0 <= config.teacher_weight <= 1:
        raise ConfigError(f"teacher_weight must be between 0 and 1, got {config.teacher_weight}.")
    temperature = config.teacher_temperature
    if not (math.isfinite(temperature) and temperature > 0):
        raise ConfigError(f"teacher_temperature must be a positive number, got {temperature}.")
    if not (math.isfinite(config.lr) and config.lr > 0):
        raise ConfigError(f"lr must be a positive number, got {config.lr}.")


def _check_fold(fold: Any, k: int) -> None:
    if fold != ALL_FOLDS and not (isinstance(fold, int) and 0 <= fold < k):
        raise ConfigError(f"fold must be between 0 and {k - 1} (k={k}), or '{ALL_FOLDS}', got {fold}.")


def _check_trainer(trainer: Component) -> None:
    for key in RESERVED_TRAINER_ARGS:
        if key in trainer.arguments:
            raise ConfigError(
                f"trainer.{key} is set by facemask; remove it (callbacks= and logger= are config groups)."
            )
    if trainer.get("fast_dev_run"):
        raise ConfigError("trainer.fast_dev_run saves no checkpoint to evaluate; for a quick test, type trainer=smoke.")
    for key in ("max_epochs", "limit_train_batches", "limit_val_batches"):
        if isinstance(value := trainer.get(key), int | float) and value <= 0:
            raise ConfigError(f"trainer.{key} must be greater than 0, got {value}.")
    strategy = trainer.get("strategy")
    if strategy is not None and not (isinstance(strategy, dict) and strategy.get("start_method") == "spawn"):
        raise ConfigError(
            f"trainer.strategy={strategy} is not supported; to train in several processes, type trainer=ddp."
        )
    if strategy is None and _length(devices := trainer.get("devices", 1)) != 1:
        raise ConfigError(
            f"trainer.devices={devices} needs several processes; type trainer=ddp trainer.devices={devices}"
        )
    reasons = {
        "num_nodes": "torchrun and srun set the number of machines",
        "check_val_every_n_epoch": "a run validates every epoch",
    }
    for key, reason in reasons.items():
        if trainer.get(key, 1) != 1:
            raise ConfigError(f"trainer.{key} must be 1, got {trainer.get(key)}: {reason}.")
    if str(trainer.get("precision", PRECISIONS[0])) not in (*PRECISIONS, "32"):
        raise ConfigError(f"trainer.precision must be one of {', '.join(PRECISIONS)}, got {trainer.get('precision')}.")


def _length(devices: Any) -> Any:
    """Return the number of devices; ``devices`` is that number or a list of device indices."""
    return len(devices) if isinstance(devices, list) else devices


def _check_conflicts(config: TrainConfig) -> None:
    model, augment = config.model, config.augment
    freeze = model.get("freeze", "none")
    if freeze != "none" and "net" in model.arguments and not model.get("pretrained"):
        raise ConfigError(
            f"model.freeze={freeze} without pretrained weights would freeze randomly initialised layers; set "
            "model.pretrained=true or model.freeze=none."
        )
    if config.teacher_unseen and not config.teacher:
        raise ConfigError("teacher_unseen=true needs a teacher; add teacher=, a run of all folds.")
    if freeze == "backbone" and config.teacher:
        raise ConfigError(
            "model.freeze=backbone trains on cached features, so a teacher has no images to run on; remove teacher=, "
            "or set model.freeze=none."
        )
    if freeze != "backbone" and augment and augment.get("views") is not None:
        raise ConfigError(
            f"augment.views={augment.get('views')} only applies when model.freeze=backbone (cached features), got "
            f"model.freeze={freeze}; remove augment.views, or set model.freeze=backbone."
        )
    if freeze == "backbone" and model.get("flip_tta") and augment and augment.get("views") != 0:
        raise ConfigError(
            "model.flip_tta=true mirrors images, but model.freeze=backbone trains on cached features; set "
            "model.flip_tta=false or augment.views=0."
        )
    for mixing in ("mixup", "cutmix"):
        if config.teacher and augment and augment.get(mixing, 0) > 0:
            raise ConfigError(
                f"augment.{mixing}={augment.get(mixing)} blends images, but a teacher sees the original images; remove "
                f"teacher=, or set augment.{mixing}=0."
            )
        if freeze == "backbone" and augment and augment.get(mixing, 0) > 0:
            raise ConfigError(
                f"augment.{mixing}={augment.get(mixing)} blends images, but model.freeze=backbone trains on cached "
                f"features; set augment.{mixing}=0 or model.freeze=none."
            )
