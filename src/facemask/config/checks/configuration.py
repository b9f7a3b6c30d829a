"""Conversion of a composed configuration to its schema, and the checks that several commands share."""

import math
from dataclasses import fields
from typing import Any, TypeVar

from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from facemask.config.keys import flatten
from facemask.config.schemas import Unsure
from facemask.config.trust import trust, trust_targets
from facemask.config.typed import from_plain
from facemask.errors import ConfigError, did_you_mean

T = TypeVar("T")
MIN_BOOTSTRAPS, MAX_BOOTSTRAPS = 100, 100_000  # resamples


def resolve_typed(config: DictConfig, schema: type[T], command: str) -> T:
    """Convert a composed configuration to an instance of its schema.

    Args:
        config: configuration composed by Hydra.
        schema: dataclass whose fields are the required and allowed keys.
        command: command name for error messages, such as ``train.py``.

    Raises:
        ConfigError: a key is unknown, or a value is missing.
    """
    known = {f.name for f in fields(schema)}  # type: ignore[arg-type]
    given = {str(key) for key in config}
    for key in sorted(given - known):
        raise ConfigError(f"{key} is not a key of {command}{did_you_mean(key, known)}")
    try:
        missing = sorted(known - given) or _missing_values(config)
        if missing:
            raise ConfigError(f"{missing[0]} has no value; give it one: {missing[0]}=…")
        values = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, ConfigError):
            cause = cause.__context__  # OmegaConf does not set __cause__ for a resolver's error
        raise cause or ConfigError(f"the configuration cannot be resolved: {str(error).splitlines()[0]}") from error
    assert isinstance(values, dict)
    trust_targets(values)
    named = values.get("trust") or []
    trust(*([named] if isinstance(named, str) else named))
    return from_plain(schema, {str(key): value for key, value in values.items()})


def _missing_values(config: DictConfig) -> list[str]:
    """Return the dotted keys whose value is missing; interpolations of missing keys are not listed."""
    values = OmegaConf.to_container(config, resolve=False)
    assert isinstance(values, dict)
    return sorted(key for key, value in flatten({str(k): v for k, v in values.items()}) if value == MISSING)


def check_n_bootstraps(n_bootstraps: int) -> None:
    """Check the number of bootstrap resamples.

    Raises:
        ConfigError: there are too few for a 95 % interval, or so many that the command would not end.
    """
    if not MIN_BOOTSTRAPS <= n_bootstraps <= MAX_BOOTSTRAPS:
        raise ConfigError(
            f"n_bootstraps must be at least {MIN_BOOTSTRAPS} and at most {MAX_BOOTSTRAPS:,}, got {n_bootstraps}."
        )


def check_seeds(config: object) -> None:
    """Check the range of ``seed`` and ``split_seed`` of a typed configuration that has them.

    Raises:
        ConfigError: a seed is out of range.
    """
    for key in {"seed", "split_seed"} & vars(config).keys():
        if not 0 <= (value := vars(config)[key]) < 2**32:
            raise ConfigError(f"{key} must be at least 0 and less than 2**32, got {value}.")


def check_margin(margin: Any) -> None:
    """Check ``crop.margin``: one finite, non-negative fraction of the box, or four.

    Raises:
        ConfigError: the margin has another form or range.
    """
    sides = margin if isinstance(margin, list) else [margin] * 4
    if len(sides) != 4 or not all(_is_fraction(side) for side in sides):
        raise ConfigError(
            "crop.margin must be a fraction of the box added on every side, such as 0.15, or four fractions (left, "
            f"top, right, bottom), such as 'crop.margin=[0.1,0.3,0.1,0.1]', got {margin}."
        )


def check_unsure(unsure: Unsure) -> None:
    """Check the range of ``unsure.min_side`` and ``unsure.min_probability``.

    Raises:
        ConfigError: a value is out of range.
    """
    if unsure.min_side is not None and unsure.min_side < 0:
        raise ConfigError(f"unsure.min_side must be at least 0 pixels, got {unsure.min_side}.")
    if not 0 <= unsure.min_probability <= 1:
        raise ConfigError(f"unsure.min_probability must be between 0 and 1, got {unsure.min_probability}.")


def _is_fraction(side: Any) -> bool:
    return isinstance(side, int | float) and not isinstance(side, bool) and math.isfinite(side) and side >= 0
