"""Every ``_target_`` against its signature: the signature is the schema."""

import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

from hydra.utils import get_object
from pydantic import ConfigDict, Field, PydanticUserError, TypeAdapter, ValidationError

from facemask.config.component import TARGET
from facemask.config.typed import to_plain
from facemask.errors import ConfigError, did_you_mean, first_line

LIGHTNING_MODULE = "lightning.pytorch.LightningModule"
MASK_CLASSIFIER = "facemask.models.classifier.MaskClassifier"
# Keys of a node that are used by the program and not passed to its target.
EXTRA_KEYS: dict[str, dict[str, Any]] = {
    "model": {"input_size": Annotated[int, Field(ge=8, le=1024)] | None},
    "trainer": {"compile": bool},
}


def check_components(config: object) -> None:
    """Check every component of a typed configuration against the signature of its target, which imports them all.

    Raises:
        ConfigError: a key that a target does not take, or a value of a type or range it does not take.
    """
    nodes = to_plain(config)
    check_targets({key: node for key, node in nodes.items() if isinstance(node, dict)})


def check_targets(settings: Mapping[str, Any]) -> None:
    """Check every key and value against the signature of what it is handed to, which imports all of that.

    Raises:
        ConfigError: a key that a target does not take, or a value of a type or range it does not take.
    """
    # Groups that others refer to come first: what is wrong in optim is not to be called model.optimizer.
    groups = sorted(settings, key=lambda name: ("data", "model").index(name) if name in ("data", "model") else -1)
    for path, node in _targets({name: settings[name] for name in groups}):
        _check_arguments(path, node)


def _targets(node: Any, path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every node with a ``_target_``, and its path."""
    if not isinstance(node, Mapping):
        return
    if TARGET in node:
        yield path, node
    for key, value in node.items():
        yield from _targets(value, f"{path}.{key}" if path else str(key))


def _check_arguments(path: str, node: Mapping[str, Any]) -> None:
    """Check a node's keys and values against its target's signature: the signature is the schema."""
    target = _import(f"{path}._target_", node[TARGET])
    hints = _hints(target)
    given = {key: value for key, value in node.items() if not (key.startswith("_") and key.endswith("_"))}
    hints |= EXTRA_KEYS.get(path, {})
    if path == "model" and (more := _network_hints(target, node)) is not None:
        hints = more | hints
    elif _takes_anything(target):
        return
    for key, value in given.items():
        if key not in hints:
            raise ConfigError(f"{path}.{key} is no setting of {node[TARGET]}{did_you_mean(key, hints)}")
        if not any(_targets(value)):
            _check_type(f"{path}.{key}", value, hints[key])


def _network_hints(target: Callable[..., Any], node: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a model's node takes beside its target's own arguments; None where that is not known."""
    if TARGET in (node.get("net") or {}):  # what is not the module's is the network's
        return _hints(_import("model.net._target_", node["net"][TARGET]))
    if inspect.isclass(target) and not issubclass(target, get_object(LIGHTNING_MODULE)):  # MaskClassifier trains it
        return _hints(get_object(MASK_CLASSIFIER))
    return None


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
