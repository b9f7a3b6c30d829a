"""Every check of a configuration that can be made before a run begins."""

import inspect
import math
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Annotated, Any

from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ConfigDict, Field, PydanticUserError, TypeAdapter, ValidationError

from facemask.config import ALL_FOLDS, EvaluateConfig, PrepareConfig, Settings, TrainConfig, did_you_mean, first_line
from facemask.errors import ConfigError

# Keys of a node that we use ourselves and do not hand to its target.
OURS: dict[str, dict[str, Any]] = {
    "model": {"input_size": Annotated[int, Field(ge=8, le=1024)] | None},
    "trainer": {"compile": bool},
}
# Arguments of the trainer that the program gives it.
BUILT = ("callbacks", "default_root_dir", "logger", "plugins", "profiler")
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")
TASKS = ("explore",)  # what prepare_data.py can do
SPLITS = ("test", "val", "all")  # what can be evaluated on


def resolve(config: DictConfig, schema: type, command: str) -> Settings:
    """Return a configuration as plain types.

    Args:
        config: as composed.
        schema: the keys it may have, and must.
        command: whose keys these are.

    Raises:
        ConfigError: a key is unknown, or a value is missing.
    """
    known = {f.name for f in fields(schema)}
    given = {str(key) for key in config}
    for key in sorted(given - known):
        raise ConfigError(f"{key} is no key of {command}{did_you_mean(key, known)}")
    try:
        missing = sorted(known - given) or sorted(OmegaConf.missing_keys(config))
        if missing:
            raise ConfigError(f"{missing[0]} has no value; give it one: {missing[0]}=…")
        settings: Settings = OmegaConf.to_container(config, resolve=True)  # type: ignore[assignment]
    except OmegaConfBaseException as error:
        raise ConfigError(f"the configuration cannot be resolved: {str(error).splitlines()[0]}") from error
    return settings


def resolve_training(config: DictConfig) -> Settings:
    """Return the configuration of ``train.py``, with all that can be checked at once checked, before torch is imported.

    Raises:
        ConfigError: a key is unknown, a value is missing or out of range, or two of them contradict each other.
    """
    settings = resolve(config, TrainConfig, "train.py")
    _check_ranges(settings)
    _check_fold(settings["fold"], settings["k"])
    _check_trainer(settings["trainer"])
    _check_contradictions(settings)
    return settings


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
    _check_seeds(settings)
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


def resolve_preparation(config: DictConfig) -> Settings:
    """Return the configuration of ``prepare_data.py``, checked likewise.

    Raises:
        ConfigError: as above.
    """
    settings = resolve(config, PrepareConfig, "prepare_data.py")
    if settings["task"] not in TASKS:
        raise ConfigError(f"task={settings['task']} is not one of {', '.join(TASKS)}.")
    _check_seeds(settings)
    check_targets({key: settings[key] for key in ("data", "augment")})
    return settings


def check_targets(settings: Settings) -> None:
    """Check every key and value against the signature of what it is handed to, which imports all of that.

    Raises:
        ConfigError: a key that a target does not take, or a value of a type or range it does not take.
    """
    # Groups that others refer to come first: what is wrong in optim is not to be called model.optimizer.
    groups = sorted(settings, key=lambda name: ("data", "model").index(name) if name in ("data", "model") else -1)
    for path, node in _targets({name: settings[name] for name in groups}):
        _check_arguments(path, node)


def _check_ranges(settings: Settings) -> None:
    for key, low in (("bs", 1), ("epochs", 1), ("k", 2)):
        if settings[key] < low:
            raise ConfigError(f"{key}={settings[key]} is too small; it must be {low} or more.")
    if not settings["race_margin"] >= 0:
        raise ConfigError(f"race_margin={settings['race_margin']} is not a number of standard errors; give 0 or more.")
    _check_seeds(settings)
    if not (math.isfinite(settings["lr"]) and settings["lr"] > 0):
        raise ConfigError(f"lr={settings['lr']} is not a learning rate; it must be a positive number.")


def _check_seeds(settings: Settings) -> None:
    for key in {"seed", "split_seed"} & settings.keys():
        if not 0 <= settings[key] < 2**32:
            raise ConfigError(f"{key}={settings[key]} is not a seed; it must be 0 or more, and below 2**32.")


def _check_fold(fold: Any, k: int) -> None:
    allowed = f"it may be 0 to {k - 1} or {ALL_FOLDS}"
    if fold == ALL_FOLDS:
        return
    if not isinstance(fold, int):
        raise ConfigError(f"fold={fold} is neither a number nor '{ALL_FOLDS}'; {allowed}.")
    if not 0 <= fold < k:
        raise ConfigError(f"fold={fold} does not exist with k={k}; {allowed}.")


