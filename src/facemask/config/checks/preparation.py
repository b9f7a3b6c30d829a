"""Checks of the configurations of ``prepare_data.py``."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from facemask.config.arguments import TYPED_NAMES
from facemask.config.checks.configuration import check_margin, check_seeds, resolve_typed
from facemask.config.preparation_schemas import (
    TASKS,
    AuditConfig,
    CropConfig,
    ImportConfig,
    Source,
    SplitConfig,
    TaskConfig,
)
from facemask.config.roots import to_places
from facemask.config.targets import check_components
from facemask.errors import ConfigError

CLASS_NAME = re.compile(r"\w[\w-]*")
FILES = ("copy", "link")  # choices of files= in task=split
LABELS = (None, "folder")  # choices of labels= in task=crop


def resolve_preparation(config: DictConfig) -> TaskConfig:
    """Check the configuration of a task of ``prepare_data.py`` before any photo is read.

    Args:
        config: composed configuration.

    Returns:
        The typed configuration of the task.

    Raises:
        ConfigError: a key is unknown, a value is missing or out of range, or two values conflict.
    """
    resolved = resolve_typed(config, TASKS[config.task], f"prepare_data.py task={config.task}")
    check_seeds(resolved)
    if isinstance(resolved, CropConfig | ImportConfig):
        _check_folders(resolved)
        check_margin(resolved.crop.margin)
        _check_ranges(resolved)
    if isinstance(resolved, CropConfig) and resolved.labels not in LABELS:
        raise ConfigError(f"labels must be folder, or left out, got {resolved.labels}.")
    if isinstance(resolved, SplitConfig):
        _check_split(resolved)
    if isinstance(resolved, AuditConfig):
        _check_audit(resolved)
    check_components(resolved)
    return resolved


def _check_folders(config: CropConfig | ImportConfig) -> None:
    """Convert ``config.photos`` to a list, and check that ``config.out`` is outside every folder of photos."""
    photos = config.photos if isinstance(config.photos, list) else [config.photos]
    config.photos = [str(path) for path in photos if path is not None]
    if isinstance(config, ImportConfig):
        config.classes = check_classes(config.classes)
        photos = [source.photos for source in import_sources(config).values()]
    if not photos:
        raise ConfigError("photos has no value; give it one: photos=FOLDER")
    for path in map(str, photos):
        if _is_inside(config.out, path):  # the next call would read the crops as photos
            raise ConfigError(f"out={config.out} is inside photos={path}; choose a folder outside it.")


def import_sources(config: ImportConfig) -> dict[str, Source]:
    """Return every set that ``task=import`` imports: the folders of ``photos``, by their name, and ``sources``.

    Raises:
        ConfigError: a set has no photos or unknown keys, or two have the same name.
    """
    given = config.sources
    keys = [f.name for f in fields(Source)]
    for name, own in given.items():
        unknown = sorted(own.keys() - keys) if isinstance(own, dict) else [str(own)]
        if unknown:
            raise ConfigError(f"sources.{name} takes the keys {', '.join(keys)}, not {', '.join(unknown)}.")
    sources = {Path(path).expanduser().resolve().name: Source(path, config.boxes) for path in config.photos}
    if len(sources) < len(config.photos):
        raise ConfigError(
            "two folders of photos= have the same name; give the sets names: +sources.A.photos=FOLDER "
            "+sources.B.photos=FOLDER"
        )
    for name, own in given.items():
        if name not in sources and "photos" not in own:
            raise ConfigError(f"sources.{name} has no photos; give it a folder: +sources.{name}.photos=FOLDER")
        before = sources.get(name, Source("", config.boxes))
        place, boxes = str(own.get("photos", before.photos)), str(own.get("boxes", before.boxes))
        sources[str(name)] = Source(place, boxes, check_classes(own.get("classes", {})))
    return sources


def check_classes(classes: Any) -> dict[str, str | None]:
    """Check the mapping from names in annotation files to class names.

    Args:
        classes: mapping of each name in the annotation files to a class name; None excludes its faces.

    Returns:
        The mapping with strings as keys and values.

    Raises:
        ConfigError: it is not a mapping, or a class name is invalid.
    """
    if not isinstance(classes, dict):
        raise ConfigError(
            "classes must map each name in the annotation files to a class; choose one of the files in conf/classes."
        )
    pairs = [str(pair).partition("=") for pair in classes.get(TYPED_NAMES, [])]
    typed = {name: None if label == "null" else label for name, _, label in pairs}
    classes = {name: label for name, label in classes.items() if name != TYPED_NAMES} | typed
    for name, label in classes.items():
        if label is not None and not CLASS_NAME.fullmatch(str(label)):
            raise ConfigError(f"classes.{name}={label} is not a valid class name; use letters, digits, '-' and '_'.")
    return {str(name): None if label is None else str(label) for name, label in classes.items()}


def _check_split(config: SplitConfig) -> None:
    if config.files not in FILES:
        raise ConfigError(f"files must be one of {', '.join(FILES)}, got {config.files}.")
    for key, fraction in (("val", config.val), ("test", config.test)):
        if not (fraction == 0 or 0.05 <= fraction <= 0.9):
            raise ConfigError(f"{key} must be 0, or a fraction of the images between 0.05 and 0.9, got {fraction}.")
    if config.val + config.test > 0.9:
        raise ConfigError(
            f"val + test must be at most 0.9, to leave 0.1 for training, got val={config.val} and test={config.test}."
        )
    for place in to_places(config.data.root):
        if config.out and _is_inside(config.out, place):
            raise ConfigError(f"out={config.out} is inside data.root={place}; choose a folder outside it.")


def _check_audit(config: AuditConfig) -> None:
    least = {"min_side": (config.min_side, 0), "max_aspect": (config.max_aspect, 1)}
    least["max_imbalance"] = config.max_imbalance, 1
    for key, (value, low) in least.items():
        if not value >= low:
            raise ConfigError(f"{key} must be at least {low}, got {value}.")
    for kind, allowed in vars(config.allow).items():
        if allowed is not None and allowed < 0:
            raise ConfigError(f"allow.{kind} must be at least 0, or null to allow any number, got {allowed}.")


def _is_inside(out: str, folder: str | Path) -> bool:
    return Path(out).expanduser().resolve().is_relative_to(Path(folder).expanduser().resolve())


def _check_ranges(config: CropConfig | ImportConfig) -> None:
    if config.crop.min_side < 0:
        raise ConfigError(f"crop.min_side must be at least 0 pixels, got {config.crop.min_side}.")
    if not 0 <= config.max_unreadable <= 1:
        raise ConfigError(f"max_unreadable must be between 0 and 1, got {config.max_unreadable}.")
    if config.workers is not None and config.workers < 1:
        raise ConfigError(f"workers must be at least 1, got {config.workers}.")
