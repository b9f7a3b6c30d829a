"""Successive halving: train only the best third of the configurations to the end (Jamieson & Talwalkar, 2016).

There is one halving, after a third of the epochs, so a grid takes about half the time. The learning rate follows the
schedule of the whole training, so that a configuration that continues gives the same result as without halving.
"""

import math
from pathlib import Path

from facemask.config.resolvers import monitor_sign
from facemask.config.schemas import TrainConfig
from facemask.errors import RunError
from facemask.runs.run_folder import read_history
from facemask.sweeps.configurations import runs_below
from facemask.sweeps.race import Pruned, has_same_folds

KEPT = 3  # one configuration in so many continues, after one epoch in so many


def first_part(config: TrainConfig) -> int:
    """Return the number of epochs before the halving."""
    return max(1, round(config.epochs / KEPT))


def judge_first_part(sweep: Path, config: TrainConfig, fold: Path) -> Pruned | None:
    """Compare the first epochs of a fold with the same epochs and fold of the others of its sweep that have not failed.

    Args:
        sweep: folder of the sweep.
        config: running configuration.
        fold: folder of its fold.

    Returns:
        The decision, or None to continue: it is among the best third, or its first epochs are missing.
    """
    scores = {}
    for run in runs_below(sweep):
        if run.config and run.result.status != "failed" and has_same_folds(run.config, config):
            folder = run.folder / fold.name
            scores[folder.absolute()] = _best_of_first_part(folder, run.config)
    own = scores.pop(fold.absolute(), math.nan)
    others = [score for score in scores.values() if not math.isnan(score)]
    n_better = sum(score > own for score in others)
    if math.isnan(own) or n_better < math.ceil((len(others) + 1) / KEPT):
        return None
    score = monitor_sign(config.monitor) * own
    return Pruned(
        score,
        f"after {first_part(config)} of {config.epochs} epochs its {config.monitor} is {score:.4f}, and {n_better} of "
        f"{len(others)} others are better; halving=true continues with the best third",
    )


def _best_of_first_part(folder: Path, config: TrainConfig) -> float:
    """Return the best score of a fold's first epochs, higher is better; NaN if it has not trained them."""
    try:
        history = read_history(folder)
    except RunError:  # missing or damaged
        return math.nan
    n = first_part(config)
    if config.monitor not in history or len(history) < n:
        return math.nan
    return float((monitor_sign(config.monitor) * history[config.monitor][:n]).max())
