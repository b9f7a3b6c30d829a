"""Which classes a run folder or checkpoint may name.

Importing a module runs its code, so a file from somebody else may only name classes of facemask and the libraries that
its configuration uses, and of packages that the user has named.
"""

import inspect
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pkgutil import resolve_name

from facemask.config.component import TARGET
from facemask.config.compose import CONF, RUN_GROUPS
from facemask.errors import RunError

# Packages whose classes of one kind may be named, because their constructors only build objects in memory.
FAMILIES = (
    ("facemask.models", "torch.nn.Module"),
    ("torch.nn", "torch.nn.Module"),
    ("torchvision.models", "torch.nn.Module"),
    ("timm.models", "torch.nn.Module"),
    ("torch.optim", "torch.optim.Optimizer"),
    ("torch.optim.lr_scheduler", "torch.optim.lr_scheduler.LRScheduler"),
    ("albumentations", "albumentations.BasicTransform"),
)
INTERPOLATION = "${"
_packages: set[str] = set()  # named in calls of trust
_targets: set[str] = set()  # named in the user's own configuration


def trust(*packages: str) -> None:
    """Allow run folders and checkpoints to name classes of these packages, for the rest of this process.

    What a user's own configuration names, such as ``model=my_models.Net``, is allowed without this call.

    Args:
        packages: top-level names, such as ``my_models``.

    Example:
        >>> import facemask
        >>> facemask.trust("my_models")
    """
    _packages.update(name.partition(".")[0] for name in packages)


def trust_targets(node: object) -> None:
    """Allow the classes and functions that a user's own configuration names."""
    _targets.update(value for key, value in _strings(node) if key == TARGET)


def check_trusted(node: object, origin: object) -> None:
    """Check everything that a configuration node from a file would import.

    Args:
        node: node as plain types.
        origin: file or folder of the node, for errors.

    Raises:
        RunError: a class is not trusted, or a string refers to another value, which could be a secret.
    """
    check_plain(node, origin)
    for key, value in _strings(node):
        if key == TARGET and not is_trusted(value):
            raise RunError(
                f"{origin} names {value}, which is not part of facemask, and importing it runs its code; if you trust "
                f"it, add trust={value.partition('.')[0]}"
            )


def check_plain(node: object, origin: object) -> None:
    """Check that no string of a node from a file refers to another value, such as an environment variable.

    Raises:
        RunError: a string does.
    """
    for key, value in _strings(node):
        if INTERPOLATION in value:
            raise RunError(f"{origin} contains the reference {key}: {value[:80]!r}; replace it by its value.")


def is_trusted(name: str) -> bool:
    """Return whether a file may name this class or function. Imports only packages that are trusted."""
    if name in _own_targets() or name in _targets:
        return True
    package = name.partition(".")[0]
    found = _find(name) if package in _packages or any(name.startswith(f"{where}.") for where, _ in FAMILIES) else None
    home = f"{getattr(found, '__module__', '')}."  # not that of a module which the package imports
    if package in _packages and home.startswith(f"{package}."):
        return True
    return any(
        inspect.isclass(found) and home.startswith(f"{where}.") and issubclass(found, resolve_name(base))
        for where, base in FAMILIES
    )


def _find(name: str) -> object:
    try:
        return resolve_name(name)
    except Exception:  # importing a module can raise anything
        return None


@cache
def _own_targets() -> frozenset[str]:
    """Return the classes and functions that this package's configuration of training names."""
    files = [file for group in RUN_GROUPS for file in sorted((CONF / group).glob("*.yaml"))]
    texts = (re.sub("#.*", "", file.read_text(encoding="utf-8")) for file in files)
    return frozenset(name for text in texts for name in re.findall(rf"{TARGET}: *([\w.]+)", text))


def _strings(node: object, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield every string of a node with the key that it belongs to; keys are strings, too."""
    if isinstance(node, str):
        yield key, node
    elif isinstance(node, Mapping):
        for name, value in node.items():
            if INTERPOLATION in str(name):
                yield key, str(name)
            yield from _strings(value, str(name))
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _strings(value, key)
