"""Tables of one model's evaluation. Pure functions of predictions."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from sklearn.metrics import classification_report, confusion_matrix

from facemask.config.schemas import Costs
from facemask.metrics.bootstrap import bootstrap_weights, proportion_interval
from facemask.metrics.calibration import expected_calibration_error, negative_log_likelihood, rescale
from facemask.metrics.classification import Floats, Labels
from facemask.metrics.thresholds import cheapest_threshold, operating_points, threshold_at_recall
from facemask.reports.evaluated import HEADLINE, Evaluated

SIZES = (0, 7, 16, 24, 32, 48, 64, 96, 128, np.inf)  # bins of a face's longer side, pixels


def headline_table(evaluated: Evaluated) -> pd.DataFrame:
    """Return the overall metrics with intervals, one row each."""
    return pd.DataFrame([{"metric": title} | evaluated.cells(name, "value") for name, title in HEADLINE.items()])


def report_table(evaluated: Evaluated) -> pd.DataFrame:
    """Return scikit-learn's classification report with intervals per class."""
    names = evaluated.class_names
    report = classification_report(
        evaluated.labels,
        evaluated.predicted,
        labels=range(len(names)),
        target_names=names,
        output_dict=True,
        zero_division=0,
    )
    rows = []
    for name in names:
        row: dict[str, object] = {"class": name}
        for kind in ("precision", "recall", "f1"):
            low, high = evaluated.intervals[f"{kind}_{name}"]
            row |= {kind: report[name]["f1-score" if kind == "f1" else kind], f"{kind}_low": low, f"{kind}_high": high}
        rows.append(row | {"support": int(report[name]["support"])})
    n = len(evaluated.labels)
    rows.append({"class": "accuracy", **evaluated.cells("accuracy", "f1"), "support": n})
    for kind in ("macro avg", "weighted avg"):
        values = {"precision": report[kind]["precision"], "recall": report[kind]["recall"]}
        low, high = evaluated.intervals["f1" if kind == "macro avg" else "weighted_f1"]
        values |= {"f1": report[kind]["f1-score"], "f1_low": low, "f1_high": high}
        rows.append({"class": kind} | values | {"support": n})
    return pd.DataFrame(rows)


def one_against_rest_table(evaluated: Evaluated) -> pd.DataFrame:
    """Return one-vs-rest AUROC and average precision of each class."""
    rows = []
    for c, name in enumerate(evaluated.class_names):
        row: dict[str, object] = {"class": name, "n": int((evaluated.labels == c).sum())}
        row |= evaluated.cells(f"auroc_{name}", "AUROC")
        rows.append(row | evaluated.cells(f"average_precision_{name}", "average_precision"))
    return pd.DataFrame(rows)


def confusion_table(evaluated: Evaluated) -> pd.DataFrame:
    """Return the confusion matrix, one row per true class, with fractions of each row."""
    names = evaluated.class_names
    counts = confusion_matrix(evaluated.labels, evaluated.predicted, labels=range(len(names)))
    table = pd.DataFrame({"true": names})
    for c, name in enumerate(names):
        table[f"predicted {name}"] = counts[:, c]
    total = counts.sum(axis=1)
    for c, name in enumerate(names):
        fraction = np.divide(counts[:, c], total, out=np.full(len(names), np.nan), where=total > 0)
        table[f"fraction {name}"] = fraction
    return table


def size_table(evaluated: Evaluated) -> pd.DataFrame:
    """Return the accuracy by the face's longer side; empty bins are left out."""
    longer = evaluated.predictions[["width", "height"]].max(axis=1).to_numpy()
    rows = []
    for low, high in pairwise(SIZES):
        of_size = (longer >= low) & (longer < high)
        if of_size.any():
            part = evaluated.only(of_size)
            name = f"{low:g}+" if np.isinf(high) else f"{low:g}–{high:g}"
            rows.append(
                {"longer_side_px": name, "n": int(of_size.sum()), "groups": part.n_groups} | part.cells("accuracy")
            )
    return pd.DataFrame(rows)


def calibration_table(evaluated: Evaluated, temperature: float, validation: tuple[Labels, Floats]) -> pd.DataFrame:
    """Return calibration before and after temperature scaling, on validation images and here."""
    rows = []
    for title, t in (("as trained", 1.0), (f"temperature {temperature:.3f}", temperature)):
        row: dict[str, object] = {"probabilities": title, "temperature": t}
        for part, (labels, raw) in {
            "validation": validation,
            "here": (evaluated.labels, evaluated.probabilities),
        }.items():
            scaled = rescale(raw, t) if t != 1 else raw
            row[f"ECE_{part}"] = expected_calibration_error(labels, scaled)
            row[f"NLL_{part}"] = negative_log_likelihood(labels, scaled)
            row[f"accuracy_{part}"] = float((scaled.argmax(axis=1) == labels).mean())
        rows.append(row)
    return pd.DataFrame(rows)


