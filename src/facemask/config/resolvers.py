"""OmegaConf resolvers: values and folder names that are derived from other settings."""

import hashlib
from collections.abc import Iterable

from hydra.core.override_parser.overrides_parser import OverridesParser

from facemask.config.keys import format_setting, is_compared

MAX_NAME_LENGTH = 150  # characters; file systems allow 255 bytes


def monitor_mode(monitor: str) -> str:
    """Return ``min`` if the name of the metric ends with ``loss`` or ``error``, else ``max``."""
    return "min" if monitor.endswith(("loss", "error")) else "max"


def monitor_sign(monitor: str) -> int:
    """Return 1 if a higher value of the metric is better, else -1."""
    return -1 if monitor_mode(monitor) == "min" else 1


def direction(monitor: str) -> str:
    """Return the direction of optimisation for Optuna: ``minimize`` or ``maximize``."""
    return f"{monitor_mode(monitor)}imize"


def folder_name(overrides: Iterable[str]) -> str:
    """Return the folder name of a sweep's job; equal values give equal names, independent of their order and spelling.

    The name omits ``model``, which has its own level in the path, and keys that do not change the results.
    """
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    values = {o.key_or_group: o.value() for o in parsed if o.key_or_group != "model" and is_compared(o.key_or_group)}
    name = ",".join(sorted(format_setting(key, value) for key, value in values.items())) or "default"
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "=.,+-_") else "-" for c in name)[:MAX_NAME_LENGTH]
    if safe == name:
        return name
    return f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"  # keeps shortened names unique


def run_folder(resume: str | None, time: str) -> str:
    """Return the output folder of a run: the folder to resume, or a new folder named by the time."""
    return resume or f"outputs/{time}"
