"""What ``infer_video.py`` refuses."""

import math

from omegaconf import DictConfig

from facemask.config.checks.configuration import check_margin, resolve_typed
from facemask.config.component import Component
from facemask.config.schemas import InferVideoConfig
from facemask.config.targets import check_targets
from facemask.config.typed import to_plain
from facemask.errors import ConfigError

PRIVACY = ("none", "blur")


def resolve_video(config: DictConfig) -> InferVideoConfig:
    """Return the configuration of ``infer_video.py``, checked.

    Raises:
        ConfigError: a key is unknown, a value is missing or out of range, or two of them contradict each other.
    """
    resolved = resolve_typed(config, InferVideoConfig, "infer_video.py")
    for key, every in (("detect_every", resolved.detect_every), ("classify_every", resolved.classify_every)):
        if every < 1:
            raise ConfigError(f"{key}={every} is no number of frames; it must be 1 or more.")
    durations = {"half_life": resolved.half_life, "patience": resolved.patience, "reconnect": resolved.reconnect}
    for key, seconds in durations.items():
        if not (math.isfinite(seconds) and seconds >= 0):
            raise ConfigError(f"{key}={seconds} is no number of seconds; it must be 0 or more.")
    if resolved.seconds is not None and not resolved.seconds > 0:
        raise ConfigError(f"seconds={resolved.seconds} leaves nothing to do; it must be more than 0.")
    if resolved.threads is not None and resolved.threads < 1:
        raise ConfigError(f"threads={resolved.threads} is too small; it must be 1 or more.")
    if resolved.privacy not in PRIVACY:
        raise ConfigError(f"privacy={resolved.privacy} is not one of {', '.join(PRIVACY)}.")
    if resolved.privacy == "blur" and not resolved.patience:
        raise ConfigError("privacy=blur hides a face that is lost for patience= seconds; give it more than 0.")
    check_margin(resolved.crop.margin)
    _check_source(resolved)
    for name, node in resolved.sink.items():
        if not isinstance(node, Component):
            raise ConfigError(f"sink.{name} has no _target_; type sink.{name}._target_=my_module.MySink.")
    sinks = {f"sink.{name}": to_plain(node) for name, node in resolved.sink.items()}
    check_targets({"source": to_plain(resolved.source), "detector": to_plain(resolved.detector), **sinks})
    return resolved


def _check_source(config: InferVideoConfig) -> None:
    if isinstance(config.source, dict):
        raise ConfigError("source is a mapping without _target_; type 'source={_target_: my_module.MySource}'.")
    if isinstance(config.source, Component) and (config.live is not None or config.loop):
        key = "live" if config.live is not None else "loop"
        raise ConfigError(f"{key}= is for video files; a source of your own decides that itself.")
