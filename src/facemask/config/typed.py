"""Conversion between plain types and instances of the schemas."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_type_hints

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from facemask.config.component import TARGET, Component
from facemask.errors import ConfigError, first_line

T = TypeVar("T")


def from_plain(schema: type[T], values: Mapping[str, object]) -> T:
    """Create an instance of a schema from plain types.

    Nodes with a ``_target_`` become :class:`Component`. Missing keys get their defaults and unknown keys are ignored,
    because a run folder may have been written by an older or newer version of this code.

    Args:
        schema: dataclass of the keys of a command.
        values: resolved configuration as plain types.
    """
    hints = get_type_hints(schema)
    known = {f.name: _typed(hints[f.name], values[f.name]) for f in fields(schema) if f.name in values}  # type: ignore[arg-type]
    return schema(**known)


def read_typed(schema: type[T], values: Mapping[str, object]) -> T:
    """Create an instance of a schema from the plain types of a file, and check their types.

    Nothing is imported: the arguments of components are not checked.

    Raises:
        ConfigError: a value has another type than its key.
    """
    known = {f.name for f in fields(schema)}  # type: ignore[arg-type]
    try:
        typed = OmegaConf.merge(OmegaConf.structured(schema), {k: v for k, v in values.items() if k in known})
        plain = OmegaConf.to_container(typed, resolve=True)
    except (OmegaConfBaseException, ValueError, TypeError) as error:
        raise ConfigError(f"{first_line(error)}.") from error
    assert isinstance(plain, dict)
    return from_plain(schema, {str(key): value for key, value in plain.items()})


def to_plain(value: object) -> Any:
    """Convert a typed configuration, or any part of it, to plain types."""
    if isinstance(value, Component):
        return {key: to_plain(item) for key, item in value.to_plain().items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    return value


def _typed(hint: object, value: object) -> object:
    if isinstance(hint, type) and is_dataclass(hint) and isinstance(value, Mapping):
        return from_plain(hint, value)
    return _with_components(value) if hint is Any else value


def _with_components(value: object) -> object:
    """Convert nodes with a ``_target_`` to Components; the nodes inside a Component stay plain."""
    if not isinstance(value, Mapping):
        return value
    if TARGET in value:
        return Component.from_plain(value)
    return {str(key): _with_components(item) for key, item in value.items()}
