"""Checks of the configuration of ``evaluate.py``."""

import math
from collections.abc import Sequence

from omegaconf import DictConfig, OmegaConf

from facemask.config.checks.configuration import (
    check_margin,
    check_n_bootstraps,
    check_seeds,
    check_unsure,
    resolve_typed,
)
from facemask.config.checks.preparation import check_classes
from facemask.config.compose import CONF
from facemask.config.keys import ALL_FOLDS, Values, flat_values, flatten, format_setting
from facemask.config.schemas import EvaluateConfig
from facemask.config.targets import check_targets
from facemask.config.typed import to_plain
from facemask.errors import ConfigError

SPLITS = ("test", "val", "all")
# Keys that only apply to annotated photos, and keys that only apply to face crops.
PHOTOS_ONLY = (
    *("boxes", "difficult", "classes", "detector", "crop.margin", "crop.square", "crop.min_side"),
    *("unsure.min_side", "unsure.min_probability"),
)
NOT_WITH_SETS = (
    *("photos", "data.root", "data.labels", "split", "merge", "positive", "recalls", "costs.missed"),
    *("costs.false_alarm", "report.faces", "report.pictures", "logger"),
)
CROPS_ONLY = (
    *("positive", "recalls", "costs.missed", "costs.false_alarm", "batch_size", "logger"),
    *("data.max_unreadable", "data.labels", "sets"),
)


def resolve_evaluation(config: DictConfig) -> EvaluateConfig:
    """Check the configuration of ``evaluate.py`` without importing torch.

    Args:
        config: composed configuration.

    Returns:
        The typed configuration.

    Raises:
        ConfigError: a key is unknown, a value is out of range, two values conflict, or a value would be ignored.
    """
    resolved = resolve_typed(config, EvaluateConfig, "evaluate.py")
    _check_runs(resolved)
    _check_unused(resolved)
    if resolved.photos is not None:
        _check_photos(resolved)
    _check_data(resolved)
    for key, choice in (("top", resolved.top), ("fold", resolved.fold)):
        if isinstance(choice, str) and choice != ALL_FOLDS:
            raise ConfigError(f"{key} must be an integer or '{ALL_FOLDS}', got {choice}.")
    check_seeds(resolved)
    check_n_bootstraps(resolved.n_bootstraps)
    if resolved.merge is not None and not (isinstance(resolved.merge, dict) and all(resolved.merge.values())):
        raise ConfigError("merge must give the class that each class counts as: 'merge={wrong_mask: no_mask}'.")
    least = {"batch_size": (resolved.batch_size, 1)}
    least["report.pictures"] = resolved.report.pictures, 0
    if isinstance(resolved.top, int):
        least["top"] = resolved.top, 1
    for key, (value, low) in least.items():
        if value < low:
            raise ConfigError(f"{key} must be at least {low}, got {value}.")
    for key, cost in vars(resolved.costs).items():
        if not (math.isfinite(cost) and cost > 0):
            raise ConfigError(f"costs.{key} must be a positive number, got {cost}.")
    for recall in resolved.recalls:
        if not 0 < recall <= 1:
            raise ConfigError(f"recalls must be numbers greater than 0 and at most 1, got {recall}.")
    return resolved


def _check_runs(config: EvaluateConfig) -> None:
    """Check that runs or a sweep are given, and convert ``config.run`` to a list."""
    if config.run and config.sweep_folder:
        raise ConfigError("run= and sweep= cannot be combined; remove one of them.")
    config.sets = [str(place) for place in (config.sets if isinstance(config.sets, list) else [config.sets])]
    has_data = config.photos is not None or config.data.root is not None or bool(config.sets)
    if not (config.run or config.sweep_folder or has_data):
        raise ConfigError(
            "name what to evaluate: run=FOLDER (several: run=A run=B), or sweep=FOLDER for its winner; the ready-made "
            "model is evaluated on data.root=FOLDER split=all, or photos=FOLDER."
        )
    runs = config.run if isinstance(config.run, list) else [config.run] if config.run else []
    config.run = [str(run) for run in runs]


def _check_unused(config: EvaluateConfig) -> None:
    """Raise if a key that differs from its default would be ignored."""
    values, defaults = flat_values(config), _defaults()
    changed = {key for key in values.keys() | defaults.keys() if values.get(key) != defaults.get(key)}
    if config.sets:
        unused = (*NOT_WITH_SETS, *(key for key in PHOTOS_ONLY if key != "classes"))
        _refuse(unused, changed, values, "is not used with sets=; remove it.")
    elif config.photos is not None:
        _refuse(CROPS_ONLY, changed, values, "only applies to face crops and is not used with photos=; remove it.")
    else:
        _refuse(PHOTOS_ONLY, changed, values, "only applies to annotated photos; add photos=FOLDER, or remove it.")
    if not config.sweep_folder:
        _refuse(["top"], changed, values, "only applies to the ranking of a sweep; add sweep=FOLDER, or remove it.")


def _refuse(keys: Sequence[str], changed: set[str], values: Values, reason: str) -> None:
    for key in keys:
        if any(other == key or other.startswith(f"{key}.") for other in changed):
            raise ConfigError(f"{format_setting(key, values[key]) if key in values else f'{key}='} {reason}")


def _defaults() -> Values:
    """Return the default of every key: from the schema, and for config groups from ``conf/evaluate.yaml``."""
    plain = to_plain(EvaluateConfig())
    for entry in OmegaConf.load(CONF / "evaluate.yaml").defaults:
        for group in {"classes", "detector"}.intersection(entry if isinstance(entry, DictConfig) else ()):
            plain[group] = OmegaConf.to_container(OmegaConf.load(CONF / group / f"{entry[group]}.yaml"))
    return dict(flatten(plain))


def _check_photos(config: EvaluateConfig) -> None:
    if not config.photos:
        raise ConfigError("photos has no value; give it a folder of annotated photos: photos=FOLDER")
    if len(config.run) > 1 or config.sweep_folder:
        raise ConfigError("photos= evaluates one model; give one run=FOLDER, or one exported file: run=FILE")
    if config.fold == ALL_FOLDS:
        raise ConfigError(
            "photos= evaluates one model; choose its fold with fold=NUMBER, or leave out fold= to use the first."
        )
    if config.data.root is not None or config.split != "test":
        raise ConfigError("photos= cannot be combined with data.root= or split=; remove them.")
    check_margin(config.crop.margin)
    check_unsure(config.unsure)
    if config.crop.min_side < 1:
        raise ConfigError(f"crop.min_side must be at least 1, got {config.crop.min_side}.")
    config.classes = check_classes(config.classes)
    check_targets({"detector": to_plain(config.detector)})


def _check_data(config: EvaluateConfig) -> None:
    is_own = config.data.root is None
    if config.split not in SPLITS:
        raise ConfigError(f"split must be one of {', '.join(SPLITS)}, got {config.split}.")
    if config.split == "all" and is_own:
        raise ConfigError(
            "split=all would include the training images; to evaluate on another folder, add data.root=FOLDER"
        )
    if config.split == "val" and not is_own:
        raise ConfigError("split=val is the run's own validation fold; remove data.root, or type split=all.")
    labels = config.data.labels or {}
    if not isinstance(labels, dict) or None in labels.values():
        raise ConfigError("data.labels must map each class folder to a class: 'data.labels={FOLDER: CLASS}'.")
    if labels and is_own:
        raise ConfigError("data.labels only applies to another folder of face crops; add data.root=FOLDER")
    config.data.labels = {str(folder): str(label) for folder, label in labels.items()}
