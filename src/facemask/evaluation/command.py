"""``evaluate.py``: evaluate on face crops or on annotated photos."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table

from facemask.config.schemas import EvaluateConfig
from facemask.evaluation import classification, photos
from facemask.evaluation.across_sets import SetsEvaluation, evaluate_sets
from facemask.evaluation.result import SHOWN, Evaluation, PhotoEvaluation
from facemask.files import named, private_files, relative_to_cwd
from facemask.inference import ready_made
from facemask.reports.evaluated import HEADLINE
from facemask.reports.photos import detection_section, outcome_section
from facemask.reports.terminal import print_table
from facemask.terminal import SafeConsole


def evaluate(config: EvaluateConfig, folder: Path, command: str = "") -> Evaluation | PhotoEvaluation | SetsEvaluation:
    """Evaluate on face crops, on several sets of them if ``sets`` is set, or on photos if ``photos`` is.

    Args:
        config: a validated configuration.
        folder: folder of the report.
        command: command line that repeats this evaluation.

    Raises:
        FaceMaskError: a run, the data or a setting cannot be used.
    """
    if not (config.run or config.sweep_folder):
        config = replace(config, run=[str(ready_made.FILE)])
        SafeConsole(stderr=True).print(f"note: {ready_made.NOTE}", soft_wrap=True, highlight=False, markup=False)
    run: Callable[[EvaluateConfig, Path, str], Evaluation | PhotoEvaluation | SetsEvaluation]
    run = photos.evaluate_photos if config.photos else evaluate_sets if config.sets else classification.evaluate
    with private_files(config.private, folder), named(folder):
        return run(config, folder, command)


def show(result: Evaluation | PhotoEvaluation | SetsEvaluation, console: Console) -> None:
    """Print the scores, the data, and the path of the report."""
    if isinstance(result, SetsEvaluation):
        result.show(console)
        return
    if isinstance(result, Evaluation):
        console.print(_table(result))
        notes = result.notes
    else:
        notes = []
        for section in (outcome_section(result.findings), detection_section(result.findings)):
            for table in section.tables:
                print_table(table.rows, table.caption, console)
            for note in section.notes:
                console.print(note, soft_wrap=True, highlight=False, markup=False)
    report = f"Report: {relative_to_cwd(result.page)}"
    console.print("\n".join([*notes, report]), soft_wrap=True, highlight=False, markup=False)


def _table(result: Evaluation) -> Table:
    table = Table(title=result.about, title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("model", *(HEADLINE[name] for name in SHOWN), "ms per image"):
        table.add_column(column, justify="left" if column == "model" else "right")
    for model in result.models:
        cells = []
        for name in SHOWN:
            low, high = model.intervals[name]
            value = "–" if pd.isna(model.metrics[name]) else f"{model.metrics[name]:.3f}"
            cells.append(value if pd.isna(low) else f"{value}\n{low:.3f}-{high:.3f}")
        table.add_row(model.label, *cells, f"{model.milliseconds:.2f}")
    return table
