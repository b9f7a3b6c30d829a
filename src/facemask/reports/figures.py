"""Figures of the evaluation of one or several models."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import AutoLocator, LogLocator, MaxNLocator, NullFormatter

from facemask.data.preprocessing import Pixels
from facemask.metrics.classification import Floats
from facemask.reports.style import BLUE, GREY, ORANGE, plain, series

SIDE = 4.0  # side of a square panel, inches
MARKS = "os^vD*Ph"
LINE, WIDTH = 0.15, 48  # height of a legend line, inches, and its maximum length, letters


@dataclass(frozen=True)
class Curve:
    """A line of a figure: float64[P] each."""

    label: str
    x: Floats
    y: Floats


def draw_roc(panels: Mapping[str, Sequence[Curve]]) -> Figure:
    """Draw ROC curves, one panel per class, with the diagonal."""
    figure, all_axes = _panels(panels)
    for axes, curves in zip(all_axes, panels.values(), strict=True):
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":", label="guessing")
        _draw_lines(axes, curves)
        axes.set(xlabel="false positive rate", ylabel="true positive rate (recall)")
        _name_below(axes)
    return figure


def draw_precision_recall(panels: Mapping[str, Sequence[Curve]]) -> Figure:
    """Draw precision-recall curves, one panel per class."""
    figure, all_axes = _panels(panels)
    for axes, curves in zip(all_axes, panels.values(), strict=True):
        _draw_lines(axes, curves, steps=True)
        axes.set(xlabel="recall", ylabel="precision", ylim=(min(0.5, *(c.y.min() for c in curves)) - 0.02, 1.02))
        _name_below(axes)
    return figure


def draw_confusion(matrix: npt.NDArray[np.int64], class_names: Sequence[str]) -> Figure:
    """Draw a confusion matrix, int64[C, C] (rows: true classes), as counts and as fractions of each row."""
    n = len(class_names)
    figure = Figure(figsize=(3.2 + 2 * 0.95 * n, 1.6 + 0.75 * n), layout="constrained")
    rows = matrix.sum(axis=1, keepdims=True)
    fractions = np.divide(matrix, rows, out=np.full(matrix.shape, np.nan), where=rows > 0)
    for axes, title, words in zip(
        figure.subplots(1, 2),
        ("images", "fraction of the true class"),
        (
            [[f"{v:,}" for v in row] for row in matrix],
            [["–" if np.isnan(v) else f"{v:.1%}" for v in row] for row in fractions],
        ),
        strict=True,
    ):
        draw_matrix(axes, fractions, words, class_names, (0, 1))
        axes.set_title(title, fontsize=9)
        axes.set(xlabel="predicted", ylabel="true")
    return figure


def draw_matrix(
    axes: Axes, values: Floats, words: Sequence[Sequence[str]], names: Sequence[str], limits: tuple[float, float]
) -> None:
    """Draw a square matrix with text in every cell."""
    axes.imshow(values, cmap="Blues", vmin=limits[0], vmax=limits[1])
    middle = sum(limits) / 2
    for (row, column), value in np.ndenumerate(values):
        color = "white" if value > middle else "black"
        axes.text(column, row, words[row][column], ha="center", va="center", fontsize=8, color=color)
    is_long = max(map(len, names)) > 8
    axes.set_xticks(
        range(len(names)), names, fontsize=8, rotation=30 if is_long else 0, ha="right" if is_long else "center"
    )
    axes.set_yticks(range(len(names)), names, fontsize=8)


def draw_reliability(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw reliability diagrams, one line per table of :func:`facemask.metrics.calibration.reliability`."""
    figure = Figure(figsize=(SIDE + 0.6, SIDE), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":", label="perfect calibration")
    largest = max(table["n"].max() for table in tables.values())
    for i, (label, table) in enumerate(tables.items()):
        color, dash = series(i)
        axes.plot(table["confidence"], table["accuracy"], color=color, linestyle=dash, linewidth=1.4, label=label)
        axes.scatter(table["confidence"], table["accuracy"], s=8 + 90 * table["n"] / largest, color=color, alpha=0.6)
    lowest = min(table["confidence"].min() for table in tables.values())
    axes.set(xlim=(max(0, lowest - 0.05), 1.02), ylim=(min(t["accuracy"].min() for t in tables.values()) - 0.05, 1.03))
    axes.set(xlabel="confidence (probability of the predicted class)", ylabel="accuracy")
    axes.legend(fontsize=7, frameon=False, loc="upper left")
    plain(axes)
    return figure


