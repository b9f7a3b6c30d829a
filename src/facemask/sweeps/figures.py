"""Figures of a summary: scores per fold, by learning rate and batch size, and per epoch."""

import math
from collections.abc import Sequence
from itertools import cycle

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from facemask.config.resolvers import monitor_sign
from facemask.config.schemas import TrainConfig
from facemask.errors import RunError
from facemask.reports.style import BLUE, GREY, ORANGE, plain
from facemask.runs.run_folder import read_history
from facemask.sweeps.configurations import Configuration
from facemask.sweeps.ranking import Summary


def draw_boxes(summary: Summary) -> Figure | None:
    """Draw the score of every fold, one row and box plot per configuration."""
    shown = [c for c in summary.configurations if c.folds]
    if not shown:
        return None
    figure = Figure(figsize=(9, 1 + 0.32 * len(shown)), layout="constrained")
    axes = figure.subplots()
    for y, c in enumerate(reversed(shown)):
        scores, color = c.scores(), ORANGE if c.rank == 1 else BLUE if c.rank else GREY
        if len(scores) > 1:
            axes.boxplot(
                [scores],
                positions=[y],
                orientation="horizontal",
                widths=0.55,
                showfliers=False,
                boxprops={"color": color},
                whiskerprops={"color": color},
                capprops={"color": color},
                medianprops={"color": color},
            )
        axes.plot(scores, [y] * len(scores), "o", color=color, markersize=4, alpha=0.8)
    axes.set_yticks(range(len(shown)), [c.label for c in reversed(shown)], fontsize=8)
    axes.set_xlabel(f"{summary.monitor}, one point per fold")
    plain(axes)
    return figure


def draw_heat_map(summary: Summary) -> Figure | None:
    """Draw the mean score by learning rate and batch size, one panel per model, if both were varied.

    If several configurations share a cell, it shows the best. Rates that were sampled from a range are drawn as points.
    """
    shown = [(c, c.config) for c in summary.configurations if c.folds and c.config]
    if not shown or not {"lr", "bs"} <= set(summary.varied):
        return None
    rates, sizes = sorted({config.lr for _, config in shown}), sorted({config.bs for _, config in shown})
    if len(rates) * len(sizes) > 2 * len(shown):  # rates sampled from a range, not a grid
        return _draw_points(summary, shown)
    models = sorted({c.model for c, _ in shown})
    figure = Figure(figsize=(1.5 + (1 + 0.9 * len(sizes)) * len(models), 1.2 + 0.5 * len(rates)), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(models)))
    lowest, highest = min(c.mean for c, _ in shown), max(c.mean for c, _ in shown)
    for axes, model in zip(panels, models, strict=True):
        grid, notes = np.full((len(rates), len(sizes)), np.nan), {}
        for row, column in np.ndindex(grid.shape):
            cell = (model, rates[row], sizes[column])
            here = [c for c, config in shown if (c.model, config.lr, config.bs) == cell]
            if here:
                best = max(here, key=lambda c: monitor_sign(summary.monitor) * c.mean)
                grid[row, column] = best.mean
                is_whole = best.rank is not None
                notes[row, column] = "" if is_whole else f"\n{len(best.folds)} of {len(summary.asked)} folds"
        axes.imshow(grid, cmap="cividis", vmin=lowest, vmax=highest, aspect="auto")
        for (row, column), note in notes.items():
            value = grid[row, column]
            color = "white" if value < (lowest + highest) / 2 else "black"
            axes.text(column, row, f"{value:.3f}{note}", ha="center", va="center", fontsize=8, color=color)
        axes.set_xticks(range(len(sizes)), [str(size) for size in sizes])
        axes.set_yticks(range(len(rates)), [f"{rate:g}" for rate in rates])
        axes.set_title(model, fontsize=9)
        axes.set_xlabel("bs")
        axes.set_ylabel("lr")
    figure.suptitle(f"{summary.monitor}, mean over folds", fontsize=9)
    return figure


def _draw_points(summary: Summary, shown: Sequence[tuple[Configuration, TrainConfig]]) -> Figure:
    """Draw the mean score over the learning rate, one marker per batch size, with the standard deviation over folds."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    axes = figure.subplots()
    for marker, size in zip(cycle("osD^v"), sorted({config.bs for _, config in shown}), strict=False):
        points = [(config.lr, c) for c, config in shown if config.bs == size]
        axes.errorbar(
            [lr for lr, _ in points],
            [c.mean for _, c in points],
            yerr=[c.spread().std or 0.0 for _, c in points],
            fmt=marker,
            markersize=5,
            capsize=2,
            elinewidth=0.8,
            alpha=0.85,
            label=f"bs={size}",
        )
    axes.set_xscale("log")
    axes.set_xlabel("lr")
    axes.set_ylabel(f"{summary.monitor}, mean ± standard deviation over folds", fontsize=8)
    axes.legend(fontsize=8, frameon=False)
    plain(axes)
    return figure


def draw_curves(summary: Summary) -> Figure | None:
    """Draw the monitored metric by epoch, one panel per configuration, one line per fold."""
    shown = [c for c in summary.configurations if c.folds]
    if not shown:
        return None
    columns = min(4, len(shown))
    rows = math.ceil(len(shown) / columns)
    figure = Figure(figsize=(2.7 * columns, 0.4 + 1.8 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axes in panels[len(shown) :]:
        axes.set_visible(False)
    for axes, c in zip(panels, shown, strict=False):
        for folder in c.folders.values():
            try:
                history = read_history(folder)
            except RunError:  # damaged; the scores are in result.json
                continue
            if summary.monitor in history:
                color = ORANGE if c.rank == 1 else BLUE
                marker = "o" if len(history) == 1 else ""  # a line of one point is invisible
                axes.plot(history["epoch"], history[summary.monitor], marker=marker, ms=3, color=color, lw=1, alpha=0.8)
        axes.set_title(c.label, fontsize=7)
        axes.tick_params(labelsize=7)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5, min_n_ticks=1))
        plain(axes)
    figure.supxlabel("epoch", fontsize=8)
    figure.supylabel(summary.monitor, fontsize=8)
    return figure
