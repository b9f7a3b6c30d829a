"""Comparison of configurations key by key, to decide whether runs belong to the same experiment."""

import hashlib
import inspect
import json
from collections.abc import Iterator, Mapping, Sequence

from facemask.config.schemas import TrainConfig
from facemask.config.typed import to_plain

ALL_FOLDS = "all"
EXPERIMENT = "experiment"  # config group whose files set keys of all other groups
# Not part of a run's identity, nor of the command that repeats it.
SWEEP_ONLY_KEYS = {"sweep", "launcher", "race", "race_margin", "race_folds", "halving", "fail_fast"}
# Keys that do not change the results; runs of the same experiment may differ in them.
NOT_COMPARED = {
    "logger",
    "resume",
    "trust",
    "private",
    "name",
    "data.name",
    "data.num_workers",
    "data.store_dir",
    "trainer.enable_progress_bar",
} | SWEEP_ONLY_KEYS
ABSENT = "(absent)"
Values = dict[str, object]  # settings by dotted key


def is_compared(key: str) -> bool:
    """Return whether the results of a run can depend on a dotted key."""
    return {key, key.partition(".")[0]}.isdisjoint(NOT_COMPARED)


def flatten(node: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield the dotted key and the value of every setting."""
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def flat_values(config: object) -> Values:
    """Return all settings of a typed configuration by dotted key."""
    return dict(flatten(to_plain(config)))


def format_setting(key: str, value: object, digits: int = 12) -> str:
    """Return ``key=value`` as typed on the command line.

    Args:
        key: dotted key.
        value: value of the setting.
        digits: maximum number of significant digits of a float.
    """
    if isinstance(value, list):
        return f"{key}=[{','.join(map(str, value))}]"
    return f"{key}={value:.{digits}g}" if isinstance(value, float) else f"{key}={value}"


def differing_keys(one: TrainConfig, other: TrainConfig) -> dict[str, tuple[object, object]]:
    """Return the keys whose values differ between two configurations.

    A missing key counts as its default, so that a key added later to the schema, or to the signature of a target, does
    not separate older runs from new runs of the same experiment. Keys in ``NOT_COMPARED`` are skipped.

    Args:
        one: configuration.
        other: configuration to compare with.

    Returns:
        The pair of values for each differing key, sorted by key.
    """
    first, second = (_compared(config) for config in (one, other))
    return {
        key: pair
        for key in sorted(first.keys() | second.keys())
        if _differ(*(pair := (_value(key, first), _value(key, second))))
    }


def identities(configs: Sequence[TrainConfig], without: tuple[str, ...] = ("fold",)) -> list[str]:
    """Return a hash of each configuration; equal hashes mean that no compared key differs.

    The hashes depend on the set of ``configs`` and are only comparable within one call.

    Args:
        configs: configurations.
        without: keys to exclude from the comparison.

    Returns:
        One hexadecimal string of 16 digits per configuration.
    """
    flat = [_compared(config) for config in configs]
    keys = sorted(set().union(*flat) - set(without))
    rows = [[(key, _value(key, values)) for key in keys] for values in flat]
    return [hashlib.sha256(json.dumps(row, default=str).encode()).hexdigest()[:16] for row in rows]


def varied_keys(configs: Sequence[TrainConfig | None], choices: Sequence[Mapping[str, str]] = ()) -> list[str]:
    """Return the keys that vary among configurations, without keys that only follow another varied key.

    A dotted key follows a shorter key if both split the configurations into the same groups, as ``optim.lr`` follows
    ``lr``. The keys of a config group follow its choice: ``augment`` takes the place of ``augment.steps.flip.p``.

    Args:
        configs: configurations; None if it is not known, which is ignored.
        choices: typed choices of the config groups of each configuration; empty to show the keys of the groups.
    """
    flat = [_compared(config) for config in configs if config]
    choices = [choice for config, choice in zip(configs, choices, strict=False) if config]
    keys = sorted(set().union(*flat) - {"fold"}, key=lambda key: (key.count("."), key))
    varied, partitions = [], set()
    for key in keys:
        values = [_value(key, one) for one in flat]
        partition = _partition(values)
        if any(_differ(value, values[0]) for value in values) and ("." not in key or partition not in partitions):
            varied.append(key)
            partitions.add(partition)
    for group in sorted(set().union(*choices)):
        chosen = [choice.get(group) for choice in choices]
        if None in chosen or len(set(chosen)) < 2:
            continue
        followers = [
            key
            for key in varied
            if (group == EXPERIMENT or key.partition(".")[0] == group)
            and _follows([_value(key, one) for one in flat], chosen)
        ]
        if followers:
            varied = [group, *(key for key in varied if key not in followers)]
    return varied


def labels(
    configs: Sequence[TrainConfig | None],
    models: Sequence[str],
    varied: Sequence[str],
    choices: Sequence[Mapping[str, str]],
) -> list[str]:
    """Return a label for each configuration: its model and its values of the varied keys.

    The model is named by its typed choice if that varies, else by its network. ``model.*`` is left out if several
    networks are compared.

    Args:
        configs: configurations; None if it is not known.
        models: names of the networks.
        varied: keys that vary, from :func:`varied_keys`.
        choices: typed choices of the config groups of each configuration.
    """
    has_several_models = len({model for model in models if model}) > 1 or "model" in varied
    shown = [key for key in varied if not (has_several_models and key.partition(".")[0] == "model")]
    found = []
    for config, model, chosen in zip(configs, models, choices, strict=True):
        values = flat_values(config) | dict(chosen) if config else {}
        name = chosen.get("model", model) if "model" in varied else model
        words = [name, *(format_setting(key, values[key], digits=4) for key in shown if key in values)]
        found.append(" ".join(words).strip())
    return found


def _compared(config: TrainConfig) -> Values:
    return {key: value for key, value in flat_values(config).items() if is_compared(key)}


def _value(key: str, values: Values) -> object:
    """Return the value of a key, or its default if the key is missing."""
    return values[key] if key in values else _default(key, values)


def _default(key: str, values: Values) -> object:
    """Return the default of a missing key from the signature of the target; keys of the schema are never missing."""
    group, _, name = key.rpartition(".")
    for where in (f"{group}._target_", f"{group}.net._target_"):
        target = values.get(where)
        if isinstance(target, str) and (default := _signature_default(target, name)) is not inspect.Parameter.empty:
            return list(default) if isinstance(default, tuple) else default
    return ABSENT


def _signature_default(target: str, name: str) -> object:
    from hydra.utils import get_object

    from facemask.config.trust import is_trusted

    if not is_trusted(target):  # the name may be from somebody else's run folder
        return inspect.Parameter.empty
    try:
        parameters = inspect.signature(get_object(target)).parameters
    except Exception:  # importing a user's module can raise anything; without a default the values differ
        return inspect.Parameter.empty
    return parameters[name].default if name in parameters else inspect.Parameter.empty


def _differ(one: object, other: object) -> bool:
    """Return whether two values differ; 1 and 1.0 do, because ``limit_train_batches`` distinguishes them."""
    return repr(one) != repr(other)


def _follows(values: Sequence[object], choices: Sequence[str | None]) -> bool:
    """Return whether configurations with the same choice have the same value."""
    return len({(choice, repr(value)) for choice, value in zip(choices, values, strict=True)}) == len(set(choices))


def _partition(values: Sequence[object]) -> str:
    """Return how the values split the configurations into groups of equal values."""
    seen: dict[str, int] = {}
    return ",".join(str(seen.setdefault(repr(value), len(seen))) for value in values)
