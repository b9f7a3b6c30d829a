"""Figures of a data set."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from facemask.data.preprocessing import Pixels
from facemask.reports.style import plain, series


def draw_counts(counts: pd.DataFrame) -> Figure:
    """Draw the number of images per class and split from :func:`.dataset_tables.count_table`."""
    rows = counts[counts["class"] != "all"]
    return _draw_bars(rows["class"].tolist(), {split: rows[split].to_numpy() for split in ("train", "test")})


def draw_sources(sources: pd.DataFrame, labels: Sequence[str], at_most: int = 15) -> Figure:
    """Draw the number of images per source and class."""
    rows = sources.head(at_most)
    return _draw_bars(rows["source"].tolist(), {label: rows[label].to_numpy() for label in labels})


def _draw_bars(names: Sequence[str], parts: Mapping[str, npt.NDArray[np.int64]]) -> Figure:
    """Draw stacked bars, with numbers where they fit."""
    figure = Figure(figsize=(6, 1.2 + 0.45 * len(names)), layout="constrained")
    axes = figure.subplots()
    left = np.zeros(len(names))
    longest = sum(parts.values(), np.zeros(len(names))).max()
    for i, (part, values) in enumerate(parts.items()):
        bars = axes.barh(names, values, left=left, color=series(i)[0], height=0.6, label=part)
        numbers = [f"{value:,}" if value > 0.06 * longest else "" for value in values]
        axes.bar_label(bars, numbers, label_type="center", color="white", fontsize=8)
        left = left + values
    axes.invert_yaxis()
    axes.set_xlabel("images")
    axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    plain(axes)
    return figure


def draw_sizes(table: pd.DataFrame, bins: int = 40) -> Figure:
    """Draw 2D histograms of width and height, one panel per class."""
    labels = sorted(table["label"].unique())
    most = int(table[["width", "height"]].to_numpy().max())
    edges = np.linspace(0, most + 1, min(bins, most + 1) + 1)
    grids = {}
    for label in labels:
        part = table[table["label"] == label]
        grids[label] = np.histogram2d(part["height"], part["width"], bins=[edges, edges])[0]
    norm = LogNorm(1, max(2, max(grid.max() for grid in grids.values())))
    figure = Figure(figsize=(3.6 * len(labels) + 0.6, 3.6), layout="constrained")
    for axes, label in zip(figure.subplots(1, len(labels), squeeze=False)[0], labels, strict=True):
        grid = np.where(grids[label] > 0, grids[label], np.nan)
        shown = axes.pcolormesh(edges, edges, grid, cmap="viridis", norm=norm)
        axes.set_title(f"{label}, n = {int(grids[label].sum()):,}", fontsize=9)
        axes.set(xlabel="width, pixels", ylabel="height, pixels", aspect="equal")
        plain(axes)
    figure.colorbar(shown, ax=figure.axes, label="images", shrink=0.8)
    return figure


def draw_sheet(rows: Mapping[str, Sequence[Pixels]]) -> Figure:
    """Draw rows of images with the name of each row."""
    columns = max(len(pictures) for pictures in rows.values())
    figure = Figure(figsize=(1.05 * columns + 1.6, 1.1 * len(rows)), layout="constrained")
    panels = figure.subplots(len(rows), columns, squeeze=False)
    for line, (name, pictures) in zip(panels, rows.items(), strict=True):
        for axes in line:
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        for axes, picture in zip(line, pictures, strict=False):
            axes.imshow(picture, interpolation="nearest")
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8)
    return figure
