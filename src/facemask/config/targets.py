"""Validation of every ``_target_`` node against the signature of its target."""

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
EXPECTED = "Input should "  # start of most pydantic messages
# Keys of a node that facemask reads itself and does not pass to the target.
EXTRA_KEYS: dict[str, dict[str, Any]] = {
    "model": {"input_size": Annotated[int, Field(ge=8, le=1024)] | None},
    "trainer": {"compile": bool},
}


def check_components(config: object) -> None:
    """Check every component of a typed configuration against the signature of its target, which is imported.

    Args:
        config: typed configuration, an instance of a schema.

    Raises:
        ConfigError: a target cannot be imported, or does not accept a key, or the type or range of a value.
    """
    nodes = to_plain(config)
    check_targets({key: node for key, node in nodes.items() if isinstance(node, dict)})


def check_targets(settings: Mapping[str, Any]) -> None:
    """Check every node with a ``_target_`` against the signature of its target, which is imported.

    Args:
        settings: nodes of a configuration as plain types, by name.

    Raises:
        ConfigError: a target cannot be imported, or does not accept a key, or the type or range of a value.
    """
    # data and model contain copies of other groups, such as model.optimizer of optim. They come last, so that an error
    # names the key that the user set.
    groups = sorted(settings, key=lambda name: ("data", "model").index(name) if name in ("data", "model") else -1)
    for path, node in _targets({name: settings[name] for name in groups}):
        _check_arguments(path, node)


def _targets(node: Any, path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the dotted path and the content of every node with a ``_target_``."""
    if not isinstance(node, Mapping):
        return
    if TARGET in node:
        yield path, node
    for key, value in node.items():
        yield from _targets(value, f"{path}.{key}" if path else str(key))


def _check_arguments(path: str, node: Mapping[str, Any]) -> None:
    """Check the keys and values of a node against the signature of its target."""
    target = _import(f"{path}._target_", node[TARGET])
    hints = _hints(target)
    given = {key: value for key, value in node.items() if not (key.startswith("_") and key.endswith("_"))}
    hints |= EXTRA_KEYS.get(path, {})
    if path == "model" and (more := _network_hints(target, node)) is not None:
        hints = more | hints
    elif _accepts_any_keyword(target):
        return
    for key, value in given.items():
        if key not in hints:
            raise ConfigError(f"{path}.{key} is not an argument of {node[TARGET]}{did_you_mean(key, hints)}")
        if not any(_targets(value)):
            _check_type(f"{path}.{key}", value, hints[key])


def _network_hints(target: Callable[..., Any], node: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the arguments that a model node accepts in addition to those of its target; None if unknown."""
    net = node.get("net")
    if isinstance(net, Mapping) and TARGET in net:  # the module passes other arguments to its network
        return _hints(_import("model.net._target_", net[TARGET]))
    if inspect.isclass(target) and not issubclass(target, get_object(LIGHTNING_MODULE)):  # MaskClassifier wraps it
        return _hints(get_object(MASK_CLASSIFIER))
    return None


def _import(key: str, name: str) -> Callable[..., Any]:
    try:
        target: Callable[..., Any] = get_object(name)
    except Exception as error:  # importing a user's module can raise anything
        raise ConfigError(f"{key}={name} cannot be imported: {first_line(error.__cause__ or error)}.") from error
    return target


def _accepts_any_keyword(target: Callable[..., Any]) -> bool:
    """Return whether a callable has ``**kwargs``."""
    return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(target).parameters.values())


def _hints(target: Callable[..., Any]) -> dict[str, Any]:
    """Return the type hint of each keyword argument of a callable."""
    parameters = inspect.signature(target).parameters.values()
    function = target.__init__ if inspect.isclass(target) else target
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError):  # annotations imported only under TYPE_CHECKING
        hints = {}
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {p.name: hints.get(p.name, Any) for p in parameters if p.kind in by_name}


def _check_type(key: str, value: Any, hint: Any) -> None:
    try:
        adapter = TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))
    except PydanticUserError:  # pydantic cannot validate this type
        return
    try:
        adapter.validate_python(value)
    except ValidationError as error:
        problem = error.errors()[0]["msg"]
        if isinstance(value, str) and "Sequence" in problem:
            raise ConfigError(f"{key} must be a list, got {value}; type {key}=[{value}]") from error
        if problem.startswith(EXPECTED):
            raise ConfigError(f"{key} must {problem.removeprefix(EXPECTED)}, got {value}.") from error
        raise ConfigError(f"{key}={value} is invalid: {problem[:1].lower()}{problem[1:]}.") from error
