"""Configurations compared key by key: what makes two runs the same experiment, and what sets several apart."""

import hashlib
import inspect
import json
from collections.abc import Iterator, Mapping, Sequence

from facemask.config.schemas import TrainConfig
from facemask.config.typed import to_plain

ALL_FOLDS = "all"
SWEEP_ONLY_KEYS = {"sweep", "launcher", "race", "race_margin", "fail_fast"}  # they mean nothing to a single run
# Keys that may differ between two runs of the same experiment.
NOT_COMPARED = {"logger", "resume", "name", "data.num_workers", "data.store_dir"} | SWEEP_ONLY_KEYS
ABSENT = "(absent)"
Values = dict[str, object]  # every setting by its dotted key


def is_compared(key: str) -> bool:
    """Return whether the numbers of a run depend on a dotted key."""
    return {key, key.partition(".")[0]}.isdisjoint(NOT_COMPARED)


def flatten(node: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield every setting with its dotted key."""
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def flat_values(config: object) -> Values:
    """Return every setting of a typed configuration by its dotted key."""
    return dict(flatten(to_plain(config)))


def format_setting(key: str, value: object, digits: int = 12) -> str:
    """Return ``key=value`` as one would type it, a float with at most ``digits`` significant digits."""
    if isinstance(value, list):
        return f"{key}=[{','.join(map(str, value))}]"
    return f"{key}={value:.{digits}g}" if isinstance(value, float) else f"{key}={value}"


def differing_keys(one: TrainConfig, other: TrainConfig) -> dict[str, tuple[object, object]]:
    """Return the compared keys in which two configurations differ, with both values.

    A key that one of them does not have counts as its default: a key that was added to the schema, or to the signature
    of a target, does not turn earlier runs into other experiments.
    """
    first, second = (_compared(config) for config in (one, other))
    return {
        key: pair
        for key in sorted(first.keys() | second.keys())
        if _differ(*(pair := (_value(key, first), _value(key, second))))
    }


def identities(configs: Sequence[TrainConfig], without: tuple[str, ...] = ("fold",)) -> list[str]:
    """Return a string for each configuration; two are equal if the configurations agree in every compared key.

    Args:
        configs: the configurations.
        without: keys to leave out of the comparison.
    """
    flat = [_compared(config) for config in configs]
    keys = sorted(set().union(*flat) - set(without))
    rows = [[(key, _value(key, values)) for key in keys] for values in flat]
    return [hashlib.sha256(json.dumps(row, default=str).encode()).hexdigest()[:16] for row in rows]


def varied_keys(configs: Sequence[TrainConfig]) -> list[str]:
    """Return the compared keys in which configurations differ, without those that follow from a shorter key."""
    flat = [_compared(config) for config in configs]
    keys = sorted(set().union(*flat) - {"fold"}, key=lambda key: (key.count("."), key))
    varied, partitions = [], set()
    for key in keys:
        values = [_value(key, one) for one in flat]
        partition = _partition(values)
        if any(_differ(value, values[0]) for value in values) and ("." not in key or partition not in partitions):
            varied.append(key)
            partitions.add(partition)
    return varied


def label_keys(varied: Sequence[str], models: Sequence[str]) -> list[str]:
    """Return the varied keys to show in a label; ``model.*`` is dropped where several models are compared."""
    has_several = len(set(models)) > 1
    return [key for key in varied if not (has_several and key.startswith("model.")) and key != "name"]


def _compared(config: TrainConfig) -> Values:
    return {key: value for key, value in flat_values(config).items() if is_compared(key)}


def _value(key: str, values: Values) -> object:
    """Return a setting; where it is absent, its default."""
    return values[key] if key in values else _default(key, values)


def _default(key: str, values: Values) -> object:
    """Return the default in the signature of the target that takes a key; the schema's own keys are never absent."""
    group, _, name = key.rpartition(".")
    for where in (f"{group}._target_", f"{group}.net._target_"):
        target = values.get(where)
        if isinstance(target, str) and (default := _signature_default(target, name)) is not inspect.Parameter.empty:
            return list(default) if isinstance(default, tuple) else default
    return ABSENT


def _signature_default(target: str, name: str) -> object:
    from hydra.utils import get_object

    try:
        parameters = inspect.signature(get_object(target)).parameters
    except Exception:  # whatever importing somebody's module raises: then the two keys simply differ
        return inspect.Parameter.empty
    return parameters[name].default if name in parameters else inspect.Parameter.empty


def _differ(one: object, other: object) -> bool:
    """Return whether two values differ; 1 and 1.0 do: Lightning's ``limit_train_batches`` tells them apart."""
    return repr(one) != repr(other)


def _partition(values: Sequence[object]) -> str:
    """Return which of the values are equal, whatever they are: keys with the same partition say the same."""
    seen: dict[str, int] = {}
    return ",".join(str(seen.setdefault(repr(value), len(seen))) for value in values)
