"""A run's result as a table for the terminal."""

import shlex
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from facemask.runs.run_folder import Result

METRIC_COLUMNS = {"accuracy": "accuracy", "f1": "macro F1", "auroc": "AUROC"}


def print_result(result: Result, folder: Path, console: Console) -> None:
    """Print what a run is worth: on what data, which split, how many samples, and how sure."""
    folds, name = result["folds"], result["data"]["name"]
    table = Table(title=f"{result['model']} on {name}", title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("set", "split", "n", *METRIC_COLUMNS.values()):
        table.add_column(column, justify="left" if column in ("set", "split") else "right")
    for fold in folds:
        values, intervals = fold["metrics"]["val"], fold["intervals"]
        scores = [f"{values[m]:.3f}\n{_range(*intervals[m])}" for m in METRIC_COLUMNS]
        table.add_row(name, f"validation\nfold {fold['fold']} of {result['k']}", f"{fold['n']['val']:,}", *scores)
    if len(folds) > 1:
        means = [result["metrics"]["val"][m] for m in METRIC_COLUMNS]
        total = sum(fold["n"]["val"] for fold in folds)
        scores = [f"{mean['mean']:.3f} ± {mean['std']:.3f}" for mean in means]
        table.add_section()
        table.add_row(name, f"mean of {len(folds)} folds", f"{total:,}", *scores, style="bold")
    console.print(table)
    console.print("\n".join(_notes(result, folder)), soft_wrap=True, highlight=False)


def _range(low: float | None, high: float | None) -> str:
    """Return an interval; a dash where too few groups tell nothing of the spread."""
    return "–" if low is None else f"{low:.3f}-{high:.3f}"


def _notes(result: Result, folder: Path) -> list[str]:
    """Return what a reader must know about the numbers, and where everything is."""
    folds = result["folds"]
    groups = " / ".join(str(fold["n"]["val_groups"]) for fold in folds)
    spread = "; ± is the standard deviation over folds" if len(folds) > 1 else ""
    return [
        f"Ranges: 95 %, bootstrap over the {groups} groups of a fold, {folds[0]['draws']:,} draws{spread}.",
        f"The best epoch ({', '.join(str(fold['best_epoch']) for fold in folds)}) was chosen by {result['monitor']} on "
        "these same images; the test part was not touched.",
        f"First weights: {result['weights']['source'].partition(', SHA')[0]}. Training took {result['seconds']:.0f} s.",
        f"On the test part: python evaluate.py {shlex.quote(f'run={folder}')}",
        f"Run folder: {folder} (pictures: {folder}/fold-{folds[0]['fold']}/learning_curves.png)",
    ]
