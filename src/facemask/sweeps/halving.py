"""Successive halving: train only the best third of a grid to the end (Jamieson & Talwalkar, 2016).

There is one rung, after a third of the epochs of the first fold, so a grid of one fold trains 5/9 of its epochs. The
learning rate follows the schedule of the whole training, so a configuration that continues gives the same result as
without halving.
"""

import math
from pathlib import Path

from facemask.config.resolvers import monitor_sign
from facemask.config.schemas import TrainConfig
from facemask.errors import RunError
from facemask.models.checkpoint import completed_epochs
from facemask.runs.results import DataFacts
from facemask.runs.run_folder import LAST, read_fold, read_history
from facemask.sweeps.configurations import runs_below
from facemask.sweeps.race import Pruned, has_same_folds

REDUCTION_FACTOR = 3  # eta: one configuration in three continues after one epoch in three


def total_epochs(config: TrainConfig) -> int:
    """Return the number of epochs of the whole training."""
    most = config.trainer.get("max_epochs")
    return most if most and most > 0 else config.epochs


def rung_epochs(config: TrainConfig) -> int:
    """Return the number of epochs up to the rung."""
    return max(1, round(total_epochs(config) / REDUCTION_FACTOR))


def score_at_rung(fold_folder: Path, config: TrainConfig) -> float:
    """Return the best monitored score of a fold's first epochs; NaN if it has not trained them.

    A fold that early stopping ended before the rung has the score of its epochs.
    """
    part = rung_epochs(config)
    try:
        result, history = read_fold(fold_folder), read_history(fold_folder)
        if result is None or config.monitor not in history:
            return math.nan
        # The last row of a failed fold may be of an epoch that diverged.
        n = completed_epochs(fold_folder / LAST) if result.status == "failed" else len(history)
        if not result.is_complete and n < part:
            return math.nan
    except RunError:  # missing or damaged
        return math.nan
    sign = monitor_sign(config.monitor)
    return sign * float((sign * history[config.monitor][:part]).max())


def judge_at_rung(sweep: Path, config: TrainConfig, fold_folder: Path) -> Pruned | None:
    """Compare a fold at the rung with the others of its sweep.

    Args:
        sweep: folder of the sweep.
        config: running configuration.
        fold_folder: folder of its fold.

    Returns:
        The decision, or None to continue: it is among the best third, or has not trained its first epochs.
    """
    sign, own = monitor_sign(config.monitor), score_at_rung(fold_folder, config)
    data = _data_of(fold_folder)
    if math.isnan(own) or data is None:
        return None
    comparable = [  # the running one included
        run.folder / fold_folder.name
        for run in runs_below(sweep)
        if run.config
        and has_same_folds(run.config, config)
        and total_epochs(run.config) == total_epochs(config)
        and (theirs := _data_of(run.folder / fold_folder.name))
        and theirs.has_same_images(data)
    ]
    scores = [score for fold in comparable if not math.isnan(score := score_at_rung(fold, config))]
    n_better = sum(sign * score > sign * own for score in scores)
    if n_better < math.ceil(len(scores) / REDUCTION_FACTOR):
        return None
    trained = f"after {rung_epochs(config)} of {total_epochs(config)} epochs its {config.monitor} is {own:.4f}"
    return Pruned(
        own,
        f"{trained}, and {n_better} of {len(scores) - 1} others are better; halving=true continues with the best third",
    )


def _data_of(fold_folder: Path) -> DataFacts | None:
    try:
        result = read_fold(fold_folder)
    except RunError:
        return None
    return result.data if result else None
