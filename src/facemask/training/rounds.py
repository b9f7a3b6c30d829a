"""Rounds of a sweep: whether a run trains, waits for the others, or is pruned."""

from pathlib import Path

from facemask.config.schemas import TrainConfig
from facemask.runs.results import RunResult
from facemask.runs.run_folder import read_fold
from facemask.sweeps.halving import judge_at_rung, rung_epochs
from facemask.sweeps.race import Pruned, judge


def is_settled(previous: RunResult, config: TrainConfig, sweep: Path | None) -> bool:
    """Return whether a run has nothing to train in this round."""
    if previous.is_complete or not (sweep and (config.race or config.halving)):
        return previous.is_complete
    n, stop_after = len(previous.folds), config.race_folds  # None in the last round
    if previous.status == "pruned":  # by a race, or by halving, which judges again when others were added
        return config.race if n else config.halving and stop_after is not None
    if previous.status == "failed":  # with halving only the first round repeats it, with a race alone also the last
        if stop_after is None:
            return config.halving
        return n < (stop_after if config.halving else stop_after - 1)
    return previous.status == "waiting" and stop_after is not None and n >= stop_after


def ends_here(config: TrainConfig, sweep: Path, result: RunResult, fold_folder: Path) -> bool:
    """Return whether the run ends before a fold, and record why: it waits, or is pruned."""
    fold = read_fold(fold_folder)
    # A fold that early stopping completed before the rung is judged, too.
    is_first_part = fold is not None and config.halving and not result.folds and fold.epochs <= rung_epochs(config)
    if fold is not None and fold.is_complete and not is_first_part:
        return False
    if config.race_folds is not None and len(result.folds) >= max(1, config.race_folds):
        result.status = "waiting"
    elif pruned := _pruned(config, sweep, result, fold_folder):
        result.status, result.pruned, result.score = "pruned", pruned.reason, pruned.score
    return result.status != "running"


def _pruned(config: TrainConfig, sweep: Path, result: RunResult, fold_folder: Path) -> Pruned | None:
    if config.halving and not result.folds:
        return judge_at_rung(sweep, config, fold_folder) if config.race_folds != 0 else None
    return judge(sweep, config) if config.race else None
