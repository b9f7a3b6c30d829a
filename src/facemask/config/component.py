"""A part of a run that the configuration chooses: the ``_target_`` of a node, with its arguments."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from facemask.errors import ConfigError, FaceMaskError, first_line

TARGET, PARTIAL = "_target_", "_partial_"


@dataclass(frozen=True)
class Component:
    """What a node of the configuration asks to be built.

    Attributes:
        target: dotted path of a class or function.
        arguments: its keyword arguments as plain types; a nested ``_target_`` is built first.
        is_partial: whether to build a callable that waits for further arguments.
    """

    target: str
    arguments: Mapping[str, object] = field(default_factory=dict)
    is_partial: bool = False

    @classmethod
    def from_plain(cls, node: Mapping[str, object]) -> "Component":
        """Read a node of a configuration."""
        arguments = {key: value for key, value in node.items() if key not in (TARGET, PARTIAL)}
        return cls(str(node[TARGET]), arguments, bool(node.get(PARTIAL, False)))

    def to_plain(self) -> dict[str, object]:
        """Return the node that :meth:`from_plain` reads."""
        return {TARGET: self.target, **({PARTIAL: True} if self.is_partial else {}), **self.arguments}

    @property
    def class_name(self) -> str:
        """The last part of the target."""
        return self.target.rpartition(".")[2]

    def get(self, name: str, default: object = None) -> Any:
        """Return an argument, or the default where it is not given."""
        return self.arguments.get(name, default)

    def with_arguments(self, **arguments: object) -> "Component":
        """Return a copy with some arguments replaced or added."""
        return Component(self.target, {**self.arguments, **arguments}, self.is_partial)

    def without(self, *names: str) -> "Component":
        """Return a copy that lacks some arguments."""
        kept = {name: value for name, value in self.arguments.items() if name not in names}
        return Component(self.target, kept, self.is_partial)

    def build(self, **facts: object) -> Any:
        """Instantiate the target and every ``_target_`` among its arguments.

        Args:
            facts: further arguments, known only at run time; they are passed on as they are.

        Raises:
            ConfigError: a constructor does not accept its arguments.
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
                raise ConfigError(f"{self.target} does not accept its settings: {first_line(cause)}.") from error
            raise


def network_name(model: Component) -> str:
    """Return what tables call a model: the ``name`` of its architecture, or its class."""
    net = model.get("net")
    target = str(net[TARGET]) if isinstance(net, Mapping) else model.target
    return str(model.get("name") or target.rpartition(".")[2])


def describe(factory: Callable[..., object] | None) -> dict[str, object] | None:
    """Return the node that builds a class, a function or a ``functools.partial`` of one; None where none can."""
    if isinstance(factory, partial):
        node = describe(factory.func)
        return node and {**node, PARTIAL: True, **factory.keywords}
    name = getattr(factory, "__qualname__", "<")
    return None if factory is None or "<" in name else {TARGET: f"{factory.__module__}.{name}", PARTIAL: True}
