"""Bootstrap resamples of the metrics, and the intervals they give. Pure; equal to scikit-learn's, draw by draw."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from scipy.stats import binomtest, norm
from scipy.stats import t as student_t

from facemask.metrics.classification import Floats, Labels, Probabilities, by_name, weighted_metrics
from facemask.seeding import BOOTSTRAP, derive_seed

DRAWS = 1000
AT_ONCE = 50  # draws: bounds memory to this many times the samples


def metric_draws(
    labels: Labels,
    probabilities: Probabilities,
    class_names: Sequence[str],
    groups: Sequence[str],
    draws: int = DRAWS,
    seed: int = 0,
    positive: int = 1,
) -> dict[str, Floats]:
    """Return every metric, float64[draws], under a bootstrap over groups; NaN in draws that cannot give it.

    Faces of one photo resemble each other, so whole groups are drawn, with replacement (the cluster bootstrap,
    Davison & Hinkley 1997, section 3.8). The same groups and seed give the same draws, so that the metrics of two
    models on the same samples can be compared draw by draw.

    Args:
        labels: int64[N].
        probabilities: float[N, C].
        class_names: C names.
        groups: N group names; all different where nothing is known.
        draws: number of bootstrap samples.
        seed: seed of the draws.
        positive: as in :func:`facemask.metrics.classification.classification_metrics`.
    """
    weights = bootstrap_weights(groups, draws, seed)
    parts = [weighted_metrics(labels, probabilities, w, positive, undefined=np.nan) for w in weights]
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return by_name(whole, class_names)


def bootstrap_weights(groups: Sequence[str], draws: int, seed: int) -> Iterator[Floats]:
    """Yield how often each sample is drawn, float64[b, N], until there are as many draws as asked for."""
    members, group_of = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    rng = np.random.default_rng(derive_seed(BOOTSTRAP, seed))
    for start in range(0, draws, AT_ONCE):
        size = min(AT_ONCE, draws - start)
        drawn = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), size=size)
        yield drawn[:, group_of].astype(np.float64)


def percentile_intervals(draws: Mapping[str, Floats], groups: int, level: float = 0.95) -> dict[str, list[float]]:
    """Return the interval of each metric; draws in which it is not defined are left out.

    Plain percentiles are too narrow where groups are few. These are taken further out, by as much as Student's t
    exceeds the normal distribution (the expanded percentile interval; Hesterberg 2015, The American Statistician 69).

    Args:
        draws: of each metric, from :func:`metric_draws`.
        groups: how many there are to draw; one tells nothing of the spread, and gives NaN.
        level: how often the interval should hold the truth.
    """
    tail = expanded_tail(groups, level)
    intervals = {}
    for name, values in draws.items():
        defined = values[np.isfinite(values)]
        low, high = np.quantile(defined, [tail, 1 - tail]) if len(defined) and groups > 1 else (np.nan, np.nan)
        intervals[name] = [float(low), float(high)]
    return intervals


def metric_intervals(
    draws: Mapping[str, Floats],
    metrics: Mapping[str, float],
    labels: Labels,
    guesses: Labels,
    class_names: Sequence[str],
    groups: Sequence[str],
) -> dict[str, list[float]]:
    """Return the 95 % interval of every metric, each by the number of groups that have a say in it.

    Figures of exactly 0 or 1, of which no draw ever differs, get the interval of Clopper and Pearson (1934) with groups
    for trials, so that many faces of few photos do not pass for certainty: for a class as many as have a say in it,
    for areas under a curve, which compare pairs, as many as the smaller side has; for means over classes, the rarest's.
    Where that is one, or a figure between 0 and 1 is the same in every draw, there is no interval: NaN.

    Args:
        draws: of :func:`metric_draws`.
        metrics: of :func:`facemask.metrics.classification.classification_metrics`.
        labels: int64[N].
        guesses: int64[N], the predicted classes.
        class_names: C names.
        groups: N group names.
    """
    names = np.asarray(groups, dtype=str)
    concerned: dict[str, int] = dict.fromkeys(draws, len(set(groups)))
    trials: dict[str, int] = {"accuracy": len(set(groups))}
    for c, label in enumerate(class_names):
        for kind, rows in (("precision", guesses == c), ("recall", labels == c), ("f1", labels == c)):
            concerned[f"{kind}_{label}"] = len(set(names[rows]))
            trials[f"{kind}_{label}"] = concerned[f"{kind}_{label}"]
        pairs = min(len(set(names[labels == c])), len(set(names[labels != c])))
        for kind in ("auroc", "average_precision"):
            concerned |= {f"{kind}_{label}": 1} if pairs < 2 else {}  # one side never differs
            trials[f"{kind}_{label}"] = pairs
    for kind, whole in (("f1", "f1"), ("f1", "weighted_f1"), ("auroc", "auroc"), ("auroc", "average_precision")):
        trials[whole] = min((trials[f"{kind}_{label}"] for c, label in enumerate(class_names) if (labels == c).any()))
    intervals: dict[str, list[float]] = {}
    for name, values in draws.items():
        n = concerned[name]
        intervals |= percentile_intervals({name: values}, n)
        defined = values[np.isfinite(values)]
        if name in trials and n > 1 and len(defined) and (defined == defined[0]).all():
            is_exact = metrics[name] in (0.0, 1.0) and trials[name] > 1
            intervals[name] = exact_interval(metrics[name], trials[name]) if is_exact else [np.nan, np.nan]
    return intervals


def share_interval(share: float, draws: Floats, groups: int) -> list[float]:
    """Return the 95 % interval of a share by its draws; of exactly 0 or 1, of which no draw differs, the exact one."""
    if share in (0.0, 1.0) and groups > 1:
        return exact_interval(share, groups)
    return percentile_intervals({"share": draws}, groups)["share"]


def exact_interval(share: float, groups: int) -> list[float]:
    """Return the 95 % interval of Clopper and Pearson (1934) for a share of exactly 0 or 1, of so many groups."""
    found = binomtest(round(share) * groups, groups).proportion_ci(0.95, method="exact")
    return [float(found.low), float(found.high)]


def expanded_tail(groups: int, level: float = 0.95) -> float:
    """Return the share of the draws to leave out on each side."""
    if groups < 2:
        return (1 - level) / 2
    quantile = student_t.ppf((1 - level) / 2, groups - 1) * np.sqrt(groups / (groups - 1))
    return float(norm.cdf(quantile))