def draw_thresholds(curves: Sequence[Curve], chosen: Mapping[str, float]) -> Figure:
    """Draw rates over the threshold, with the chosen thresholds as vertical lines."""
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.subplots()
    for i, curve in enumerate(curves):
        color, dash = series(i)
        axes.plot(curve.x, curve.y, color=color, linestyle=dash, linewidth=1.5, label=curve.label)
    for place, (label, threshold) in enumerate(chosen.items()):
        axes.axvline(threshold, color="#444444", linewidth=0.8, linestyle=":")
        height = 0.04 + 0.09 * (place % 5)  # staggered, so that labels do not overlap
        axes.text(threshold + 0.005, height, label, fontsize=7, transform=axes.get_xaxis_transform())
    axes.set(xlabel="threshold", ylabel="rate on the validation images", xlim=(-0.01, 1.01), ylim=(-0.02, 1.04))
    axes.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    plain(axes)
    return figure


def draw_sizes(table: pd.DataFrame) -> Figure:
    """Draw accuracy by face size with intervals and numbers of faces."""
    figure = Figure(figsize=(6, 3.4), layout="constrained")
    axes = figure.subplots()
    x, y = np.arange(len(table)), table["accuracy"].to_numpy()
    low, high = (table[f"accuracy_{end}"].fillna(table["accuracy"]).to_numpy() for end in ("low", "high"))
    axes.errorbar(x, y, yerr=np.clip([y - low, high - y], 0, None), fmt="o", color=BLUE, capsize=4, linewidth=1.4)
    labels = [f"{size}\nn = {n:,}" for size, n in zip(table["longer_side_px"], table["n"], strict=True)]
    axes.set_xticks(x, labels, fontsize=8)
    axes.set(xlabel="longer side of the face, pixels", ylabel="accuracy", xlim=(-0.5, len(table) - 0.5))
    plain(axes)
    return figure


def draw_gallery(images: Sequence[Pixels], captions: Sequence[str], columns: int = 6) -> Figure:
    """Draw images side by side with captions."""
    return _draw_grid(images, captions, columns, (1.65, 2.05), 6, interpolation="nearest")


def draw_photos(
    images: Sequence[Pixels], captions: Sequence[str], colors: Mapping[str, tuple[int, int, int]], columns: int = 2
) -> Figure:
    """Draw photos side by side with captions, and a legend of colours, RGB, below."""
    figure = _draw_grid(images, captions, columns, (5.2, 3.9), 7)
    figure.set_figheight(figure.get_figheight() + 0.4)
    patches = [Patch(color="#{:02x}{:02x}{:02x}".format(*color), label=name) for name, color in colors.items()]
    figure.legend(handles=patches, loc="outside lower center", ncols=len(patches), fontsize=9, frameon=False)
    return figure


def _draw_grid(
    images: Sequence[Pixels],
    captions: Sequence[str],
    columns: int,
    size: tuple[float, float],
    fontsize: int,
    interpolation: str | None = None,
) -> Figure:
    """Draw images in rows of ``columns``, each with its caption in a panel of ``size`` (width, height), inches."""
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    figure = Figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained")
    for axes in (panels := figure.subplots(rows, columns, squeeze=False).ravel()):
        axes.set_axis_off()
    for axes, image, caption in zip(panels, images, captions, strict=False):
        axes.imshow(image, interpolation=interpolation)
        axes.set_title(caption, fontsize=fontsize)
    return figure


