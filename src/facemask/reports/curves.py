"""Learning curves of a fold, from its ``metrics.csv``."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from facemask.reports.style import BLUE, GREY, ORANGE, plain


def draw_learning_curves(history: pd.DataFrame, best_epoch: int, title: str) -> Figure:
    """Draw loss, metrics and time per epoch.

    Args:
        history: content of ``metrics.csv``, one row per epoch.
        best_epoch: epoch to mark.
        title: model, data and number of samples.
    """
    figure = Figure(figsize=(13, 4))  # fixed margins, because automatic layout takes longer than drawing
    figure.subplots_adjust(left=0.05, right=0.99, bottom=0.13, top=0.89, wspace=0.18)
    figure.suptitle(title, fontsize=11)
    loss, scores, seconds = figure.subplots(1, 3)
    epochs = history["epoch"]
    _lines(loss, epochs, history, [("train/loss", GREY, "training"), ("val/loss", BLUE, "validation")])
    loss.set_ylabel("cross-entropy")
    _lines(
        scores,
        epochs,
        history,
        [
            ("train/accuracy", GREY, "accuracy, training"),
            ("val/accuracy", BLUE, "accuracy, validation"),
            ("val/auroc", ORANGE, "AUROC, validation"),
        ],
    )
    scores.set_ylabel("score")
    _lines(
        seconds,
        epochs,
        history,
        [("seconds", BLUE, "whole epoch"), ("data_seconds", ORANGE, "waiting for data")],
    )
    seconds.set_ylabel("seconds")
    seconds.set_ylim(bottom=0)
    for axes in (loss, scores, seconds):
        axes.axvline(best_epoch, color="#444444", linewidth=0.8, linestyle=":", label=f"best epoch, {best_epoch}")
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        plain(axes)
        axes.legend(fontsize=8, frameon=False)
    return figure


def _lines(axes: Axes, epochs: "pd.Series[int]", history: pd.DataFrame, curves: Sequence[tuple[str, str, str]]) -> None:
    for column, color, label in curves:
        if column in history:  # custom modules may log other values
            axes.plot(epochs, history[column], color=color, label=label, marker="o", markersize=3, linewidth=1.6)