def choose_thresholds(
    validation: tuple[Labels, Floats], positive: int, costs: Costs, recalls: Sequence[float]
) -> dict[str, float]:
    """Return named thresholds for the positive class, chosen on the validation images."""
    labels, probabilities = validation
    is_positive, scores = labels == positive, probabilities[:, positive]
    named = {"even odds": 0.5}
    named[f"minimum cost, {costs.missed:g} : {costs.false_alarm:g}"] = cheapest_threshold(
        is_positive, scores, costs.missed, costs.false_alarm
    )
    for recall in recalls:
        named[f"recall {recall:g}"] = threshold_at_recall(is_positive, scores, recall)
    return named


def threshold_table(
    evaluated: Evaluated, validation: tuple[Labels, Floats], thresholds: dict[str, float], costs: Costs
) -> pd.DataFrame:
    """Return the rates of each threshold on validation images and here, with intervals here."""
    values = np.array(list(thresholds.values()))
    c, arguments = evaluated.positive, (costs.missed, costs.false_alarm)
    before, here = (
        operating_points(labels == c, probabilities[:, c], values, *arguments)
        for labels, probabilities in (validation, (evaluated.labels, evaluated.probabilities))
    )
    intervals = _threshold_intervals(evaluated, values, here)
    rows = []
    for i, (name, threshold) in enumerate(thresholds.items()):
        row: dict[str, object] = {"operating_point": name, "threshold": threshold}
        row |= {f"{kind}_on_validation": before[kind][i] for kind in ("recall", "false_alarm_rate")}
        for kind in ("recall", "false_alarm_rate"):
            low, high = intervals[kind][i]
            row |= {kind: here[kind][i], f"{kind}_low": low, f"{kind}_high": high}
        row |= {"precision": here["precision"][i], "missed": int(here["missed"][i])}
        row |= {"false_alarms": int(here["false_alarms"][i]), "cost_per_hundred": 100 * here["cost"][i]}
        rows.append(row)
    return pd.DataFrame(rows)


def _threshold_intervals(
    evaluated: Evaluated, thresholds: Floats, here: Mapping[str, Floats]
) -> dict[str, list[list[float]]]:
    """Return intervals of recall and false alarm rate at each threshold."""
    scores = evaluated.probabilities[:, evaluated.positive]
    predicted = (scores[:, None] >= thresholds).astype(np.float64)  # [N, T]
    groups = evaluated.predictions["group"].to_numpy()
    intervals = {}
    is_positive = evaluated.labels == evaluated.positive
    for kind, rows in (("recall", is_positive), ("false_alarm_rate", ~is_positive)):
        parts = []
        for weights in bootstrap_weights(groups.tolist(), evaluated.n_bootstraps, evaluated.seed):
            drawn = weights[:, rows]
            with np.errstate(invalid="ignore", divide="ignore"):
                parts.append((drawn @ predicted[rows]) / drawn.sum(axis=1, keepdims=True))
        fractions, n = np.concatenate(parts), len(set(groups[rows]))
        intervals[kind] = [
            proportion_interval(fraction, drawn, n) for fraction, drawn in zip(here[kind], fractions.T, strict=True)
        ]
    return intervals


def mistake_table(evaluated: Evaluated) -> pd.DataFrame:
    """Return the misclassified images, most confident first."""
    table = sample_table(evaluated, np.flatnonzero(~evaluated.correct))
    return table.sort_values("probability", ascending=False, kind="stable", ignore_index=True)


def sample_table(evaluated: Evaluated, rows: Labels) -> pd.DataFrame:
    """Return samples, int64[n] positions: file, true class, predicted class and confidence."""
    names = np.array(evaluated.class_names)
    part = evaluated.predictions.iloc[rows]
    return pd.DataFrame(
        {
            "file": part["path"].to_numpy(),
            "truth": names[evaluated.labels[rows]],
            "predicted": names[evaluated.predicted[rows]],
            "probability": evaluated.probabilities[rows].max(axis=1),
            "probability_of_truth": evaluated.probabilities[rows, evaluated.labels[rows]],
            "width": part["width"].to_numpy(),
            "height": part["height"].to_numpy(),
        }
    )
