"""Conversion between plain types and instances of the schemas."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_type_hints

from facemask.config.component import TARGET, Component

T = TypeVar("T")


def from_plain(schema: type[T], values: Mapping[str, object]) -> T:
    """Create an instance of a schema from plain types.

    Nodes with a ``_target_`` become :class:`Component`. Missing keys get their defaults and unknown keys are ignored,
    because a run folder may have been written by an older or newer version of this code.

    Args:
        schema: dataclass of :mod:`facemask.config.schemas`.
        values: resolved configuration as plain types.
    """
    hints = get_type_hints(schema)
    known = {f.name: _typed(hints[f.name], values[f.name]) for f in fields(schema) if f.name in values}  # type: ignore[arg-type]
    return schema(**known)


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
