"""What ``train.py`` refuses."""

import math
from typing import Any

from omegaconf import DictConfig

from facemask.config.checks.configuration import check_seeds, resolve_typed
from facemask.config.component import Component
from facemask.config.keys import ALL_FOLDS
from facemask.config.schemas import TrainConfig
from facemask.errors import ConfigError

# Arguments of the trainer that the program gives it.
RESERVED_TRAINER_ARGS = ("callbacks", "default_root_dir", "logger", "plugins", "profiler")
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")


def resolve_training(config: DictConfig) -> TrainConfig:
    """Return the configuration of ``train.py``, with all that can be checked at once checked, before torch is imported.

    Raises:
        ConfigError: a key is unknown, a value is missing or out of range, or two of them contradict each other.
    """
    typed = resolve_typed(config, TrainConfig, "train.py")
    check_training(typed)
    return typed


def check_training(config: TrainConfig) -> None:
    """Check all that can be checked at once.

    Raises:
        ConfigError: a value is out of range, or two of them contradict each other.
    """
    _check_ranges(config)
    _check_fold(config.fold, config.k)
    _check_trainer(config.trainer)
    _check_contradictions(config)


def check_race(config: TrainConfig, is_sweep: bool) -> None:
    """Check that a race is asked for in a sweep; a run of one that is resumed alone races no more.

    Raises:
        ConfigError: a single run is to race.
    """
    if config.race and not is_sweep:
        raise ConfigError("race=true compares the configurations of a sweep, and this is a single run; add -m.")


def _check_ranges(config: TrainConfig) -> None:
    for key, low in (("bs", 1), ("epochs", 1), ("k", 2)):
        if getattr(config, key) < low:
            raise ConfigError(f"{key}={getattr(config, key)} is too small; it must be {low} or more.")
    if not config.race_margin >= 0:
        raise ConfigError(f"race_margin={config.race_margin} is not a number of standard errors; give 0 or more.")
    check_seeds(config)
    if not 0 <= config.teacher_weight <= 1:
        raise ConfigError(f"teacher_weight={config.teacher_weight} is no share of the loss; give 0 to 1.")
    temperature = config.teacher_temperature
    if not (math.isfinite(temperature) and temperature > 0):
        raise ConfigError(f"teacher_temperature={temperature} is not a temperature; it must be a positive number.")
    if not (math.isfinite(config.lr) and config.lr > 0):
        raise ConfigError(f"lr={config.lr} is not a learning rate; it must be a positive number.")


def _check_fold(fold: Any, k: int) -> None:
    allowed = f"it may be 0 to {k - 1} or {ALL_FOLDS}"
    if fold == ALL_FOLDS:
        return
    if not isinstance(fold, int):
        raise ConfigError(f"fold={fold} is neither a number nor '{ALL_FOLDS}'; {allowed}.")
    if not 0 <= fold < k:
        raise ConfigError(f"fold={fold} does not exist with k={k}; {allowed}.")


def _check_trainer(trainer: Component) -> None:
    for key in RESERVED_TRAINER_ARGS:
        if key in trainer.arguments:
            raise ConfigError(f"trainer.{key} is built by the program; leave it out (callbacks and logger are groups).")
    if trainer.get("fast_dev_run"):
        raise ConfigError("trainer.fast_dev_run keeps no checkpoint to evaluate; type trainer=smoke for a quick try.")
    for key in ("max_epochs", "limit_train_batches", "limit_val_batches"):
        if isinstance(value := trainer.get(key), int | float) and value <= 0:
            raise ConfigError(f"trainer.{key}={value} leaves nothing to do; it must be more than 0.")
    strategy = trainer.get("strategy")
    if strategy is not None and not (isinstance(strategy, dict) and strategy.get("start_method") == "spawn"):
        raise ConfigError(f"trainer.strategy={strategy} is not supported; type trainer=ddp for several processes.")
    if strategy is None and _length(devices := trainer.get("devices", 1)) != 1:
        raise ConfigError(
            f"trainer.devices={devices} takes several processes; type trainer=ddp trainer.devices={devices}"
        )
    for key in ("num_nodes", "check_val_every_n_epoch"):
        if trainer.get(key, 1) != 1:
            raise ConfigError(
                f"trainer.{key}={trainer.get(key)} is not supported: a run uses one machine, and validates each epoch."
            )
    if str(trainer.get("precision", PRECISIONS[0])) not in (*PRECISIONS, "32"):
        raise ConfigError(f"trainer.precision={trainer.get('precision')} is not one of {', '.join(PRECISIONS)}.")


def _length(devices: Any) -> Any:
    """Return how many devices a number, or a list of their numbers, means."""
    return len(devices) if isinstance(devices, list) else devices


def _check_contradictions(config: TrainConfig) -> None:
    model, augment = config.model, config.augment
    freeze = model.get("freeze", "none")
    if freeze != "none" and "net" in model.arguments and not model.get("pretrained"):
        raise ConfigError(
            f"model.freeze={freeze} without pretrained weights would keep random ones for ever; "
            "set model.pretrained=true, or model.freeze=none."
        )
    if freeze == "backbone" and config.teacher:
        raise ConfigError(
            "model.freeze=backbone learns from features that are kept, which a teacher cannot look at; leave out "
            "teacher, or set model.freeze=none."
        )
    if freeze != "backbone" and augment and augment.get("views") is not None:
        raise ConfigError(
            f"augment.views={augment.get('views')} is of images that a frozen backbone sees but once, and "
            f"model.freeze={freeze}; leave out augment.views, or set model.freeze=backbone."
        )
    for mixing in ("mixup", "cutmix"):
        if config.teacher and augment and augment.get(mixing, 0) > 0:
            raise ConfigError(
                f"augment.{mixing}={augment.get(mixing)} blends pictures that a teacher would see unblended; leave out "
                f"teacher, or set augment.{mixing}=0."
            )
        if freeze == "backbone" and augment and augment.get(mixing, 0) > 0:
            raise ConfigError(
                f"augment.{mixing}={augment.get(mixing)} blends pictures, which only layers that learn can make use "
                f"of, but model.freeze=backbone; set augment.{mixing}=0 or model.freeze=none."
            )
