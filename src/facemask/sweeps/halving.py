"""Successive halving: train only the best third of a grid to the end (Jamieson & Talwalkar, 2016).

There is one rung, after a third of the epochs, so a grid takes about half the time. The learning rate follows the
schedule of the whole training, so a configuration that continues gives the same result as without halving.
"""

import math
from pathlib import Path

from facemask.config.resolvers import monitor_sign
from facemask.config.schemas import TrainConfig
from facemask.errors import RunError
from facemask.models.checkpoint import read_checkpoint
from facemask.runs.results import FoldResult
from facemask.runs.run_folder import LAST, read_fold, read_history
from facemask.sweeps.configurations import runs_below
from facemask.sweeps.race import Pruned, has_same_folds

REDUCTION_FACTOR = 3  # eta: one configuration in three continues after one epoch in three


def n_epochs(config: TrainConfig) -> int:
    """Return the number of epochs of the whole training."""
    most = config.trainer.get("max_epochs")
    return most if most and most > 0 else config.epochs


def first_part(config: TrainConfig) -> int:
    """Return the number of epochs up to the rung."""
    return max(1, round(n_epochs(config) / REDUCTION_FACTOR))


def first_score(fold: Path, config: TrainConfig) -> float:
    """Return the best monitored score of a fold's first epochs; NaN if it has not trained them.

    A fold that early stopping ended before the rung has the score of its epochs.
    """
    part = first_part(config)
    try:
        result, history = read_fold(fold), read_history(fold)
        if result is None or config.monitor not in history:
            return math.nan
        if not result.is_complete and _n_trained(fold, result, len(history)) < part:
            return math.nan
    except RunError:  # missing or damaged
        return math.nan
    sign = monitor_sign(config.monitor)
    return sign * float((sign * history[config.monitor][:part]).max())


def judge_first_part(sweep: Path, config: TrainConfig, fold: Path) -> Pruned | None:
    """Compare the first epochs of a fold with those of the others of its sweep.

    Args:
        sweep: folder of the sweep.
        config: running configuration.
        fold: folder of its fold.

    Returns:
        The decision, or None to continue: it is among the best third, or has not trained its first epochs.
    """
    sign, own = monitor_sign(config.monitor), first_score(fold, config)
    if math.isnan(own):
        return None
    images = _fingerprint(fold)
    rivals = [
        run.folder / fold.name
        for run in runs_below(sweep)
        if run.folder.absolute() != fold.parent.absolute()
        and run.config
        and has_same_folds(run.config, config)
        and n_epochs(run.config) == n_epochs(config)
        and _fingerprint(run.folder / fold.name) == images
    ]
    scores = [score for rival in rivals if not math.isnan(score := first_score(rival, config))]
    n_better = sum(sign * score > sign * own for score in scores)
    if n_better < math.ceil((len(scores) + 1) / REDUCTION_FACTOR):
        return None
    return Pruned(
        own,
        f"after {first_part(config)} of {n_epochs(config)} epochs its {config.monitor} is {own:.4f}, and {n_better} of "
        f"{len(scores)} others are better; halving=true continues with the best third",
    )


def _n_trained(fold: Path, result: FoldResult, n_rows: int) -> int:
    """Return the number of epochs that a fold has completed; the last one of a failed fold may have diverged."""
    if result.status != "failed":
        return n_rows
    return int(read_checkpoint(fold / LAST)["epoch"]) + 1 if (fold / LAST).is_file() else 0


def _fingerprint(fold: Path) -> str | None:
    try:
        result = read_fold(fold)
    except RunError:
        return None
    return result.data.fingerprint if result and result.data else None
