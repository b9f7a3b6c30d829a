"""Racing: a configuration that is clearly behind the best complete one skips its other folds."""

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

SAME_FOLDS = ("monitor", "k", "seed", "split_seed")  # keys that make folds the same images, and scores one metric


@dataclass(frozen=True)
class Pruned:
    """The decision that a configuration is out of the race.

    Attributes:
        score: mean of the folds that it has run.
        reason: how far it is behind, and behind which configuration.
    """

    score: float
    reason: str


def judge(sweep: Path, config: TrainConfig) -> Pruned | None:
    """Compare the complete folds of a configuration with those of the best complete one of its sweep.

    Scores are paired fold by fold, so that the difficulty of a fold, which both share, cancels out. All scores are read
    from the run folders, whichever process wrote them.

    ``race_margin`` is calibrated for many folds. The standard error of two or three differences is itself a rough
    estimate, so with few folds the threshold is the Student-t quantile of the same tail probability: for a margin of 2,
    which chance exceeds in 1 of 44 comparisons, 14 standard errors after two folds, 4.5 after three, 3.3 after four.

    Args:
        sweep: the folder of the sweep.
        config: the configuration that is running.

    Returns:
        None where it should continue: there is nothing to compare with yet, or it is not clearly behind.
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
    if error == 0 or sign * gap <= errors * error:  # equal differences say nothing about their spread
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
