"""What ``infer_video.py`` refuses."""

import math

from omegaconf import DictConfig

from facemask.config.checks.configuration import check_margin, resolve
from facemask.config.compose import Settings
from facemask.config.schemas import InferVideoConfig
from facemask.config.targets import check_targets
from facemask.errors import ConfigError

PRIVACY = ("none", "blur")


def resolve_video(config: DictConfig) -> Settings:
    """Return the configuration of ``infer_video.py``, checked.

    Raises:
        ConfigError: a key is unknown, a value is missing or out of range, or two of them contradict each other.
    """
    settings = resolve(config, InferVideoConfig, "infer_video.py")
    for key in ("detect_every", "classify_every"):
        if settings[key] < 1:
            raise ConfigError(f"{key}={settings[key]} is no number of frames; it must be 1 or more.")
    for key in ("half_life", "patience", "reconnect"):
        if not (math.isfinite(settings[key]) and settings[key] >= 0):
            raise ConfigError(f"{key}={settings[key]} is no number of seconds; it must be 0 or more.")
    if settings["seconds"] is not None and not settings["seconds"] > 0:
        raise ConfigError(f"seconds={settings['seconds']} leaves nothing to do; it must be more than 0.")
    if settings["threads"] is not None and settings["threads"] < 1:
        raise ConfigError(f"threads={settings['threads']} is too small; it must be 1 or more.")
    if settings["privacy"] not in PRIVACY:
        raise ConfigError(f"privacy={settings['privacy']} is not one of {', '.join(PRIVACY)}.")
    if settings["privacy"] == "blur" and not settings["patience"]:
        raise ConfigError("privacy=blur hides a face that is lost for patience= seconds; give it more than 0.")
    check_margin(settings["crop"]["margin"])
    check_targets({"detector": settings["detector"], **{f"sink.{k}": n for k, n in settings["sink"].items()}})
    return settings
