"""What ``prepare_data.py`` refuses."""

import os
import re
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from facemask.checks.configuration import check_margin, check_seeds, resolve
from facemask.checks.targets import check_targets
from facemask.config import Settings
from facemask.data.index import SPLIT_OF_FOLDER
from facemask.errors import ConfigError
from facemask.schemas import TASKS

FOLDER = re.compile(r"\w[\w-]*")
LABELS = (None, "folder")  # where task=crop has the classes from


def resolve_preparation(config: DictConfig) -> Settings:
    """Return the configuration of ``prepare_data.py``, checked likewise.

    Raises:
        ConfigError: as above.
    """
    settings = resolve(config, TASKS[config.task], f"prepare_data.py task={config.task}")
    check_seeds(settings)
    if "photos" in settings:
        _check_places(settings)
    if "crop" in settings:
        check_margin(settings["crop"]["margin"])
    if "classes" in settings:
        settings["classes"] = check_classes(settings["classes"])
        if len(settings["photos"]) > 1:
            raise ConfigError("task=import takes one folder of photos; type it for each, with an out= of its own.")
    if "labels" in settings and settings["labels"] not in LABELS:
        raise ConfigError(f"labels={settings['labels']} is not known; leave it out, or type labels=folder.")
    _check_ranges(settings)
    check_targets({key: settings[key] for key in ("data", "augment", "detector") if key in settings})
    return settings


def _check_places(settings: Settings) -> None:
    """Make a list of the photos' places, none of which may hold the crops: these would be photos the next time."""
    photos = settings["photos"] if isinstance(settings["photos"], list) else [settings["photos"]]
    settings["photos"] = [str(place) for place in photos if place is not None]
    if not settings["photos"]:
        raise ConfigError("photos has no value; give it one: photos=FOLDER")
    out = Path(settings["out"]).expanduser().resolve()
    for place in settings["photos"]:
        if out.is_relative_to(Path(place).expanduser().resolve()):
            raise ConfigError(f"out={settings['out']} is inside photos={place}; give a folder beside it.")


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


def _check_ranges(settings: Settings) -> None:
    if "crop" in settings and settings["crop"]["min_side"] < 0:
        raise ConfigError(
            f"crop.min_side={settings['crop']['min_side']} is not a number of pixels; it must be 0 or more."
        )
    if (share := settings.get("max_unreadable")) is not None and not 0 <= share <= 1:
        raise ConfigError(f"max_unreadable={share} is not a share; it must be 0 to 1.")
    if "workers" in settings:
        settings["workers"] = os.cpu_count() if settings["workers"] is None else settings["workers"]
        if settings["workers"] < 1:
            raise ConfigError(f"workers={settings['workers']} is too few; it must be 1 or more.")
