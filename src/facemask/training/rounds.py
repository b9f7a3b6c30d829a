"""Rounds of a sweep: whether a run trains, waits for the others, or is pruned."""

from pathlib import Path

from facemask.config.schemas import TrainConfig
from facemask.runs.results import RunResult
from facemask.runs.run_folder import read_fold
from facemask.sweeps.halving import judge_first_part
from facemask.sweeps.race import Pruned, judge


def is_settled(previous: RunResult, config: TrainConfig, sweep: Path | None) -> bool:
    """Return whether there is nothing to train: the run is complete, or this round of its sweep is over for it."""
    if previous.is_complete or not (sweep and (config.race or config.halving)):
        return previous.is_complete
    if previous.status == "pruned" or config.race_folds is None:
        # With halving, every round but the last trains a failed run again.
        return previous.status == "pruned" or (config.halving and previous.status == "failed")
    n = len(previous.folds)
    has_failed = previous.status == "failed" and n < config.race_folds - 1  # in an earlier round
    return has_failed or (previous.status == "waiting" and n >= config.race_folds)


def ends_here(config: TrainConfig, sweep: Path, result: RunResult, place: Path) -> bool:
    """Return whether the run ends before a fold, and record why: it waits for the others of its sweep, or is pruned."""
    fold = read_fold(place)
    if fold is not None and fold.is_complete:
        return False
    if config.race_folds is not None and len(result.folds) >= max(1, config.race_folds):
        result.status = "waiting"
    elif pruned := _pruned(config, sweep, result, place):
        result.status, result.pruned, result.score = "pruned", pruned.reason, pruned.score
    return result.status != "running"


def _pruned(config: TrainConfig, sweep: Path, result: RunResult, place: Path) -> Pruned | None:
    if config.halving and not result.folds:
        return judge_first_part(sweep, config, place) if config.race_folds != 0 else None
    return judge(sweep, config) if config.race else None
