"""Checks of the configuration of ``infer_video.py``."""

import math

from omegaconf import DictConfig

from facemask.config.checks.configuration import check_margin, check_unsure, resolve_typed
from facemask.config.component import Component
from facemask.config.schemas import InferVideoConfig
from facemask.config.targets import check_targets
from facemask.config.typed import to_plain
from facemask.errors import ConfigError

PRIVACY_MODES = ("none", "blur")


def resolve_video(config: DictConfig) -> InferVideoConfig:
    """Check the configuration of ``infer_video.py`` before the model or the source is opened.

    Args:
        config: composed configuration.

    Returns:
        The typed configuration.

    Raises:
        ConfigError: a key is unknown, a value is missing or out of range, or two values conflict.
    """
    resolved = resolve_typed(config, InferVideoConfig, "infer_video.py")
    for key, every in (("detect_every", resolved.detect_every), ("classify_every", resolved.classify_every)):
        if every < 1:
            raise ConfigError(f"{key} must be at least 1 frame, got {every}.")
    durations = {"half_life": resolved.half_life, "patience": resolved.patience, "reconnect": resolved.reconnect}
    for key, seconds in durations.items():
        if not (math.isfinite(seconds) and seconds >= 0):
            raise ConfigError(f"{key} must be finite and at least 0 seconds, got {seconds}.")
    if resolved.seconds is not None and not resolved.seconds > 0:
        raise ConfigError(f"seconds must be greater than 0, got {resolved.seconds}.")
    if resolved.threads is not None and resolved.threads < 1:
        raise ConfigError(f"threads must be at least 1, got {resolved.threads}.")
    if resolved.privacy not in PRIVACY_MODES:
        raise ConfigError(f"privacy must be one of {', '.join(PRIVACY_MODES)}, got {resolved.privacy}.")
    if resolved.privacy == "blur" and not resolved.patience:
        raise ConfigError(
            "patience must be greater than 0 with privacy=blur, which blurs a lost face for patience= seconds, got 0."
        )
    check_margin(resolved.crop.margin)
    check_unsure(resolved.unsure)
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
        raise ConfigError(f"{key}= only applies to video files; a custom source implements this itself. Remove {key}=.")
