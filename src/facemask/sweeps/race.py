"""Racing: a configuration that is clearly behind the best complete one need not run its other folds."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student_t

from facemask.config.compose import Settings
from facemask.config.resolvers import monitor_sign
from facemask.sweeps.configurations import Configuration, asked_folds, gather, identity, label


@dataclass(frozen=True)
class Pruned:
    """That a configuration is out of the race: the mean of the folds it has run, and why it runs no more."""

    score: float
    reason: str


def judge(sweep: Path, settings: Settings) -> Pruned | None:
    """Compare what a configuration has so far with the best complete one of its sweep.

    Each of its folds is paired with the same fold of the other, so that what makes a fold hard for both does not
    count. All is read from the run folders, whichever process wrote them.

    The standard error of two or three differences is itself a guess, and twice such a guess is soon exceeded by
    chance. So ``race_margin`` counts standard errors as of many folds, and with few as many are wanted as make it
    equally unlikely by Student's t: for a margin of 2, which chance exceeds once in 44 comparisons, 14 of them after
    two folds, 4.5 after three, 3.3 after four.

    Args:
        sweep: the folder of all the sweep's runs.
        settings: of the configuration.

    Returns:
        None where it is to go on: nothing to compare with yet, or not clearly behind.
    """
    configurations = [c for c in gather(sweep) if _alike(c.settings, settings)]
    own = next((c for c in configurations if identity(c.settings) == identity(settings)), None)
    asked = asked_folds(configurations)
    if own is None or len(own.folds) < 2:  # one difference has no standard error
        return None
    rivals = [c for c in configurations if c is not own and set(c.folds) == asked and _data(c) == _data(own)]
    if not rivals:
        return None
    sign = monitor_sign(settings["monitor"])
    best = max(rivals, key=lambda c: sign * c.mean)
    gap, error = paired_difference(best, own)
    errors = float(student_t.ppf(norm.cdf(settings["race_margin"]), df=len(own.folds) - 1))
    if error == 0 or sign * gap <= errors * error:  # folds that differ all alike tell nothing of the spread
        return None
    label(configurations)
    return Pruned(
        own.mean,
        f"after {len(own.folds)} of {len(asked)} folds its mean {settings['monitor']} is {sign * gap:.4f} behind "
        f"that of {best.label} on the same folds, more than {errors:.1f} standard errors ({error:.4f} each), which "
        f"race_margin={settings['race_margin']:g} comes to for so many folds",
    )


def _alike(settings: Settings, own: Settings) -> bool:
    """Return whether the folds of two configurations are the same images, and their scores of one kind."""
    return bool(settings) and all(settings[key] == own[key] for key in ("monitor", "k", "seed", "split_seed"))


def _data(configuration: Configuration) -> set[str]:
    return {fold["data"]["fingerprint"] for fold in configuration.folds.values()}


def paired_difference(one: Configuration, other: Configuration) -> tuple[float, float]:
    """Return the mean difference of two configurations' scores over their common folds, and its standard error.

    The error is that of the mean: the sample standard deviation (ddof=1) over the root of their number.
    """
    common = sorted(one.folds.keys() & other.folds.keys())
    differences = np.array([one.folds[fold]["score"] - other.folds[fold]["score"] for fold in common])
    return float(differences.mean()), float(differences.std(ddof=1) / math.sqrt(len(common)))
