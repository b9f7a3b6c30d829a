"""Racing: a configuration that is clearly behind the best complete one need not run its other folds."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facemask.config import Settings, monitor_mode
from facemask.runs.configurations import Configuration, asked_folds, gather, identity


@dataclass(frozen=True)
class Pruned:
    """That a configuration is out of the race: the mean of the folds it has run, and why it runs no more."""

    score: float
    reason: str


def judge(sweep: Path, settings: Settings) -> Pruned | None:
    """Compare what a configuration has so far with the best complete one of its sweep.

    Each of its folds is paired with the same fold of the other, so that what makes a fold hard for both does not
    count. All is read from the run folders, whichever process wrote them.

    Args:
        sweep: the folder of all the sweep's runs.
        settings: of the configuration; ``race_margin`` is the number of standard errors of the mean difference that it
            may be behind.

    Returns:
        None where it is to go on: nothing to compare with yet, or not clearly behind.
    """
    configurations = gather(sweep)
    own = next((c for c in configurations if c.settings and identity(c.settings) == identity(settings)), None)
    asked = asked_folds(configurations)
    rivals = [c for c in configurations if c is not own and set(c.folds) == asked]
    if own is None or len(own.folds) < 2 or not rivals:  # one difference has no standard error
        return None
    sign = -1 if monitor_mode(settings["monitor"]) == "min" else 1
    best = max(rivals, key=lambda c: sign * c.mean)
    gap, error = paired_difference(best, own)
    if sign * gap <= settings["race_margin"] * error:
        return None
    return Pruned(
        own.mean,
        f"after {len(own.folds)} of {len(asked)} folds its mean {settings['monitor']} is {sign * gap:.4f} behind "
        f"that of {best.label} on the same folds, more than race_margin={settings['race_margin']:g} standard errors "
        f"({error:.4f} each)",
    )


def paired_difference(one: Configuration, other: Configuration) -> tuple[float, float]:
    """Return the mean difference of two configurations' scores over their common folds, and its standard error.

    Zero for both where they are equal in every fold, and no error where every fold differs alike.
    """
    common = sorted(one.folds.keys() & other.folds.keys())
    differences = np.array([one.folds[fold]["score"] - other.folds[fold]["score"] for fold in common])
    return float(differences.mean()), float(differences.std(ddof=1) / math.sqrt(len(common)))
