"""What ``evaluate.py`` refuses."""

import math

from omegaconf import DictConfig

from facemask.config.checks.configuration import check_margin, check_seeds, resolve
from facemask.config.checks.preparation import check_classes
from facemask.config.compose import Settings
from facemask.config.keys import ALL_FOLDS
from facemask.config.schemas import EvaluateConfig
from facemask.config.targets import check_targets
from facemask.errors import ConfigError

SPLITS = ("test", "val", "all")  # what can be evaluated on


def resolve_evaluation(config: DictConfig) -> Settings:
    """Return the configuration of ``evaluate.py``, checked likewise.

    Raises:
        ConfigError: as above.
    """
    settings = resolve(config, EvaluateConfig, "evaluate.py")
    if bool(settings["run"]) == bool(settings["sweep_folder"]):
        raise ConfigError("name what to evaluate: run=FOLDER (several: run=A run=B), or sweep=FOLDER for its winner.")
    runs = settings["run"] if isinstance(settings["run"], list) else [settings["run"]] if settings["run"] else []
    settings["run"] = [str(run) for run in runs]
    if settings["photos"] is not None:
        _check_photos(settings)
    own, split = settings["data"]["root"] is None, settings["split"]
    if split not in SPLITS:
        raise ConfigError(f"split={split} is not one of {', '.join(SPLITS)}.")
    if split == "all" and own:
        raise ConfigError("split=all would hold images that were trained on; name another folder too: data.root=FOLDER")
    if split == "val" and not own:
        raise ConfigError("split=val is the run's own validation fold; leave out data.root, or type split=all.")
    for key, value in (("top", settings["top"]), ("fold", settings["fold"])):
        if isinstance(value, str) and value != ALL_FOLDS:
            raise ConfigError(f"{key}={value} is neither a number nor '{ALL_FOLDS}'.")
    check_seeds(settings)
    least = {"draws": 100, "batch_size": 1, "report.pictures": 0}
    if isinstance(settings["top"], int):
        least["top"] = 1
    for key, low in least.items():
        value = settings["report"]["pictures"] if "." in key else settings[key]
        if value < low:
            raise ConfigError(f"{key}={value} is too small; it must be {low} or more.")
    for key, cost in settings["costs"].items():
        if not (math.isfinite(cost) and cost > 0):
            raise ConfigError(f"costs.{key}={cost} is not a cost; it must be a positive number.")
    labels = settings["data"]["labels"] or {}
    if not isinstance(labels, dict) or None in labels.values():
        raise ConfigError("data.labels gives each class folder its class: 'data.labels={FOLDER: CLASS}'.")
    if labels and own:
        raise ConfigError("data.labels is for another folder's classes; name that too: data.root=FOLDER")
    settings["data"]["labels"] = {str(folder): str(label) for folder, label in labels.items()}
    for recall in settings["recalls"]:
        if not 0 < recall <= 1:
            raise ConfigError(f"recalls holds {recall}, which is no share of the positives; give numbers in (0, 1].")
    return settings


def _check_photos(settings: Settings) -> None:
    if not settings["photos"]:
        raise ConfigError("photos has no value; give the folder of annotated photos: photos=FOLDER")
    if len(settings["run"]) != 1:
        raise ConfigError("photos= evaluates one model; name it: run=FOLDER, or an exported file.")
    if settings["fold"] == ALL_FOLDS:
        raise ConfigError("photos= evaluates one model; name its fold: fold=NUMBER, or leave it out for the first.")
    if settings["data"]["root"] is not None or settings["split"] != "test":
        raise ConfigError("photos= takes the place of data.root= and split=; leave these out.")
    check_margin(settings["crop"]["margin"])
    if settings["crop"]["min_side"] < 1:
        raise ConfigError(f"crop.min_side={settings['crop']['min_side']} is too small; it must be 1 or more.")
    settings["classes"] = check_classes(settings["classes"])
    check_targets({"detector": settings["detector"]})
