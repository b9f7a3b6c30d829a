"""Rounds of a sweep: whether a run trains, waits for the others, or is pruned."""

from pathlib import Path

from facemask.config.schemas import TrainConfig
from facemask.runs.results import RunResult
from facemask.runs.run_folder import read_fold
from facemask.sweeps.halving import first_part, judge_first_part
from facemask.sweeps.race import Pruned, judge


def is_settled(previous: RunResult, config: TrainConfig, sweep: Path | None) -> bool:
    """Return whether there is nothing to train in this round, or ever."""
    if previous.is_complete or not (sweep and (config.race or config.halving)):
        return previous.is_complete
    n, last_round = len(previous.folds), config.race_folds is None
    if previous.status == "pruned":  # by a race, or by halving, which judges again when others were added
        return config.race if n else config.halving and not last_round
    if previous.status == "failed":  # in an earlier round; the first one trains it again
        if config.race_folds is None:
            return config.halving
        return n < (config.race_folds if config.halving else config.race_folds - 1)
    return previous.status == "waiting" and config.race_folds is not None and n >= config.race_folds


def ends_here(config: TrainConfig, sweep: Path, result: RunResult, place: Path) -> bool:
    """Return whether the run ends before a fold, and record why: it waits, or is pruned."""
    fold = read_fold(place)
    is_first_part = fold is not None and config.halving and not result.folds and fold.epochs <= first_part(config)
    if fold is not None and fold.is_complete and not is_first_part:
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
