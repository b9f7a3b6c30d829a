"""Bootstrap confidence intervals of metrics. Pure; every resample equals scikit-learn's metrics."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from scipy.stats import binomtest, norm
from scipy.stats import t as student_t

from facemask.metrics.classification import Floats, Labels, Probabilities, weighted_metrics
from facemask.seeding import BOOTSTRAP, derive_seed

N_BOOTSTRAPS = 1000
CHUNK_SIZE = 50  # resamples computed together; memory grows with CHUNK_SIZE times the number of samples


def bootstrap_metrics(
    labels: Labels,
    probabilities: Probabilities,
    class_names: Sequence[str],
    groups: Sequence[str],
    n_bootstraps: int = N_BOOTSTRAPS,
    seed: int = 0,
    positive: int = 1,
) -> dict[str, Floats]:
    """Return every metric, float64[n_bootstraps], of bootstrap resamples; NaN if undefined.

    Faces of one photo are not independent, so whole groups are drawn with replacement (cluster bootstrap, Davison &
    Hinkley 1997, section 3.8). The same groups and seed give the same resamples, so the metrics of two
    models on the same samples can be compared resample by resample.

    Args:
        labels: int64[N], true classes.
        probabilities: float[N, C].
        class_names: C names.
        groups: N group names; all different if groups are unknown.
        n_bootstraps: number of resamples.
        seed: seed of the resampling.
        positive: as in :func:`facemask.metrics.classification.classification_metrics`.
    """
    weights = bootstrap_weights(groups, n_bootstraps, seed)
    chunks = [weighted_metrics(labels, probabilities, class_names, w, positive, undefined=np.nan) for w in weights]
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


def bootstrap_weights(groups: Sequence[str], n_bootstraps: int, seed: int) -> Iterator[Floats]:
    """Yield sample weights (number of draws), float64[b, N], in chunks of in total ``n_bootstraps`` resamples."""
    members, group_of = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    rng = np.random.default_rng(derive_seed(BOOTSTRAP, seed))
    for start in range(0, n_bootstraps, CHUNK_SIZE):
        size = min(CHUNK_SIZE, n_bootstraps - start)
        drawn = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), size=size)
        yield drawn[:, group_of].astype(np.float64)


def percentile_intervals(resampled: Mapping[str, Floats], groups: int, level: float = 0.95) -> dict[str, list[float]]:
    """Return the expanded percentile interval of each metric, ignoring resamples in which it is undefined.

    Plain percentile intervals are too narrow if there are few groups. The expanded interval moves the percentiles
    outwards by the ratio of Student's t to the normal distribution (Hesterberg 2015, The American Statistician 69).

    Args:
        resampled: metrics of the resamples, from :func:`bootstrap_metrics`.
        groups: number of resampled groups; intervals of a single group are NaN.
        level: nominal coverage, in (0, 1).
    """
    tail = expanded_tail(groups, level)
    intervals = {}
    for name, values in resampled.items():
        defined = values[np.isfinite(values)]
        low, high = np.quantile(defined, [tail, 1 - tail]) if len(defined) and groups > 1 else (np.nan, np.nan)
        intervals[name] = [float(low), float(high)]
    return intervals


def metric_intervals(
    resampled: Mapping[str, Floats],
    metrics: Mapping[str, float],
    labels: Labels,
    predicted: Labels,
    class_names: Sequence[str],
    groups: Sequence[str],
) -> dict[str, list[float]]:
    """Return the 95 % confidence interval of every metric; its sample size is the number of contributing groups.

    Contributing groups are those that contain the class; for AUROC and AP the smaller number of positive and negative
    groups; for macro averages those of the rarest class. A metric of exactly 0 or 1 is the same in every resample, so
    it gets the exact interval of Clopper and Pearson (1934) with groups as trials. The interval is NaN for a single
    trial, and for a metric between 0 and 1 that is the same in every resample.

    Args:
        resampled: from :func:`bootstrap_metrics`.
        metrics: from :func:`facemask.metrics.classification.classification_metrics`.
        labels: int64[N], true classes.
        predicted: int64[N], predicted classes.
        class_names: C names.
        groups: N group names.
    """
    names = np.asarray(groups, dtype=str)
    concerned: dict[str, int] = dict.fromkeys(resampled, len(set(groups)))
    trials: dict[str, int] = {"accuracy": len(set(groups))}
    for c, label in enumerate(class_names):
        for kind, rows in (("precision", predicted == c), ("recall", labels == c), ("f1", labels == c)):
            concerned[f"{kind}_{label}"] = len(set(names[rows]))
            trials[f"{kind}_{label}"] = concerned[f"{kind}_{label}"]
        pairs = min(len(set(names[labels == c])), len(set(names[labels != c])))
        for kind in ("auroc", "average_precision"):
            concerned |= {f"{kind}_{label}": 1} if pairs < 2 else {}  # a single group is in all resamples
            trials[f"{kind}_{label}"] = pairs
    for kind, whole in (("f1", "f1"), ("f1", "weighted_f1"), ("auroc", "auroc"), ("auroc", "average_precision")):
        trials[whole] = min((trials[f"{kind}_{label}"] for c, label in enumerate(class_names) if (labels == c).any()))
    intervals: dict[str, list[float]] = {}
    for name, values in resampled.items():
        n = concerned[name]
        intervals |= percentile_intervals({name: values}, n)
        defined = values[np.isfinite(values)]
        if name in trials and n > 1 and len(defined) and (defined == defined[0]).all():
            is_exact = metrics[name] in (0.0, 1.0) and trials[name] > 1
            intervals[name] = exact_interval(metrics[name], trials[name]) if is_exact else [np.nan, np.nan]
    return intervals


def proportion_interval(proportion: float, resampled: Floats, groups: int) -> list[float]:
    """Return the 95 % interval of a proportion: from its resamples, or exact for exactly 0 or 1.

    Args:
        proportion: measured proportion, in [0, 1].
        resampled: float64[B], the proportion in each bootstrap resample.
        groups: number of independent groups of samples.

    Returns:
        Lower and upper bound, in [0, 1].
    """
    if proportion in (0.0, 1.0) and groups > 1:
        return exact_interval(proportion, groups)
    return percentile_intervals({"proportion": resampled}, groups)["proportion"]


def exact_interval(proportion: float, groups: int) -> list[float]:
    """Return the 95 % interval of a proportion of exactly 0 or 1 in ``groups`` trials (Clopper and Pearson 1934).

    Args:
        proportion: measured proportion, 0 or 1.
        groups: number of independent trials, at least 1.

    Returns:
        Lower and upper bound, in [0, 1].

    Example:
        >>> [round(bound, 3) for bound in exact_interval(1.0, 10)]
        [0.692, 1.0]
    """
    found = binomtest(round(proportion) * groups, groups).proportion_ci(0.95, method="exact")
    return [float(found.low), float(found.high)]


def expanded_tail(groups: int, level: float = 0.95) -> float:
    """Return the tail probability of an expanded percentile interval, for each side."""
    if groups < 2:
        return (1 - level) / 2
    quantile = student_t.ppf((1 - level) / 2, groups - 1) * np.sqrt(groups / (groups - 1))
    return float(norm.cdf(quantile))
