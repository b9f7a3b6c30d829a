"""Print a sweep's ranking."""

import shlex
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from facemask.config.arguments import program
from facemask.sweeps.page import caption, cells
from facemask.sweeps.ranking import Summary


def print_summary(summary: Summary, folder: Path, console: Console) -> None:
    """Print the ranking, its verdict, the failures, and the path of the summary."""
    header, rows = cells(summary)
    shown = [header.index(name) for name in ("rank", "configuration", "folds", summary.monitor, "time")]
    table = Table(title=summary.title, title_justify="left", box=box.SIMPLE_HEAD)
    for i in shown:
        table.add_column(header[i], justify="left" if header[i] == "configuration" else "right", overflow="fold")
    for row in rows:
        table.add_row(*(row[i] for i in shown), style="bold" if row[0] == "1" else None)
    console.print(table)
    failed = [f"not complete: {label}: {problem}" for label, problem in summary.problems]
    first = sorted({str(run.parent) for c in summary.configurations if c.rank == 1 for run in c.folders.values()})
    notes = [caption(summary), summary.verdict, *failed, *(f"Best run: {run}" for run in first)]
    if first:
        notes.append(f"On the test part: {program('evaluate')} {shlex.quote(f'sweep={folder}')}")
    notes.append(f"Summary: {folder / 'summary.html'}")
    console.print("\n".join(notes), soft_wrap=True, highlight=False, markup=False)