def draw_attention(maps: Mapping[str, tuple[Floats, Pixels | None]]) -> Figure:
    """Draw mean class activation maps, float64[S, S] in [0, 1], one panel each, over their mean image if any."""
    figure = Figure(figsize=(2.6 * len(maps) + 0.6, 2.9), layout="constrained")
    panels = figure.subplots(1, len(maps), squeeze=False)[0]
    for axes, (title, (values, face)) in zip(panels, maps.items(), strict=True):
        extent = (0, 1, 1, 0)
        if face is not None:  # grey and of full contrast, because a mean of faces is dim
            axes.imshow(face.mean(axis=2), cmap="gray", extent=extent)
        alpha = 1 if face is None else 0.7 * values.clip(0, 1)
        shown = axes.imshow(
            values, cmap="inferno", vmin=0, vmax=1, extent=extent, alpha=alpha, interpolation="bilinear"
        )
        axes.set_title(title, fontsize=8)
        axes.set_axis_off()
    figure.colorbar(shown, ax=figure.axes, shrink=0.8, label="activation relative to the maximum")
    return figure


def draw_histories(panels: Mapping[str, Sequence[Curve]]) -> Figure:
    """Draw learning curves of several models, one panel per metric."""
    lines = sum(_lines_of(curve.label) for curve in next(iter(panels.values())))
    figure = Figure(figsize=(4.4 * len(panels), 3.2 + LINE * lines), layout="constrained")
    for axes, (name, curves) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        _draw_lines(axes, curves)
        axes.set(xlabel="epoch", ylabel=name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _name_below(axes)
        plain(axes)
    return figure


def draw_pareto(table: pd.DataFrame) -> Figure:
    """Draw accuracy over latency with intervals, and the Pareto front.

    Args:
        table: ``model``, ``ms_per_image``, ``accuracy``, ``accuracy_low``, ``accuracy_high``, one row per model; with a
            column ``variant`` one row per model and variant, with one colour per model and one marker per variant.
    """
    models = list(dict.fromkeys(table["model"]))
    variants = list(dict.fromkeys(table["variant"])) if "variant" in table else [""]
    names = models + (variants if "variant" in table else [])
    lines = sum(_lines_of(name) for name in names)
    figure = Figure(figsize=(6.5, 3.6 + LINE * lines), layout="constrained")
    axes = figure.subplots()
    x, y, low, high = (
        table[column].to_numpy(dtype=np.float64)
        for column in ("ms_per_image", "accuracy", "accuracy_low", "accuracy_high")
    )
    errors = np.nan_to_num(np.clip([y - low, high - y], 0, None))
    for i, row in enumerate(table.to_dict("records")):
        color, _ = series(models.index(row["model"]))
        mark = MARKS[variants.index(row.get("variant", "")) % len(MARKS)]
        axes.errorbar(x[i], y[i], yerr=errors[:, i : i + 1], fmt=mark, color=color, capsize=2, elinewidth=0.8)
    for i, name in enumerate(models):
        axes.plot([], [], "o", color=series(i)[0], label=_wrap(name))
    for i, name in enumerate(variants if "variant" in table else []):
        axes.plot([], [], MARKS[i % len(MARKS)], color=GREY, label=_wrap(name))
    front = pareto_front(x, y)
    axes.plot(x[front], y[front], color=GREY, zorder=0)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)) if x.max() > 5 * x.min() else AutoLocator())
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set(xlabel="milliseconds per image at batch size 1 (log scale)", ylabel="accuracy")
    _name_below(axes)
    plain(axes)
    return figure


def pareto_front(costs: Floats, values: Floats) -> list[int]:
    """Return the positions of the Pareto-optimal entries, cheapest first."""
    front: list[int] = []
    for i in np.lexsort((-values, costs)):
        if not front or values[i] > values[front[-1]]:
            front.append(int(i))
    return front


def draw_agreement(fractions: Floats, names: Sequence[str]) -> Figure:
    """Draw the pairwise agreement of models, float64[M, M]."""
    figure = Figure(figsize=(3.4 + 0.75 * len(names), 0.8 + 0.6 * len(names)), layout="constrained")
    words = [[f"{value:.1%}" for value in row] for row in fractions]
    axes = figure.subplots()
    draw_matrix(axes, fractions, words, [str(i + 1) for i in range(len(names))], (float(fractions.min()) - 1e-3, 1))
    axes.set_yticks(range(len(names)), [f"{i + 1}   {_wrap(name)}" for i, name in enumerate(names)], fontsize=8)
    return figure


