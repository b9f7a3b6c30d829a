"""Print tables to the terminal."""

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from facemask.reports.sections import to_cells, word_columns


def print_table(rows: pd.DataFrame, title: str, console: Console, is_stacked: bool = False) -> None:
    """Print a table with its title, text left-aligned and numbers right-aligned.

    Args:
        rows: the table.
        title: its title.
        console: where to print.
        is_stacked: whether intervals are below their values, which makes the table narrower.
    """
    # The table would wrap its title.
    console.print(title, style="italic", soft_wrap=True, highlight=False, markup=False)
    lines = Table(box=box.SIMPLE_HEAD)
    words = word_columns(rows)
    cells = to_cells(rows, "\n{}" if is_stacked else " ({})")
    for name in cells:
        lines.add_column(str(name), justify="left" if name in words else "right", overflow="fold")
    for line in cells.itertuples(index=False, name=None):
        lines.add_row(*line)
    console.print(lines)
