"""Typed form of a configuration node with a ``_target_``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from facemask.errors import ConfigError, FaceMaskError, first_line

TARGET, PARTIAL = "_target_", "_partial_"


@dataclass(frozen=True)
class Component:
    """A class or function to call with keyword arguments, as a configuration node describes it.

    Attributes:
        target: dotted path of a class or function.
        arguments: keyword arguments as plain types; nested ``_target_`` nodes are built first.
        is_partial: build a ``functools.partial`` that takes further arguments, instead of calling the target.
    """

    target: str
    arguments: Mapping[str, object] = field(default_factory=dict)
    is_partial: bool = False

    @classmethod
    def from_plain(cls, node: Mapping[str, object]) -> "Component":
        """Create a component from a configuration node."""
        arguments = {key: value for key, value in node.items() if key not in (TARGET, PARTIAL)}
        return cls(str(node[TARGET]), arguments, bool(node.get(PARTIAL, False)))

    def to_plain(self) -> dict[str, object]:
        """Return the configuration node; the inverse of :meth:`from_plain`."""
        return {TARGET: self.target, **({PARTIAL: True} if self.is_partial else {}), **self.arguments}

    @property
    def class_name(self) -> str:
        """Last part of the target."""
        return self.target.rpartition(".")[2]

    def get(self, name: str, default: object = None) -> Any:
        """Return an argument, or ``default`` if it is not set."""
        return self.arguments.get(name, default)

    def with_arguments(self, **arguments: object) -> "Component":
        """Return a copy with arguments replaced or added."""
        return Component(self.target, {**self.arguments, **arguments}, self.is_partial)

    def without(self, *names: str) -> "Component":
        """Return a copy without the named arguments."""
        kept = {name: value for name, value in self.arguments.items() if name not in names}
        return Component(self.target, kept, self.is_partial)

    def build(self, **facts: object) -> Any:
        """Instantiate the target and every nested ``_target_`` node.

        Args:
            facts: further arguments that are only known at run time; passed unchanged, nodes included.

        Returns:
            The result of the call; for a partial component without facts, a ``functools.partial``.

        Raises:
            ConfigError: a target does not accept its arguments.
            FaceMaskError: raised by a target itself.
        """
        from hydra.errors import InstantiationException
        from hydra.utils import instantiate

        try:
            partial = instantiate(self.to_plain() | {PARTIAL: True}, _convert_="all")
            return partial if self.is_partial and not facts else partial(**facts)
        except (InstantiationException, ValueError, TypeError) as error:
            cause = error.__cause__ if isinstance(error, InstantiationException) else error
            if isinstance(cause, FaceMaskError):
                raise cause from error
            if isinstance(cause, ValueError | TypeError):
                raise ConfigError(f"{self.target} does not accept its arguments: {first_line(cause)}.") from error
            raise


def network_name(model: Component) -> str:
    """Return the display name of a model: its ``name`` argument, or the class of its network."""
    net = model.get("net")
    target = str(net[TARGET]) if isinstance(net, Mapping) else model.target
    return str(model.get("name") or target.rpartition(".")[2])


def describe(factory: Callable[..., object] | None) -> dict[str, object] | None:
    """Return the configuration node that builds a factory.

    Args:
        factory: class, function, or ``functools.partial`` of one.

    Returns:
        The node, or None if the factory cannot be imported by a dotted path (a lambda or a local function).
    """
    if isinstance(factory, partial):
        node = describe(factory.func)
        return node and {**node, PARTIAL: True, **factory.keywords}
    name = getattr(factory, "__qualname__", "<")
    return None if factory is None or "<" in name else {TARGET: f"{factory.__module__}.{name}", PARTIAL: True}