def draw_differences(table: pd.DataFrame) -> Figure:
    """Draw paired differences with intervals, one panel per metric, one row per pair."""
    metrics = list(dict.fromkeys(table["metric"]))
    rows = max((table["metric"] == metric).sum() for metric in metrics)
    figure = Figure(figsize=(2.9 * len(metrics) + 2.2, 1.1 + 0.5 * rows), layout="constrained")
    for axes, metric in zip(figure.subplots(1, len(metrics), squeeze=False, sharey=True)[0], metrics, strict=True):
        part = table[table["metric"] == metric].iloc[::-1]
        y, value = np.arange(len(part)), part["difference"].to_numpy()
        error = np.nan_to_num(np.clip([value - part["difference_low"], part["difference_high"] - value], 0, None))
        axes.errorbar(value, y, xerr=error, fmt="o", color=ORANGE, capsize=3)
        axes.axvline(0, color=GREY, linewidth=0.8)
        names = [f"{_wrap(a)}\n− {_wrap(b)}" for a, b in zip(part["first"], part["second"], strict=True)]
        axes.set_yticks(y, names, fontsize=6)
        axes.set_xlabel(f"difference in {metric}", fontsize=8)
        plain(axes)
    return figure


def _panels(panels: Mapping[str, Sequence[Curve]]) -> tuple[Figure, Sequence[Axes]]:
    """Return square panels with titles."""
    columns = min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    below = LINE * (1 + max(sum(_lines_of(curve.label) for curve in curves) for curves in panels.values()))
    figure = Figure(figsize=(SIDE * columns, (SIDE + below) * rows), layout="constrained")
    all_axes = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for axes in all_axes[len(panels) :]:
        axes.set_visible(False)
    for axes, title in zip(all_axes, panels, strict=False):
        axes.set_title(title, fontsize=9)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        plain(axes)
    return figure, all_axes[: len(panels)]


def _name_below(axes: Axes) -> None:
    """Draw the legend below the axes, where long names fit."""
    axes.legend(fontsize=7, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.16))


def _wrap(label: str) -> str:
    return "\n".join(wrap(label, WIDTH))


def _lines_of(label: str) -> int:
    return len(wrap(label, WIDTH))


def _draw_lines(axes: Axes, curves: Sequence[Curve], steps: bool = False) -> None:
    for i, curve in enumerate(curves):
        color, dash = series(i)
        style = "steps-post" if steps else "default"
        axes.plot(
            curve.x, curve.y, color=color, linestyle=dash, linewidth=1.5, label=_wrap(curve.label), drawstyle=style
        )


def draw_scores(scores: pd.DataFrame, column: str) -> Figure:
    """Draw a metric of each model on each set as a heat map, with the interval in every cell.

    Args:
        scores: ``model``, ``set``, ``n``, and the metric with its bounds, one row per model and set.
        column: name of the metric.
    """
    models, sets = list(dict.fromkeys(scores["model"])), list(dict.fromkeys(scores["set"]))
    values = scores.set_index(["model", "set"])[column].astype(float).unstack("set").loc[models, sets].to_numpy()
    lowest = float(np.nanmin(values)) if np.isfinite(values).any() else 0.0
    longest = max(map(len, models))
    size = (1.5 + 0.07 * longest + 1.25 * len(sets), 1.1 + 0.55 * len(models))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    axes.imshow(values, cmap="cividis", vmin=lowest, vmax=1, aspect="auto")
    for cell in scores.to_dict("records"):
        value, low, high = (cell[f"{column}{end}"] for end in ("", "_low", "_high"))
        words = "–" if pd.isna(value) else f"{value:.3f}" + ("" if pd.isna(low) else f"\n{low:.3f}–{high:.3f}")
        color = "white" if value < (lowest + 1) / 2 else "black"
        at = sets.index(cell["set"]), models.index(cell["model"])
        axes.text(*at, words, ha="center", va="center", fontsize=8, color=color)
    counts = scores.drop_duplicates("set").set_index("set")["n"]
    axes.set_xticks(range(len(sets)), [f"{name}\nn = {counts[name]:,}" for name in sets], fontsize=8)
    axes.set_yticks(range(len(models)), models, fontsize=8)
    return figure