def _check_trainer(trainer: Settings) -> None:
    for key in BUILT:
        if key in trainer:
            raise ConfigError(f"trainer.{key} is built by the program; leave it out (callbacks and logger are groups).")
    if trainer.get("fast_dev_run"):
        raise ConfigError("trainer.fast_dev_run keeps no checkpoint to evaluate; type trainer=smoke for a quick try.")
    for key in ("max_epochs", "limit_train_batches", "limit_val_batches"):
        if isinstance(value := trainer.get(key), int | float) and value <= 0:
            raise ConfigError(f"trainer.{key}={value} leaves nothing to do; it must be more than 0.")
    strategy = trainer.get("strategy")
    if strategy is not None and not (isinstance(strategy, dict) and strategy.get("start_method") == "spawn"):
        raise ConfigError(f"trainer.strategy={strategy} is not supported; type trainer=ddp for several processes.")
    if strategy is None and _length(devices := trainer.get("devices", 1)) != 1:
        raise ConfigError(
            f"trainer.devices={devices} takes several processes; type trainer=ddp trainer.devices={devices}"
        )
    for key in ("num_nodes", "check_val_every_n_epoch"):
        if trainer.get(key, 1) != 1:
            raise ConfigError(
                f"trainer.{key}={trainer[key]} is not supported: a run uses one machine, and validates each epoch."
            )
    if str(trainer.get("precision", PRECISIONS[0])) not in (*PRECISIONS, "32"):
        raise ConfigError(f"trainer.precision={trainer['precision']} is not one of {', '.join(PRECISIONS)}.")


def _length(devices: Any) -> Any:
    """Return how many devices a number, or a list of their numbers, means."""
    return len(devices) if isinstance(devices, list) else devices


def _check_contradictions(settings: Settings) -> None:
    model, augment = settings["model"], settings["augment"]
    freeze = model.get("freeze", "none")
    if freeze != "none" and "net" in model and not model.get("pretrained"):
        raise ConfigError(
            f"model.freeze={freeze} without pretrained weights would keep random ones for ever; "
            "set model.pretrained=true, or model.freeze=none."
        )
    if freeze != "backbone" and augment and augment.get("views") is not None:
        raise ConfigError(
            f"augment.views={augment['views']} is of images that a frozen backbone sees but once, and "
            f"model.freeze={freeze}; leave out augment.views, or set model.freeze=backbone."
        )
    for mixing in ("mixup", "cutmix"):
        if freeze == "backbone" and augment and augment.get(mixing, 0) > 0:
            raise ConfigError(
                f"augment.{mixing}={augment[mixing]} blends pictures, which only layers that learn can make use of, "
                f"but model.freeze=backbone; set augment.{mixing}=0 or model.freeze=none."
            )


def _targets(node: Any, path: str = "") -> Iterator[tuple[str, Settings]]:
    """Yield every node with a ``_target_``, and its path."""
    if not isinstance(node, Mapping):
        return
    if "_target_" in node:
        yield path, dict(node)
    for key, value in node.items():
        yield from _targets(value, f"{path}.{key}" if path else str(key))


def _check_arguments(path: str, node: Settings) -> None:
    """Check a node's keys and values against its target's signature: the signature is the schema."""
    target = _import(f"{path}._target_", node["_target_"])
    hints = _hints(target)
    given = {key: value for key, value in node.items() if not (key.startswith("_") and key.endswith("_"))}
    hints |= OURS.get(path, {})
    if path == "model" and "_target_" in (node.get("net") or {}):  # what is not the module's is the network's
        hints = _hints(_import("model.net._target_", node["net"]["_target_"])) | hints
    elif _takes_anything(target):
        return
    for key, value in given.items():
        if key not in hints:
            raise ConfigError(f"{path}.{key} is no setting of {node['_target_']}{did_you_mean(key, hints)}")
        if not any(_targets(value)):
            _check_type(f"{path}.{key}", value, hints[key])


def _import(key: str, name: str) -> Callable[..., Any]:
    try:
        target: Callable[..., Any] = get_object(name)
    except Exception as error:  # whatever importing a module of the user's may raise
        raise ConfigError(f"{key}={name} cannot be imported: {first_line(error.__cause__ or error)}.") from error
    return target


def _takes_anything(target: Callable[..., Any]) -> bool:
    """Return whether a callable takes keywords it does not name."""
    return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(target).parameters.values())


def _hints(target: Callable[..., Any]) -> dict[str, Any]:
    """Return what a callable takes by name, and the type it wants there."""
    parameters = inspect.signature(target).parameters.values()
    function = target.__init__ if inspect.isclass(target) else target
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError):  # annotations that exist for type checkers only
        hints = {}
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {p.name: hints.get(p.name, Any) for p in parameters if p.kind in by_name}


def _check_type(key: str, value: Any, hint: Any) -> None:
    try:
        adapter = TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))
    except PydanticUserError:  # a type that cannot be checked
        return
    try:
        adapter.validate_python(value)
    except ValidationError as error:
        problem = error.errors()[0]["msg"]
        if isinstance(value, str) and "Sequence" in problem:
            raise ConfigError(f"{key}={value} is one word where a list is meant; type {key}=[{value}].") from error
        raise ConfigError(f"{key}={value} cannot be used: {problem[:1].lower()}{problem[1:]}.") from error
