"""Racing: prune configurations that are clearly behind the best one.

All configurations are compared on the same folds, as in F-race (Birattari et al., 2002), but by Tukey's range test.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.stats import norm, studentized_range

from facemask.config.keys import differing_keys
from facemask.config.resolvers import monitor_sign
from facemask.config.schemas import TrainConfig
from facemask.errors import RunError
from facemask.metrics.bootstrap import bootstrap_metrics
from facemask.models.predict import truth_and_probabilities
from facemask.runs.run_folder import read_predictions
from facemask.sweeps.configurations import Configuration, asked_folds, distinguishing_keys, gather, labels

SAME_FOLDS = ("monitor", "k", "seed", "split_seed")  # keys that must agree for scores to be comparable
RESAMPLES = 500
ROUNDING = 1e-9  # smaller errors are those of float64


@dataclass(frozen=True)
class Pruned:
    """Decision to prune a configuration.

    Attributes:
        score: score that it was judged by.
        reason: what it was compared with.
    """

    score: float
    reason: str


@dataclass(frozen=True)
class Gap:
    """Distance of a configuration from the best one.

    Attributes:
        size: difference of their mean scores.
        error: standard error of the difference.
        probability: probability that the range of the means of equal configurations is at least as many errors.
    """

    size: float
    error: float
    probability: float


def judge(sweep: Path, config: TrainConfig) -> Pruned | None:
    """Compare the complete folds of a configuration with the same folds of the others of its sweep.

    Scores are read from the run folders, which any process may have written. The configuration is pruned if its gap to
    the best one has a probability below ``2 * norm.sf(race_margin) / (k - 1)`` among equal configurations: the
    two-sided normal probability, divided by the number of looks.

    Args:
        sweep: folder of the sweep.
        config: running configuration.

    Returns:
        The decision, or None to continue: there is nothing to compare with, or it is not clearly behind.
    """
    configurations = [c for c in gather(sweep) if c.config and has_same_folds(c.config, config)]
    own = next((c for c in configurations if c.config and differing_keys(c.config, config).keys() <= {"fold"}), None)
    if own is None or not own.folds:
        return None
    folds = sorted(own.folds)
    rivals = [c for c in configurations if c is own or (not c.is_pruned and _has_folds(c, own))]
    scores = monitor_sign(config.monitor) * np.array([[c.score(fold) for fold in folds] for c in rivals])
    best = rivals[int(scores.mean(axis=1).argmax())]
    gap = gap_to_best(scores, rivals.index(own), lambda: _sampling_error(best, own, config.monitor))
    asked = asked_folds(configurations)
    limit = 2 * float(norm.sf(config.race_margin)) / max(len(asked) - 1, 1)
    if gap is None or gap.probability >= limit:
        return None
    label = labels(configurations, distinguishing_keys(configurations))[configurations.index(best)]
    return Pruned(
        own.mean,
        f"after {len(folds)} of {len(asked)} folds its mean {config.monitor} is {gap.size:.4f} behind that of {label}, "
        f"{gap.size / gap.error:.1f} standard errors ({gap.error:.4f} each). Among {len(rivals)} equal configurations "
        f"this has p = {gap.probability:.2g}, below {limit:.2g}, the limit of race_margin={config.race_margin:g}",
    )


def gap_to_best(
    scores: npt.NDArray[np.float64],
    row: int,
    error_of_one_fold: Callable[[], tuple[float, float]] = lambda: (0.0, math.inf),
) -> Gap | None:
    """Return the gap between a configuration and the best one; None if it is the best or no error is known.

    The error is that of Tukey's range test in a table of configurations and folds: differences in difficulty between
    folds cancel out, and all configurations tell how much scores scatter. If the two compared ones scatter more, their
    own error counts.

    Args:
        scores: float[C, F], scores of C configurations on F folds; higher is better.
        row: the configuration.
        error_of_one_fold: returns the standard error of the difference and its degrees of freedom for F = 1.
    """
    n, folds = scores.shape
    means = scores.mean(axis=1)
    best = int(means.argmax())
    size, freedom, error = float(means[best] - means[row]), math.inf, 0.0
    if not size > 0:
        return None
    if folds == 1:
        error, freedom = error_of_one_fold()
    else:
        residuals = scores - means[:, None] - scores.mean(axis=0) + scores.mean()
        freedom = (n - 1) * (folds - 1)
        pooled = math.sqrt(2 * float((residuals**2).sum()) / freedom / folds)
        error = max(pooled, float((scores[best] - scores[row]).std(ddof=1)) / math.sqrt(folds))
    if not error > ROUNDING:  # no scatter, so no standard error
        return None
    return Gap(size, error, float(studentized_range.sf(math.sqrt(2) * size / error, n, freedom)))


def has_same_folds(one: TrainConfig, other: TrainConfig) -> bool:
    """Return whether the scores of two configurations can be compared fold by fold."""
    return all(getattr(one, key) == getattr(other, key) for key in SAME_FOLDS)


def _has_folds(configuration: Configuration, own: Configuration) -> bool:
    """Return whether a configuration has all folds of another, of the same images."""
    pairs = [(configuration.folds.get(number), fold) for number, fold in own.folds.items()]
    return all(other is not None and other.facts.has_same_images(fold.facts) for other, fold in pairs)


def _sampling_error(one: Configuration, other: Configuration, monitor: str) -> tuple[float, float]:
    """Return the standard error of the difference on the only fold, and its degrees of freedom.

    One fold shows how much a score depends on its images (paired bootstrap over groups), but not how much it depends on
    the training images and the seed. The second is assumed to be as large as the first. The error is 0 if it cannot be
    computed.
    """
    fold, name, resampled, freedom = next(iter(other.folds)), monitor.removeprefix("val/"), [], math.inf
    for configuration in (one, other):
        folder, result = configuration.folders[fold], configuration.folds[fold]
        if name not in result.metrics.get("val", {}):
            return 0.0, math.inf
        try:
            table = read_predictions(folder)
        except RunError:  # missing or damaged
            return 0.0, math.inf
        classes, groups = result.facts.classes, table["group"].tolist()
        truth, probabilities = truth_and_probabilities(table, classes)
        resampled.append(bootstrap_metrics(truth, probabilities, classes, groups, RESAMPLES)[name])
        freedom = len(set(groups)) - 1
    return math.sqrt(2) * float(np.nanstd(resampled[0] - resampled[1])), freedom


def paired_difference(one: Configuration, other: Configuration) -> tuple[float, float]:
    """Return the mean difference of two configurations' scores over their common folds, and its standard error.

    The standard error is the sample standard deviation (ddof=1) divided by the root of the number of folds.
    """
    common = sorted(one.folds.keys() & other.folds.keys())
    differences = np.array([one.score(fold) - other.score(fold) for fold in common])
    return float(differences.mean()), float(differences.std(ddof=1) / math.sqrt(len(common)))
