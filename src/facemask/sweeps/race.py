"""Racing: prune configurations that are clearly behind the best complete one."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student_t

from facemask.config.keys import differing_keys
from facemask.config.resolvers import monitor_sign
from facemask.config.schemas import TrainConfig
from facemask.sweeps.configurations import Configuration, asked_folds, distinguishing_keys, gather, labels

SAME_FOLDS = ("monitor", "k", "seed", "split_seed")  # keys that must agree for scores to be comparable


@dataclass(frozen=True)
class Pruned:
    """Decision to prune a configuration.

    Attributes:
        score: mean score of its complete folds.
        reason: how far it is behind which configuration.
    """

    score: float
    reason: str


def judge(sweep: Path, config: TrainConfig) -> Pruned | None:
    """Compare the complete folds of a configuration with those of the best complete one of its sweep.

    Scores are paired by fold, so that differences in difficulty between folds cancel out. Scores are read from the run
    folders, which any process may have written.

    ``race_margin`` is calibrated for many folds. With few, the threshold is the Student-t quantile of the same tail
    probability: a margin of 2, with a false-pruning rate of 1/44, becomes 14 standard errors after two folds, 4.5 after
    three, 3.3 after four.

    Args:
        sweep: folder of the sweep.
        config: running configuration.

    Returns:
        The decision, or None to continue: there is nothing to compare with, or it is not clearly behind.
    """
    configurations = [c for c in gather(sweep) if c.config and _has_same_folds(c.config, config)]
    own = next((c for c in configurations if c.config and differing_keys(c.config, config).keys() <= {"fold"}), None)
    asked = asked_folds(configurations)
    if own is None or len(own.folds) < 2:  # one difference has no standard error
        return None
    rivals = [c for c in configurations if c is not own and c.folds.keys() == asked and _data(c) == _data(own)]
    if not rivals:
        return None
    sign = monitor_sign(config.monitor)
    best = max(rivals, key=lambda c: sign * c.mean)
    gap, error = paired_difference(best, own)
    errors = float(student_t.ppf(norm.cdf(config.race_margin), df=len(own.folds) - 1))
    if error == 0 or sign * gap <= errors * error:  # no spread, so no standard error
        return None
    label = labels(configurations, distinguishing_keys(configurations))[configurations.index(best)]
    return Pruned(
        own.mean,
        f"after {len(own.folds)} of {len(asked)} folds its mean {config.monitor} is {sign * gap:.4f} behind "
        f"that of {label} on the same folds, more than {errors:.1f} standard errors ({error:.4f} each): the "
        f"threshold of race_margin={config.race_margin:g} after {len(own.folds)} folds",
    )


def _has_same_folds(one: TrainConfig, other: TrainConfig) -> bool:
    return all(getattr(one, key) == getattr(other, key) for key in SAME_FOLDS)


def _data(configuration: Configuration) -> set[str]:
    return {fold.facts.fingerprint for fold in configuration.folds.values()}


def paired_difference(one: Configuration, other: Configuration) -> tuple[float, float]:
    """Return the mean difference of two configurations' scores over their common folds, and its standard error.

    The standard error is the sample standard deviation (ddof=1) divided by the root of the number of folds.
    """
    common = sorted(one.folds.keys() & other.folds.keys())
    differences = np.array([one.score(fold) - other.score(fold) for fold in common])
    return float(differences.mean()), float(differences.std(ddof=1) / math.sqrt(len(common)))
