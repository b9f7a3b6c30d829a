"""A configuration as plain types, and what the commands check alike."""

import math
from dataclasses import fields
from typing import Any, TypeVar

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from facemask.config.typed import from_plain
from facemask.errors import ConfigError, did_you_mean

T = TypeVar("T")


def resolve_typed(config: DictConfig, schema: type[T], command: str) -> T:
    """Return a composed configuration as an instance of its schema.

    Args:
        config: as composed.
        schema: the keys it may have, and must.
        command: whose keys these are.

    Raises:
        ConfigError: a key is unknown, or a value is missing.
    """
    known = {f.name for f in fields(schema)}  # type: ignore[arg-type]
    given = {str(key) for key in config}
    for key in sorted(given - known):
        raise ConfigError(f"{key} is no key of {command}{did_you_mean(key, known)}")
    try:
        missing = sorted(known - given) or sorted(OmegaConf.missing_keys(config))
        if missing:
            raise ConfigError(f"{missing[0]} has no value; give it one: {missing[0]}=…")
        values = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError(f"the configuration cannot be resolved: {str(error).splitlines()[0]}") from error
    assert isinstance(values, dict)
    return from_plain(schema, {str(key): value for key, value in values.items()})


def check_seeds(config: object) -> None:
    """Check ``seed`` and ``split_seed`` of a typed configuration, where a command has them.

    Raises:
        ConfigError: one is out of range.
    """
    for key in {"seed", "split_seed"} & vars(config).keys():
        if not 0 <= (value := vars(config)[key]) < 2**32:
            raise ConfigError(f"{key}={value} is not a seed; it must be 0 or more, and below 2**32.")


def check_margin(margin: Any) -> None:
    """Check ``crop.margin``.

    Raises:
        ConfigError: it is neither one share nor four.
    """
    sides = margin if isinstance(margin, list) else [margin] * 4
    if len(sides) != 4 or not all(_is_share(side) for side in sides):
        raise ConfigError(
            f"crop.margin={margin} is not a margin; give a share of the box that is added on every side, such as 0.15, "
            "or four, for the left, the top, the right and the bottom: 'crop.margin=[0.1,0.3,0.1,0.1]'."
        )


def _is_share(side: Any) -> bool:
    return isinstance(side, int | float) and not isinstance(side, bool) and math.isfinite(side) and side >= 0
