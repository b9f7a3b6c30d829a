"""``train.py``: check the configuration, then fit."""

import gc
from pathlib import Path

from rich.console import Console

from facemask.config.schemas import TrainConfig
from facemask.config.targets import check_components
from facemask.errors import ConfigError
from facemask.files import named, private_files, relative_to_cwd, remove_if_empty
from facemask.inference.run import Run, load_run
from facemask.reports.run import print_result
from facemask.runs.run_folder import read_run
from facemask.sweeps.halving import rung_epochs, total_epochs
from facemask.training.distillation import check_teacher
from facemask.training.fit import fit_folds, join_folds
from facemask.training.parts import dry_run
from facemask.training.processes import Ranks, external_ranks
from facemask.training.rounds import is_settled


def train(config: TrainConfig, folder: Path, sweep: Path | None = None, command: str = "") -> Run:
    """Train, or resume the run in the folder if it has the same configuration.

    Processes that torchrun or srun started train one run together, in the folder of rank 0.

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
    ranks = external_ranks()
    if ranks is None:
        _train(config, folder, sweep, command)
    else:
        folder = _train_in_ranks(config, folder, command, ranks)
    return load_run(folder)


def _train(config: TrainConfig, folder: Path, sweep: Path | None, command: str) -> None:
    done = read_run(folder)
    if done is None or not is_settled(done, config, sweep):
        check_teacher(config)
        dry_run(config)
    with private_files(config.private, folder), named(folder):
        fit_folds(config, folder, sweep, command)


def _train_in_ranks(config: TrainConfig, folder: Path, command: str, ranks: Ranks) -> Path:
    """Train one run in several processes; return its folder, which is that of rank 0.

    Raises:
        ConfigError: the configuration is for one process.
    """
    if config.trainer.get("strategy") is None:
        raise ConfigError(
            f"{ranks.size} processes were started, but this run trains in one; add trainer=ddp, or start one process."
        )
    ranks.connect()
    if ranks.rank == 0:
        with ranks.announced_end():
            ranks.announce(str(folder.absolute()))
            _train(config, folder, None, command)
        return folder
    theirs = Path(ranks.receive())
    if folder.absolute() != theirs:
        remove_if_empty(folder)
    join_folds(config, theirs, ranks)
    return theirs


def show(run: Run, console: Console) -> None:
    """Print the scores of a run, or why it was pruned."""
    if run.result.status == "waiting":
        monitor = run.result.monitor
        if run.result.folds:
            fold = run.result.folds[-1]
            score = f"fold {fold.fold} of {run.result.k}: {monitor} {fold.score:.4f}, n = {fold.n.val:,}"
        else:
            part = f"{rung_epochs(run.config)} of {total_epochs(run.config)} epochs"
            score = f"after {part}: {monitor} {run.result.score:.4f}"
        text = f"{score}; {relative_to_cwd(run.folder)} waits for the other configurations of its sweep."
        console.print(text, soft_wrap=True, highlight=False, markup=False)
    elif run.result.folds:
        print_result(run.result, relative_to_cwd(run.folder), console)
    if run.result.pruned:
        console.print(f"pruned: {run.result.pruned}.", soft_wrap=True, highlight=False, markup=False)
