"""Bootstrap resamples of the metrics, and the intervals they give. Pure; equal to scikit-learn's, draw by draw."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from scipy.stats import binomtest, norm
from scipy.stats import t as student_t

from facemask.metrics.classification import Floats, Labels, Probabilities, weighted_metrics
from facemask.seeding import BOOTSTRAP, derive_seed

N_BOOTSTRAPS = 1000
CHUNK_SIZE = 50  # resamples that are computed together; memory grows with it times the number of samples


def bootstrap_metrics(
    labels: Labels,
    probabilities: Probabilities,
    class_names: Sequence[str],
    groups: Sequence[str],
    n_bootstraps: int = N_BOOTSTRAPS,
    seed: int = 0,
    positive: int = 1,
) -> dict[str, Floats]:
    """Return every metric, float64[n_bootstraps], of bootstrap resamples of the groups; NaN where it is not defined.

    Faces of one photo resemble each other, so whole groups are drawn with replacement (the cluster bootstrap,
    Davison & Hinkley 1997, section 3.8). The same groups and seed give the same resamples, so the metrics of two
    models on the same samples can be compared resample by resample.

    Args:
        labels: int64[N].
        probabilities: float[N, C].
        class_names: C names.
        groups: N group names; all different where the groups are unknown.
        n_bootstraps: number of resamples.
        seed: of the resamples.
        positive: as in :func:`facemask.metrics.classification.classification_metrics`.
    """
    weights = bootstrap_weights(groups, n_bootstraps, seed)
    chunks = [weighted_metrics(labels, probabilities, class_names, w, positive, undefined=np.nan) for w in weights]
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


def bootstrap_weights(groups: Sequence[str], n_bootstraps: int, seed: int) -> Iterator[Floats]:
    """Yield how often each sample is drawn, float64[b, N], in chunks of resamples that sum up to ``n_bootstraps``."""
    members, group_of = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    rng = np.random.default_rng(derive_seed(BOOTSTRAP, seed))
    for start in range(0, n_bootstraps, CHUNK_SIZE):
        size = min(CHUNK_SIZE, n_bootstraps - start)
        drawn = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), size=size)
        yield drawn[:, group_of].astype(np.float64)


def percentile_intervals(resampled: Mapping[str, Floats], groups: int, level: float = 0.95) -> dict[str, list[float]]:
    """Return the expanded percentile interval of each metric, without the resamples in which it is not defined.

    Plain percentile intervals are too narrow if there are few groups. The expanded interval moves the percentiles
    outwards by the ratio of Student's t to the normal distribution (Hesterberg 2015, The American Statistician 69).

    Args:
        resampled: each metric of the resamples, from :func:`bootstrap_metrics`.
        groups: number of groups that were resampled; one group has no spread, and its intervals are NaN.
        level: nominal coverage.
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
    """Return the 95 % interval of every metric, with the number of groups that contribute to it as its sample size.

    A metric of exactly 0 or 1 is the same in every resample. It gets the interval of Clopper and Pearson (1934) with
    groups as trials, so that many faces of few photos do not pass for certainty. The trials are the groups that contain
    the class; for areas under a curve, the smaller of the numbers of positive and negative groups; for means over
    classes, those of the rarest class. With a single trial, or a metric between 0 and 1 that is the same in every
    resample, the interval is NaN.

    Args:
        resampled: from :func:`bootstrap_metrics`.
        metrics: from :func:`facemask.metrics.classification.classification_metrics`.
        labels: int64[N].
        predicted: int64[N], the predicted classes.
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
            concerned |= {f"{kind}_{label}": 1} if pairs < 2 else {}  # a single group is the same in all resamples
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


def share_interval(share: float, resampled: Floats, groups: int) -> list[float]:
    """Return the 95 % interval of a share: by its resamples, or the exact one of a share of exactly 0 or 1."""
    if share in (0.0, 1.0) and groups > 1:
        return exact_interval(share, groups)
    return percentile_intervals({"share": resampled}, groups)["share"]


def exact_interval(share: float, groups: int) -> list[float]:
    """Return the 95 % interval of Clopper and Pearson (1934) for a share of exactly 0 or 1 among ``groups`` trials."""
    found = binomtest(round(share) * groups, groups).proportion_ci(0.95, method="exact")
    return [float(found.low), float(found.high)]


def expanded_tail(groups: int, level: float = 0.95) -> float:
    """Return the share of the resamples outside an expanded percentile interval, on each side."""
    if groups < 2:
        return (1 - level) / 2
    quantile = student_t.ppf((1 - level) / 2, groups - 1) * np.sqrt(groups / (groups - 1))
    return float(norm.cdf(quantile))
