"""Metrics of a table of predictions, with bootstrap intervals. Pure; equal to scikit-learn's, draw by draw."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest, norm
from scipy.stats import t as student_t

from facemask.seeding import BOOTSTRAP, derive_seed

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.floating]
DRAWS = 1000
AT_ONCE = 50  # draws: bounds memory to this many times the samples
PER_CLASS = ("precision", "recall", "f1", "auroc", "average_precision")


def classification_metrics(
    labels: Labels, probabilities: Probabilities, class_names: Sequence[str], positive: int = 1
) -> dict[str, float]:
    """Return every metric of a sample.

    Args:
        labels: int64[N], the truth.
        probabilities: float[N, C].
        class_names: C names.
        positive: of two classes, the one whose ``auroc`` and ``average_precision`` are meant.

    Returns:
        ``loss``, the mean negative log-likelihood; ``accuracy``; ``f1`` and ``weighted_f1``, the means over classes,
        each alike or by its share; ``auroc`` and ``average_precision``, of the positive class where there are two, else
        the mean over classes of one against the rest; and ``precision_CLASS``, ``recall_CLASS``, ``f1_CLASS``,
        ``auroc_CLASS``, ``average_precision_CLASS``. A metric that the sample cannot give (a class without images) is
        NaN.
    """
    scores = _weighted_metrics(labels, probabilities, np.ones((1, len(labels))), positive)
    return {name: float(values[0]) for name, values in _by_name(scores, class_names).items()}


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
        positive: as in :func:`classification_metrics`.
    """
    weights = bootstrap_weights(groups, draws, seed)
    parts = [_weighted_metrics(labels, probabilities, w, positive, undefined=np.nan) for w in weights]
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return _by_name(whole, class_names)


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
        metrics: of :func:`classification_metrics`.
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


def _by_name(scores: Mapping[str, Floats], class_names: Sequence[str]) -> dict[str, Floats]:
    """Give each class's column of the per-class metrics a name of its own."""
    named = {name: values for name, values in scores.items() if values.ndim == 1}
    for kind in PER_CLASS:
        values = scores[f"{kind} of classes"]
        named |= {f"{kind}_{label}": values[:, c] for c, label in enumerate(class_names)}
    return named


def _weighted_metrics(
    labels: Labels, probabilities: Probabilities, weights: Floats, positive: int, undefined: float = 0.0
) -> dict[str, Floats]:
    """Return each metric under each row of sample weights, [B, N]: [B], or [B, C] for the per-class ones.

    Recall and F1 of a class that a row has no image of, and precision of one that it never calls, are ``undefined``;
    of a class that is missing altogether, 0, as scikit-learn has it.
    """
    classes = np.arange(probabilities.shape[1])
    truth = (labels[:, None] == classes).astype(np.float64)  # [N, C]
    guess = (probabilities.argmax(axis=1)[:, None] == classes).astype(np.float64)
    total, hits = weights.sum(axis=1), weights @ (truth * guess)
    true, guessed = weights @ truth, weights @ guess
    tiny = np.finfo(np.float64).eps
    likelihood = probabilities[np.arange(len(labels)), labels].astype(np.float64).clip(tiny, 1 - tiny)
    is_missing, is_uncalled = truth.sum(axis=0) == 0, guess.sum(axis=0) == 0
    f1 = np.where((true > 0) | is_missing, ratio(2 * hits, true + guessed), undefined)
    with np.errstate(invalid="ignore", divide="ignore"):
        curves = [_areas(truth[:, c], probabilities[:, c], weights) for c in classes]
        auroc, precision = (np.stack(areas, axis=1) for areas in zip(*curves, strict=True))
    is_binary = len(classes) == 2
    return {
        "loss": weights @ -np.log(likelihood) / total,
        "accuracy": hits.sum(axis=1) / total,
        "f1": f1.mean(axis=1),
        "weighted_f1": np.nansum(f1 * true, axis=1) / total,
        "auroc": auroc[:, positive] if is_binary else auroc.mean(axis=1),
        "average_precision": precision[:, positive] if is_binary else precision.mean(axis=1),
        "precision of classes": np.where((guessed > 0) | is_uncalled, ratio(hits, guessed), undefined),
        "recall of classes": np.where((true > 0) | is_missing, ratio(hits, true), undefined),
        "f1 of classes": f1,
        "auroc of classes": auroc,
        "average_precision of classes": precision,
    }


def ratio(part: Floats, whole: Floats) -> Floats:
    """Return part / whole, and 0 of nothing, as scikit-learn does."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _areas(truth: Floats, scores: Probabilities, weights: Floats) -> tuple[Floats, Floats]:
    """Return AUROC and average precision of one class, [B] each, under each row of weights.

    AUROC is the chance that a positive outscores a negative, ties counting half; average precision the mean, over the
    positives, of the precision among all that score as high or higher.
    """
    order = np.argsort(scores, kind="stable")
    _, starts = np.unique(scores[order], return_index=True)
    positives = np.add.reduceat((weights * truth)[:, order], starts, axis=1)  # by distinct score, ascending
    negatives = np.add.reduceat((weights * (1 - truth))[:, order], starts, axis=1)
    below = negatives.cumsum(axis=1) - negatives
    true, false = positives.sum(axis=1), negatives.sum(axis=1)
    auroc = (positives * (below + negatives / 2)).sum(axis=1) / (true * false)
    hits = positives[:, ::-1].cumsum(axis=1)
    alarms = negatives[:, ::-1].cumsum(axis=1)
    precision = ratio(hits, hits + alarms)
    return auroc, (positives[:, ::-1] * precision).sum(axis=1) / true
