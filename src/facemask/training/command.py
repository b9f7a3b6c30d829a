"""``train.py``: check the configuration, then fit."""

import gc
from pathlib import Path

from rich.console import Console

from facemask.config.schemas import TrainConfig
from facemask.config.targets import check_components
from facemask.errors import ConfigError
from facemask.files import named, private_files, relative_to_cwd
from facemask.inference.run import Run, load_run
from facemask.reports.run import print_result
from facemask.runs.run_folder import read_run
from facemask.training.distillation import check_teacher
from facemask.training.fit import fit_folds, is_settled, join_folds
from facemask.training.parts import dry_run
from facemask.training.processes import started_processes, wait_for_all


def train(config: TrainConfig, folder: Path, sweep: Path | None = None, command: str = "") -> Run:
    """Train, or resume the run in the folder if it has the same configuration.

    Processes that torchrun or Slurm started train one run together; the first of them writes it.

    Args:
        config: a validated configuration.
        folder: the run folder.
        sweep: folder of the sweep that the run is part of, if any.
        command: command line that repeats this run.

    Raises:
        FaceMaskError: the configuration or the data cannot be used.
    """
    if not gc.get_freeze_count():
        gc.freeze()  # excludes imported modules from the garbage collections after each fold
    check_components(config)
    if (started := started_processes()) and config.trainer.get("strategy") is None:
        raise ConfigError(f"{started.size} processes were started for one run; add trainer=ddp")
    done = read_run(folder)
    if done is None or not is_settled(done, config, sweep):
        check_teacher(config)
        dry_run(config)
    with private_files(config.private, folder), named(folder):
        if started and started.rank:
            join_folds(config, folder)
        else:
            fit_folds(config, folder, sweep, command)
        wait_for_all()  # the first process writes the result
    return load_run(folder)


def show(run: Run, console: Console) -> None:
    """Print the scores of a run, or why a race pruned it."""
    if run.result.status == "waiting":
        fold, monitor = run.result.folds[-1], run.result.monitor
        score = f"fold {fold.fold} of {run.result.k}: {monitor} {fold.score:.4f}, n = {fold.n.val:,}"
        text = f"{score}; {relative_to_cwd(run.folder)} waits for the other configurations of its race."
        console.print(text, soft_wrap=True, highlight=False, markup=False)
    elif run.result.folds:
        print_result(run.result, relative_to_cwd(run.folder), console)
    if run.result.pruned:
        console.print(f"pruned: {run.result.pruned}.", soft_wrap=True, highlight=False, markup=False)
