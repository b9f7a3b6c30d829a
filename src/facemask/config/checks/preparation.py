"""What ``prepare_data.py`` refuses."""

import re
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from facemask.config.checks.configuration import check_margin, check_seeds, resolve_typed
from facemask.config.schemas import TASKS, AuditConfig, CropConfig, ImportConfig, SplitConfig, TaskConfig
from facemask.config.targets import check_components
from facemask.errors import ConfigError

FOLDER = re.compile(r"\w[\w-]*")
FILES = ("copy", "link")  # how task=split fills folders
LABELS = (None, "folder")  # where task=crop has the classes from


def resolve_preparation(config: DictConfig) -> TaskConfig:
    """Return the configuration of a task of ``prepare_data.py``, checked before any photo is read.

    Raises:
        ConfigError: a key is unknown, a value is missing or out of range, or two of them contradict each other.
    """
    resolved = resolve_typed(config, TASKS[config.task], f"prepare_data.py task={config.task}")
    check_seeds(resolved)
    if isinstance(resolved, CropConfig | ImportConfig):
        _check_places(resolved)
        check_margin(resolved.crop.margin)
        _check_ranges(resolved)
    if isinstance(resolved, CropConfig) and resolved.labels not in LABELS:
        raise ConfigError(f"labels={resolved.labels} is not known; leave it out, or type labels=folder.")
    if isinstance(resolved, ImportConfig):
        _check_import(resolved)
    if isinstance(resolved, SplitConfig):
        _check_split(resolved)
    if isinstance(resolved, AuditConfig):
        _check_audit(resolved)
    check_components(resolved)
    return resolved


def _check_places(config: CropConfig | ImportConfig) -> None:
    """Make a list of the photos' places, none of which may hold the crops: these would be photos the next time."""
    photos = config.photos if isinstance(config.photos, list) else [config.photos]
    config.photos = [str(place) for place in photos if place is not None]
    if not config.photos:
        raise ConfigError("photos has no value; give it one: photos=FOLDER")
    for place in config.photos:
        if _is_inside(config.out, place):
            raise ConfigError(f"out={config.out} is inside photos={place}; give a folder beside it.")


def _check_import(config: ImportConfig) -> None:
    config.classes = check_classes(config.classes)
    if len(config.photos) > 1:
        raise ConfigError("task=import takes one folder of photos; type it for each, with an out= of its own.")


def check_classes(classes: Any) -> dict[str, str | None]:
    """Return our name of each name in annotations.

    Raises:
        ConfigError: one is no name for a class.
    """
    if not isinstance(classes, dict):
        raise ConfigError("classes gives each name in the files its class; choose one of the files in conf/classes.")
    for name, label in classes.items():
        if label is not None and not FOLDER.fullmatch(str(label)):
            raise ConfigError(f"classes.{name}={label} is no name for a class folder; take letters, digits, - and _.")
    return {str(name): None if label is None else str(label) for name, label in classes.items()}


def _check_split(config: SplitConfig) -> None:
    if config.files not in FILES:
        raise ConfigError(f"files={config.files} is not one of {', '.join(FILES)}.")
    for key, share in (("val", config.val), ("test", config.test)):
        if not (share == 0 or 0.05 <= share <= 0.9):
            raise ConfigError(f"{key}={share} is not a share of the images; give 0, or 0.05 to 0.9.")
    if config.val + config.test > 0.9:
        raise ConfigError(f"val={config.val} and test={config.test} leave too little to train on.")
    if config.out and _is_inside(config.out, config.data.root):
        raise ConfigError(f"out={config.out} is inside data.root={config.data.root}; give a folder beside it.")


def _check_audit(config: AuditConfig) -> None:
    least = {"min_side": (config.min_side, 0), "max_aspect": (config.max_aspect, 1)}
    least["max_imbalance"] = config.max_imbalance, 1
    for key, (value, low) in least.items():
        if not value >= low:
            raise ConfigError(f"{key}={value} is too small; it must be {low} or more.")
    for kind, allowed in vars(config.allow).items():
        if allowed is not None and allowed < 0:
            raise ConfigError(f"allow.{kind}={allowed} is no number of findings; give 0 or more, or null for any.")


def _is_inside(out: str, folder: str) -> bool:
    return Path(out).expanduser().resolve().is_relative_to(Path(folder).expanduser().resolve())


def _check_ranges(config: CropConfig | ImportConfig) -> None:
    if config.crop.min_side < 0:
        raise ConfigError(f"crop.min_side={config.crop.min_side} is not a number of pixels; it must be 0 or more.")
    if not 0 <= config.max_unreadable <= 1:
        raise ConfigError(f"max_unreadable={config.max_unreadable} is not a share; it must be 0 to 1.")
    if config.workers is not None and config.workers < 1:
        raise ConfigError(f"workers={config.workers} is too few; it must be 1 or more.")
