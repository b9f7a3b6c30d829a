"""What the commands' configurations share: the resolvers, names made of settings, and building from ``_target_``."""

import difflib
import hashlib
from collections.abc import Iterable
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import OmegaConf

from facemask.config.schemas import TASKS, EvaluateConfig, ExportConfig, InferVideoConfig, TrainConfig
from facemask.errors import ConfigError, FaceMaskError, first_line

ALL_FOLDS = "all"
OF_SWEEPS = {"sweep", "launcher", "race", "race_margin", "fail_fast"}  # keys that mean nothing to one job
# What may differ between two runs that are the same experiment.
NEUTRAL = {"logger", "resume", "name", "data.num_workers", "data.store_dir"} | OF_SWEEPS
NAME_LENGTH = 150  # characters of a folder's name; file systems allow 255 bytes
Settings = dict[str, Any]  # a resolved configuration, or a node of one, as plain types


def is_neutral(key: str) -> bool:
    """Return whether no number depends on a key, or on the group that it is in."""
    return not {key, key.partition(".")[0]}.isdisjoint(NEUTRAL)


def monitor_mode(monitor: str) -> str:
    """Return ``min`` for a loss or an error, and ``max`` for everything else."""
    return "min" if monitor.endswith(("loss", "error")) else "max"


def monitor_sign(monitor: str) -> int:
    """Return 1 where more is better, -1 where less is: times it, the largest is the best."""
    return -1 if monitor_mode(monitor) == "min" else 1


def direction(monitor: str) -> str:
    """Return the same in Optuna's words: ``minimize`` or ``maximize``."""
    return f"{monitor_mode(monitor)}imize"


def setting(key: str, value: Any, digits: int = 12) -> str:
    """Return ``key=value`` as one would type it, a number with so many significant digits at most."""
    if isinstance(value, list):
        return f"{key}=[{','.join(map(str, value))}]"
    return f"{key}={value:.{digits}g}" if isinstance(value, float) else f"{key}={value}"


def folder_name(overrides: Iterable[str]) -> str:
    """Name a sweep's job by its values: the same values give the same name, however they were typed.

    ``model`` is left out, having a folder of its own, and so is all that no number depends on.
    """
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    values = {o.key_or_group: o.value() for o in parsed if o.key_or_group != "model" and not is_neutral(o.key_or_group)}
    name = ",".join(sorted(setting(key, value) for key, value in values.items())) or "default"
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "=.,+-_") else "-" for c in name)[:NAME_LENGTH]
    if safe == name:
        return name
    return f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"  # what was left out must still tell jobs apart


def run_folder(resume: str | None, time: str) -> str:
    """Return where a run goes: the folder it resumes, or a new one named by the time."""
    return resume or f"outputs/{time}"


def register() -> None:
    """Make the schema and the resolvers known to Hydra; to be called before it composes."""
    ConfigStore.instance().store(name="train_schema", node=TrainConfig)
    ConfigStore.instance().store(name="evaluate_schema", node=EvaluateConfig)
    ConfigStore.instance().store(name="export_schema", node=ExportConfig)
    ConfigStore.instance().store(name="infer_video_schema", node=InferVideoConfig)
    for task, schema in TASKS.items():
        ConfigStore.instance().store(name=f"{task}_schema", node=schema)
    OmegaConf.register_new_resolver("monitor_mode", monitor_mode, replace=True)
    OmegaConf.register_new_resolver("direction", direction, replace=True)
    OmegaConf.register_new_resolver("folder_name", folder_name, replace=True)
    OmegaConf.register_new_resolver("run_folder", run_folder, replace=True)


def build(settings: Settings, **facts: Any) -> Any:
    """Instantiate the ``_target_`` of a node and of every node below it.

    Args:
        settings: the node.
        facts: further arguments, known only at run time.

    Raises:
        ConfigError: a constructor does not accept its values.
    """
    try:
        return instantiate(settings, _partial_=True, _convert_="all")(**facts)
    except (InstantiationException, ValueError, TypeError) as error:
        cause = error.__cause__ if isinstance(error, InstantiationException) else error
        if isinstance(cause, FaceMaskError):
            raise cause from error
        if isinstance(cause, ValueError | TypeError):
            raise ConfigError(f"{settings['_target_']} does not accept its settings: {first_line(cause)}.") from error
        raise


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return the end of a sentence about a wrong word: the nearest choice, or all of them."""
    choices = sorted(choices)
    alike = {choice: difflib.SequenceMatcher(None, word, choice).ratio() for choice in choices}
    best = max(alike.values(), default=0.0)
    if best > 0.6:
        return f"; did you mean {' or '.join(choice for choice in choices if alike[choice] == best)}?"
    listed = ", ".join(choices[:16]) + (", …" if len(choices) > 16 else "")
    return f"; choose from: {listed or 'nothing'}."
