"""Values that configurations compute from others, and the names that folders get from settings."""

import hashlib
from collections.abc import Iterable

from hydra.core.override_parser.overrides_parser import OverridesParser

from facemask.config.keys import format_setting, is_compared

NAME_LENGTH = 150  # characters of a folder's name; file systems allow 255 bytes


def monitor_mode(monitor: str) -> str:
    """Return ``min`` for a loss or an error, and ``max`` for everything else."""
    return "min" if monitor.endswith(("loss", "error")) else "max"


def monitor_sign(monitor: str) -> int:
    """Return 1 where more is better, -1 where less is: times it, the largest is the best."""
    return -1 if monitor_mode(monitor) == "min" else 1


def direction(monitor: str) -> str:
    """Return the same in Optuna's words: ``minimize`` or ``maximize``."""
    return f"{monitor_mode(monitor)}imize"


def folder_name(overrides: Iterable[str]) -> str:
    """Name a sweep's job by its values: the same values give the same name, however they were typed.

    ``model`` is left out, having a folder of its own, and so is all that no number depends on.
    """
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    values = {o.key_or_group: o.value() for o in parsed if o.key_or_group != "model" and is_compared(o.key_or_group)}
    name = ",".join(sorted(format_setting(key, value) for key, value in values.items())) or "default"
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "=.,+-_") else "-" for c in name)[:NAME_LENGTH]
    if safe == name:
        return name
    return f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"  # what was left out must still tell jobs apart


def run_folder(resume: str | None, time: str) -> str:
    """Return where a run goes: the folder it resumes, or a new one named by the time."""
    return resume or f"outputs/{time}"
