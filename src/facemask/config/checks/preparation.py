"""What ``prepare_data.py`` refuses."""

import os
import re
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from facemask.config.checks.configuration import check_margin, check_seeds, resolve
from facemask.config.compose import Settings
from facemask.config.schemas import TASKS
from facemask.config.targets import check_targets
from facemask.data.index import SPLIT_OF_FOLDER
from facemask.errors import ConfigError

FOLDER = re.compile(r"\w[\w-]*")
FILES = ("copy", "link")  # how task=split fills folders
LABELS = (None, "folder")  # where task=crop has the classes from


def resolve_preparation(config: DictConfig) -> Settings:
    """Return the configuration of a task of ``prepare_data.py``, checked before any photo is read.

    Raises:
        ConfigError: a key is unknown, a value is missing or out of range, or two of them contradict each other.
    """
    task = config.task
    settings = resolve(config, TASKS[task], f"prepare_data.py task={task}")
    check_seeds(settings)
    if task in ("crop", "import"):
        _check_places(settings)
        check_margin(settings["crop"]["margin"])
        _check_ranges(settings)
    own = {"crop": _check_labels, "import": _check_import, "split": _check_split, "audit": _check_audit}
    if task in own:
        own[task](settings)
    check_targets(settings)
    return settings


def _check_places(settings: Settings) -> None:
    """Make a list of the photos' places, none of which may hold the crops: these would be photos the next time."""
    photos = settings["photos"] if isinstance(settings["photos"], list) else [settings["photos"]]
    settings["photos"] = [str(place) for place in photos if place is not None]
    if not settings["photos"]:
        raise ConfigError("photos has no value; give it one: photos=FOLDER")
    for place in settings["photos"]:
        if _is_inside(settings["out"], place):
            raise ConfigError(f"out={settings['out']} is inside photos={place}; give a folder beside it.")


def _check_labels(settings: Settings) -> None:
    if settings["labels"] not in LABELS:
        raise ConfigError(f"labels={settings['labels']} is not known; leave it out, or type labels=folder.")


def _check_import(settings: Settings) -> None:
    settings["classes"] = check_classes(settings["classes"])
    if len(settings["photos"]) > 1:
        raise ConfigError("task=import takes one folder of photos; type it for each, with an out= of its own.")


def check_classes(classes: Any) -> dict[str, str | None]:
    """Return our name of each name in annotations.

    Raises:
        ConfigError: one is no name for a class.
    """
    if not isinstance(classes, dict):
        raise ConfigError("classes gives each name in the files its class; choose one of the files in conf/classes.")
    for name, label in classes.items():
        if label is not None and (not FOLDER.fullmatch(str(label)) or str(label).lower() in SPLIT_OF_FOLDER):
            raise ConfigError(f"classes.{name}={label} is no name for a class folder; take letters, digits, - and _.")
    return {str(name): None if label is None else str(label) for name, label in classes.items()}


def _check_split(settings: Settings) -> None:
    if settings["files"] not in FILES:
        raise ConfigError(f"files={settings['files']} is not one of {', '.join(FILES)}.")
    for key in ("val", "test"):
        if not (settings[key] == 0 or 0.05 <= settings[key] <= 0.9):
            raise ConfigError(f"{key}={settings[key]} is not a share of the images; give 0, or 0.05 to 0.9.")
    if settings["val"] + settings["test"] > 0.9:
        raise ConfigError(f"val={settings['val']} and test={settings['test']} leave too little to train on.")
    if settings["out"] and _is_inside(settings["out"], root := settings["data"]["root"]):
        raise ConfigError(f"out={settings['out']} is inside data.root={root}; give a folder beside it.")


def _check_audit(settings: Settings) -> None:
    for key, low in (("min_side", 0), ("max_aspect", 1), ("max_imbalance", 1)):
        if not settings[key] >= low:
            raise ConfigError(f"{key}={settings[key]} is too small; it must be {low} or more.")
    for kind, allowed in settings["allow"].items():
        if allowed is not None and allowed < 0:
            raise ConfigError(f"allow.{kind}={allowed} is no number of findings; give 0 or more, or null for any.")


def _is_inside(out: str, folder: str) -> bool:
    return Path(out).expanduser().resolve().is_relative_to(Path(folder).expanduser().resolve())


def _check_ranges(settings: Settings) -> None:
    if (side := settings["crop"]["min_side"]) < 0:
        raise ConfigError(f"crop.min_side={side} is not a number of pixels; it must be 0 or more.")
    if not 0 <= (share := settings["max_unreadable"]) <= 1:
        raise ConfigError(f"max_unreadable={share} is not a share; it must be 0 to 1.")
    if settings["workers"] is None:
        settings["workers"] = os.cpu_count() or 1
    if settings["workers"] < 1:
        raise ConfigError(f"workers={settings['workers']} is too few; it must be 1 or more.")
