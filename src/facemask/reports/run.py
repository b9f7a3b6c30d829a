"""Print a run's result as a table."""

import math
import shlex
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from facemask.config.arguments import program
from facemask.models.weights import without_digest
from facemask.runs.results import FoldResult, RunResult

METRIC_COLUMNS = {"accuracy": "accuracy", "f1": "macro F1", "auroc": "AUROC"}


def print_result(result: RunResult, folder: Path, console: Console) -> None:
    """Print the metrics of a run with its data, split and confidence intervals."""
    folds, name = result.folds, result.folds[0].facts.name
    table = Table(title=f"{result.model} on {name}", title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("set", "split", "n", *METRIC_COLUMNS.values()):
        table.add_column(column, justify="left" if column in ("set", "split") else "right")
    for fold in folds:
        split = f"validation\nfold {fold.fold} of {result.k}"
        table.add_row(name, split, f"{fold.n.val:,}", *(_score(fold, metric) for metric in METRIC_COLUMNS))
    if len(folds) > 1:
        total = sum(fold.n.val for fold in folds)
        spreads = [result.metrics["val"][metric] for metric in METRIC_COLUMNS]
        means = [f"{_figure(spread.mean)} ± {_figure(spread.std)}" for spread in spreads]
        table.add_section()
        table.add_row(name, f"mean of {len(folds)} folds", f"{total:,}", *means, style="bold")
    console.print(table)
    console.print("\n".join(_notes(result, folder)), soft_wrap=True, highlight=False)


def _score(fold: FoldResult, metric: str) -> str:
    """Return a metric above its interval; a dash if there are too few groups."""
    low, high = fold.intervals[metric]
    interval = "–" if low is None or high is None else f"{low:.3f}-{high:.3f}"
    return f"{_figure(fold.metrics['val'][metric])}\n{interval}"


def _figure(value: float | None) -> str:
    return f"{math.nan if value is None else value:.3f}"


def _notes(result: RunResult, folder: Path) -> list[str]:
    """Return notes about the numbers, and the paths of the results."""
    folds = result.folds
    groups = " / ".join(str(fold.n.val_groups) for fold in folds)
    spread = "; ± is the standard deviation over folds" if len(folds) > 1 else ""
    return [
        f"Ranges: 95 % bootstrap confidence intervals over the {groups} groups of a fold, "
        f"{folds[0].n_bootstraps:,} resamples{spread}.",
        f"The best epoch ({', '.join(str(fold.best_epoch) for fold in folds)}) was chosen by {result.monitor} on "
        "these images; the test part was not used.",
        f"Initial weights: {without_digest(result.weights.source)}. Training took {result.seconds:.0f} s.",
        f"To evaluate on the test part: {program('evaluate')} {shlex.quote(f'run={folder}')}",
        f"Run folder: {folder} (learning curves: {folder}/fold-{folds[0].fold}/learning_curves.png)",
    ]
