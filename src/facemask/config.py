"""The typed schema of a training run, every check that can be made before it starts, and building from ``_target_``."""

import difflib
import inspect
import math
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import InstantiationException
from hydra.utils import get_object, instantiate
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ConfigDict, Field, PydanticUserError, TypeAdapter, ValidationError

from facemask.errors import ConfigError, FaceMaskError

ALL_FOLDS = "all"
# Keys of a node that we use ourselves and do not hand to its target.
OURS: dict[str, dict[str, Any]] = {
    "model": {"input_size": Annotated[int, Field(ge=8, le=1024)] | None},
    "trainer": {"compile": bool},
}
# Arguments of the trainer that the program gives it.
BUILT = ("callbacks", "default_root_dir", "logger", "plugins", "profiler")
Settings = dict[str, Any]  # a resolved configuration, or a node of one, as plain types


@dataclass
class TrainConfig:
    """The keys of ``train.py``; ``conf/`` has the groups' choices, whose keys are their ``_target_``'s arguments."""

    lr: float = 1e-3  # learning rate (its peak, where a schedule moves it)
    bs: int = 32  # images a step
    epochs: int = 12  # at most; early stopping may end sooner
    seed: int = 0  # initial weights, order, augmentation, dropout
    split_seed: int = 0  # which image is in which part
    k: int = 5  # folds
    fold: int | str = 0  # the fold to validate on, 0 to k - 1; "all" for each in turn
    monitor: str = (
        "val/auroc"  # the best epoch is the best of this; ...loss and ...error are minimised, all else maximised
    )
    resume: str | None = None  # a run folder to continue
    name: str = "${data.name}"  # names a sweep's folder
    data: Any = MISSING
    augment: Any = MISSING
    model: Any = MISSING
    optim: Any = MISSING
    schedule: Any = MISSING
    trainer: Any = MISSING
    callbacks: Any = field(default_factory=dict)
    logger: Any = field(default_factory=dict)


def monitor_mode(monitor: str) -> str:
    """Return ``min`` for a loss or an error, and ``max`` for everything else."""
    return "min" if monitor.endswith(("loss", "error")) else "max"


def folder_name(overrides: Iterable[str]) -> str:
    """Name a sweep's job by its values: the same values give the same name, however they were typed.

    ``model`` is left out, having a folder of its own, and so is what a sweep is called.
    """
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    values = {o.key_or_group: o.value() for o in parsed if o.key_or_group not in ("model", "name")}
    words = [f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}" for key, value in values.items()]
    return "".join(c if c.isalnum() or c in "=.,+-_" else "-" for c in ",".join(sorted(words)))[:200] or "default"


def run_folder(resume: str | None, time: str) -> str:
    """Return where a run goes: the folder it resumes, or a new one named by the time."""
    return resume or f"outputs/{time}"


def register() -> None:
    """Make the schema and the resolvers known to Hydra; to be called before it composes."""
    ConfigStore.instance().store(name="train_schema", node=TrainConfig)
    OmegaConf.register_new_resolver("monitor_mode", monitor_mode, replace=True)
    OmegaConf.register_new_resolver("folder_name", folder_name, replace=True)
    OmegaConf.register_new_resolver("run_folder", run_folder, replace=True)


def resolve(config: DictConfig) -> Settings:
    """Return the configuration as plain types, with all that can be checked at once checked, before torch is imported.

    Raises:
        ConfigError: a key is unknown, a value is missing or out of range, or two of them contradict each other.
    """
    known = {f.name for f in fields(TrainConfig)}
    given = {str(key) for key in config}
    for key in sorted(given - known):
        raise ConfigError(f"{key} is no key of train.py{did_you_mean(key, known)}")
    try:
        missing = sorted(known - given) or sorted(OmegaConf.missing_keys(config))
        if missing:
            raise ConfigError(f"{missing[0]} has no value; give it one: {missing[0]}=…")
        settings: Settings = OmegaConf.to_container(config, resolve=True)  # type: ignore[assignment]
    except OmegaConfBaseException as error:
        raise ConfigError(f"the configuration cannot be resolved: {str(error).splitlines()[0]}") from error
    _check_ranges(settings)
    _check_contradictions(settings)
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


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, shortened, without its full stop."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".")[:200] if lines else type(error).__name__


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return the end of a sentence about a wrong word: the nearest choice, or all of them."""
    choices = sorted(choices)
    alike = {choice: difflib.SequenceMatcher(None, word, choice).ratio() for choice in choices}
    best = max(alike.values(), default=0.0)
    if best > 0.6:
        return f"; did you mean {' or '.join(choice for choice in choices if alike[choice] == best)}?"
    listed = ", ".join(choices[:16]) + (", …" if len(choices) > 16 else "")
    return f"; choose from: {listed or 'nothing'}."


def _check_ranges(settings: Settings) -> None:
    for key, low in (("bs", 1), ("epochs", 1), ("k", 2), ("seed", 0), ("split_seed", 0)):
        if settings[key] < low:
            raise ConfigError(f"{key}={settings[key]} is too small; it must be {low} or more.")
    for key in ("seed", "split_seed"):
        if settings[key] >= 2**32:
            raise ConfigError(f"{key}={settings[key]} is too large; it must be below 2**32.")
    if not (math.isfinite(settings["lr"]) and settings["lr"] > 0):
        raise ConfigError(f"lr={settings['lr']} is not a learning rate; it must be a positive number.")
    fold, k = settings["fold"], settings["k"]
    if isinstance(fold, str) and fold != ALL_FOLDS:
        raise ConfigError(f"fold={fold} is neither a number nor '{ALL_FOLDS}'; it may be 0 to {k - 1} or {ALL_FOLDS}.")
    if isinstance(fold, int) and not 0 <= fold < k:
        raise ConfigError(f"fold={fold} does not exist with k={k}; it may be 0 to {k - 1} or {ALL_FOLDS}.")


def _check_contradictions(settings: Settings) -> None:
    model, augment, trainer = (settings[key] for key in ("model", "augment", "trainer"))
    freeze = model.get("freeze", "none")
    if freeze != "none" and model.get("pretrained") is False:
        raise ConfigError(
            f"model.freeze={freeze} with model.pretrained=false would keep random weights for ever; "
            "set model.pretrained=true or model.freeze=none."
        )
    for mixing in ("mixup", "cutmix"):
        if freeze == "backbone" and augment and augment.get(mixing, 0) > 0:
            raise ConfigError(
                f"augment.{mixing}={augment[mixing]} blends pictures, which only layers that learn can make use of, "
                f"but model.freeze=backbone; set augment.{mixing}=0 or model.freeze=none."
            )
    for key in BUILT:
        if key in trainer:
            raise ConfigError(f"trainer.{key} is built by the program; leave it out (callbacks and logger are groups).")
    if trainer.get("fast_dev_run"):
        raise ConfigError("trainer.fast_dev_run keeps no checkpoint to evaluate; type trainer=smoke for a quick try.")


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
    elif takes_anything(target):
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
        raise ConfigError(f"{key}={name} cannot be imported: {first_line(error)}") from error
    return target


def takes_anything(target: Callable[..., Any]) -> bool:
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
        raise ConfigError(f"{key}={value} cannot be used: {problem[:1].lower()}{problem[1:]}.") from error
