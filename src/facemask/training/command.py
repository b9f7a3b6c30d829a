"""What ``train.py`` does: check, then fit."""

import gc
from pathlib import Path

from rich.console import Console

from facemask.config.schemas import TrainConfig
from facemask.config.targets import check_components
from facemask.files import relative_to_cwd
from facemask.inference.run import Run, load_run
from facemask.reports.run import print_result
from facemask.runs.run_folder import read_run
from facemask.training.distillation import check_teacher
from facemask.training.fit import fit_folds
from facemask.training.parts import dry_run


def train(config: TrainConfig, folder: Path, sweep: Path | None = None, command: str = "") -> Run:
    """Train as configured, resuming the run that the folder holds if it is one of this configuration.

    Args:
        config: a validated configuration.
        folder: the run folder.
        sweep: the folder of the sweep that the run is part of, if it is.
        command: the line that repeats this run.

    Raises:
        FaceMaskError: the configuration or the data cannot be used.
    """
    if not gc.get_freeze_count():
        gc.freeze()  # imported modules stay: a collection after each fold need not walk through them
    check_components(config)
    done = read_run(folder)
    if done is None or not done.is_complete:
        check_teacher(config)
        dry_run(config)
    fit_folds(config, folder, sweep, command)
    return load_run(folder)


def show(run: Run, console: Console) -> None:
    """Print what a run is worth, and why a race ended it."""
    if run.result.folds:
        print_result(run.result, relative_to_cwd(run.folder), console)
    if run.result.pruned:
        console.print(f"pruned: {run.result.pruned}.", soft_wrap=True, highlight=False, markup=False)
