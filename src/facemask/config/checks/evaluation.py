"""What ``evaluate.py`` refuses."""

import math
from collections.abc import Sequence

from omegaconf import DictConfig, OmegaConf

from facemask.config.checks.configuration import check_margin, check_seeds, resolve_typed
from facemask.config.checks.preparation import check_classes
from facemask.config.compose import CONF
from facemask.config.keys import ALL_FOLDS, Values, flat_values, flatten, format_setting
from facemask.config.schemas import EvaluateConfig
from facemask.config.targets import check_targets
from facemask.config.typed import to_plain
from facemask.errors import ConfigError

SPLITS = ("test", "val", "all")  # what can be evaluated on
PHOTOS_ONLY = ("boxes", "classes", "detector", "crop.margin", "crop.square", "crop.min_side")
FACES_ONLY = (
    *("positive", "recalls", "costs.missed", "costs.false_alarm", "batch_size", "report.pictures", "logger"),
    *("data.max_unreadable", "data.labels"),
)


def resolve_evaluation(config: DictConfig) -> EvaluateConfig:
    """Return the configuration of ``evaluate.py``, checked before torch is imported.

    Raises:
        ConfigError: a key is unknown, a value is out of range, two contradict each other, or one would not be used.
    """
    resolved = resolve_typed(config, EvaluateConfig, "evaluate.py")
    _check_runs(resolved)
    _check_unused(resolved)
    if resolved.photos is not None:
        _check_photos(resolved)
    _check_data(resolved)
    for key, choice in (("top", resolved.top), ("fold", resolved.fold)):
        if isinstance(choice, str) and choice != ALL_FOLDS:
            raise ConfigError(f"{key}={choice} is neither a number nor '{ALL_FOLDS}'.")
    check_seeds(resolved)
    least = {"n_bootstraps": (resolved.n_bootstraps, 100), "batch_size": (resolved.batch_size, 1)}
    least["report.pictures"] = resolved.report.pictures, 0
    if isinstance(resolved.top, int):
        least["top"] = resolved.top, 1
    for key, (value, low) in least.items():
        if value < low:
            raise ConfigError(f"{key}={value} is too small; it must be {low} or more.")
    for key, cost in vars(resolved.costs).items():
        if not (math.isfinite(cost) and cost > 0):
            raise ConfigError(f"costs.{key}={cost} is not a cost; it must be a positive number.")
    for recall in resolved.recalls:
        if not 0 < recall <= 1:
            raise ConfigError(f"recalls holds {recall}, which is no share of the positives; give numbers in (0, 1].")
    return resolved


def _check_runs(config: EvaluateConfig) -> None:
    """Make a list of the runs."""
    if bool(config.run) == bool(config.sweep_folder):
        raise ConfigError("name what to evaluate: run=FOLDER (several: run=A run=B), or sweep=FOLDER for its winner.")
    runs = config.run if isinstance(config.run, list) else [config.run] if config.run else []
    config.run = [str(run) for run in runs]


def _check_unused(config: EvaluateConfig) -> None:
    """Refuse a key that is set to something and would not be used."""
    values, defaults = flat_values(config), _defaults()
    changed = {key for key in values.keys() | defaults.keys() if values.get(key) != defaults.get(key)}
    if config.photos is not None:
        _refuse(FACES_ONLY, changed, values, "is for face crops and not used with photos=; leave it out.")
    else:
        _refuse(PHOTOS_ONLY, changed, values, "is for annotated photos; name them too: photos=FOLDER, or leave it out.")
    if not config.sweep_folder:
        _refuse(["top"], changed, values, "is for the places of a sweep: sweep=FOLDER; leave it out.")


def _refuse(keys: Sequence[str], changed: set[str], values: Values, reason: str) -> None:
    for key in keys:
        if any(other == key or other.startswith(f"{key}.") for other in changed):
            raise ConfigError(f"{format_setting(key, values[key]) if key in values else f'{key}='} {reason}")


def _defaults() -> Values:
    """Return the default of every key: the schema's, and of a group the choice in ``conf/evaluate.yaml``."""
    plain = to_plain(EvaluateConfig())
    for entry in OmegaConf.load(CONF / "evaluate.yaml").defaults:
        for group in {"classes", "detector"}.intersection(entry if isinstance(entry, DictConfig) else ()):
            plain[group] = OmegaConf.to_container(OmegaConf.load(CONF / group / f"{entry[group]}.yaml"))
    return dict(flatten(plain))


def _check_photos(config: EvaluateConfig) -> None:
    if not config.photos:
        raise ConfigError("photos has no value; give the folder of annotated photos: photos=FOLDER")
    if len(config.run) != 1:
        raise ConfigError("photos= evaluates one model; name it: run=FOLDER, or an exported file.")
    if config.fold == ALL_FOLDS:
        raise ConfigError("photos= evaluates one model; name its fold: fold=NUMBER, or leave it out for the first.")
    if config.data.root is not None or config.split != "test":
        raise ConfigError("photos= takes the place of data.root= and split=; leave these out.")
    check_margin(config.crop.margin)
    if config.crop.min_side < 1:
        raise ConfigError(f"crop.min_side={config.crop.min_side} is too small; it must be 1 or more.")
    config.classes = check_classes(config.classes)
    check_targets({"detector": to_plain(config.detector)})


def _check_data(config: EvaluateConfig) -> None:
    is_own = config.data.root is None
    if config.split not in SPLITS:
        raise ConfigError(f"split={config.split} is not one of {', '.join(SPLITS)}.")
    if config.split == "all" and is_own:
        raise ConfigError("split=all would hold images that were trained on; name another folder too: data.root=FOLDER")
    if config.split == "val" and not is_own:
        raise ConfigError("split=val is the run's own validation fold; leave out data.root, or type split=all.")
    labels = config.data.labels or {}
    if not isinstance(labels, dict) or None in labels.values():
        raise ConfigError("data.labels gives each class folder its class: 'data.labels={FOLDER: CLASS}'.")
    if labels and is_own:
        raise ConfigError("data.labels is for another folder's classes; name that too: data.root=FOLDER")
    config.data.labels = {str(folder): str(label) for folder, label in labels.items()}
