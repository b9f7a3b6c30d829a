"""TensorBoard and Weights & Biases beside the run folder: opened before training, always closed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from lightning.pytorch.loggers import Logger, WandbLogger

from facemask.config.compose import Settings, build
from facemask.errors import ConfigError, first_line
from facemask.runs.run_folder import is_wandb, wandb_group, wandb_id
from facemask.seeding import PICTURES, derive_seed

SAMPLES = 32  # pictures shown: half at random, half the most confident mistakes


@contextmanager
def opened_loggers(settings: Settings, fold: int, folder: Path) -> Iterator[list[Logger]]:
    """Open the loggers of one fold, and close them whatever happens: else a crashed run would show as finished.

    Args:
        settings: the whole configuration; ``logger`` maps names to logger nodes.
        fold: the fold.
        folder: the fold's.

    Raises:
        ConfigError: Weights & Biases wants an account, or cannot be reached.
    """
    loggers: list[Logger] = []
    succeeded = False
    try:
        for node in (settings["logger"] or {}).values():
            loggers.append(_open(node, settings, fold, folder))  # noqa: PERF401  one by one: each must be closed
        yield loggers
        succeeded = True
    finally:
        for logger in loggers:
            _close(logger, succeeded)


def _open(node: Settings, settings: Settings, fold: int, folder: Path) -> Logger:
    facts: dict[str, Any] = {"save_dir": str(folder)}
    if is_wandb(node):
        run = "/".join(folder.parent.parts[-2:])  # of a sweep's job: its model and values
        facts |= {"name": f"{run} fold {fold}", "group": wandb_group(node, settings), "id": wandb_id(folder)}
    try:
        logger: Logger = build(node, **facts)
        logger.log_hyperparams(settings | {"fold": fold})  # which opens it
    except Exception as error:
        if is_wandb(node):
            import wandb

            wandb.finish(exit_code=1)
            # its errors have no base class in common
            raise ConfigError(
                f"Weights & Biases could not start ({first_line(error)}); log in with 'wandb login', or keep the run "
                "on this machine with logger.wandb.mode=offline."
            ) from error
        raise
    return logger


def _close(logger: Logger, succeeded: bool) -> None:
    if isinstance(logger, WandbLogger):
        import wandb

        wandb.finish(exit_code=0 if succeeded else 1)
    else:
        logger.finalize("success" if succeeded else "failed")


def log_best(
    loggers: Sequence[Logger],
    metrics: dict[str, float],
    predictions: pd.DataFrame,
    images: npt.NDArray[np.uint8],
    class_names: Sequence[str],
    seed: int,
) -> None:
    """Log the best epoch's scores, and show Weights & Biases its confusion matrix and some pictures with predictions.

    Args:
        loggers: all loggers.
        metrics: of the best epoch, on the validation part.
        predictions: a row a sample, as in ``predictions.parquet``.
        images: uint8[N, S, S, 3], their pictures.
        class_names: in the order of the probability columns.
        seed: picks the random half of the pictures.
    """
    for logger in loggers:
        logger.log_metrics({f"best/{name}": value for name, value in metrics.items()})
        if isinstance(logger, WandbLogger):
            _log_to_wandb(logger, predictions, images, list(class_names), seed)


def _log_to_wandb(
    logger: WandbLogger, predictions: pd.DataFrame, images: npt.NDArray[np.uint8], names: list[str], seed: int
) -> None:
    import wandb  # takes a second to import, and most runs do without

    truth = np.array([names.index(label) for label in predictions["label"]])
    probabilities = predictions[[f"probability_{name}" for name in names]].to_numpy()
    guess = probabilities.argmax(axis=1)
    table = wandb.Table(columns=["picture", "path", "label", "prediction", *names])
    for i in _pick(truth, probabilities, seed):
        row = predictions.iloc[i]
        table.add_data(wandb.Image(images[i]), row["path"], row["label"], names[guess[i]], *probabilities[i].tolist())
    matrix = wandb.plot.confusion_matrix(y_true=truth.tolist(), preds=guess.tolist(), class_names=names)
    logger.experiment.log({"val/confusion_matrix": matrix, "val/predictions": table})


def _pick(truth: npt.NDArray[np.intp], probabilities: npt.NDArray[np.floating], seed: int) -> list[int]:
    """Return the positions to show: the mistakes, most confident first, then others at random."""
    mistakes = np.flatnonzero(probabilities.argmax(axis=1) != truth)
    worst = mistakes[np.argsort(-probabilities[mistakes].max(axis=1), kind="stable")][: SAMPLES // 2]
    others = np.setdiff1d(np.arange(len(truth)), worst)
    rng = np.random.default_rng(derive_seed(PICTURES, seed))
    return [*worst.tolist(), *rng.permutation(others)[: SAMPLES - len(worst)].tolist()]
