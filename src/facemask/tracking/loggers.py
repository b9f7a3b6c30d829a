"""TensorBoard, MLflow and Weights & Biases beside the run folder: opened before training, always closed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from hydra.errors import InstantiationException
from lightning.pytorch.loggers import Logger, MLFlowLogger, WandbLogger

from facemask.config.component import Component
from facemask.config.schemas import TrainConfig
from facemask.config.typed import to_plain
from facemask.errors import ConfigError, first_line
from facemask.files import write_atomically
from facemask.seeding import PICTURES, derive_seed
from facemask.tracking.mlflow import MLFLOW_ID, continue_run, is_mlflow, mlflow_facts
from facemask.tracking.wandb import is_wandb, kept_id, wandb_group

EXTRAS = {"TensorBoardLogger": "tensorboard", "MLFlowLogger": "mlflow"}  # the extra that each needs
SAMPLES = 32  # pictures shown: half at random, half the most confident mistakes


@contextmanager
def opened_loggers(config: TrainConfig, fold: int, folder: Path) -> Iterator[list[Logger]]:
    """Open the loggers of one fold, and close them whatever happens: else a crashed run would show as finished.

    Args:
        config: the whole configuration.
        fold: the fold.
        folder: the fold's.

    Raises:
        ConfigError: a logger's package is missing, Weights & Biases wants an account, or a service cannot be reached.
    """
    loggers: list[Logger] = []
    succeeded = False
    try:
        for node in (config.logger or {}).values():
            loggers.append(_open(node, config, fold, folder))  # noqa: PERF401  one by one: each must be closed
        yield loggers
        succeeded = True
    finally:
        for logger in loggers:
            _close(logger, succeeded)


def _open(node: Component, config: TrainConfig, fold: int, folder: Path) -> Logger:
    name = f"{'/'.join(folder.parent.parts[-2:])} fold {fold}"  # of a sweep's job: its model and values
    facts: dict[str, object] = {"save_dir": str(folder)}
    if is_wandb(node):
        facts |= {"name": name, "group": wandb_group(node, config.name), "id": kept_id(folder)}
    elif is_mlflow(node):
        facts = mlflow_facts(node, folder, name, {"sweep": config.name, "fold": str(fold)})
    try:
        logger: Logger = node.build(**facts)
        if isinstance(logger, MLFlowLogger) and "run_id" in facts:
            continue_run(logger)
        else:
            logger.log_hyperparams(to_plain(config) | {"fold": fold})  # which opens it
    except (ModuleNotFoundError, InstantiationException) as error:
        cause = error.__cause__ or error
        if isinstance(cause, ModuleNotFoundError) and (extra := EXTRAS.get(node.class_name)):
            raise ConfigError(f"logger={extra} is not installed; type: pip install 'facemask[{extra}]'") from error
        raise
    except Exception as error:
        if is_wandb(node):
            import wandb

            wandb.finish(exit_code=1)
            # its errors have no base class in common
            raise ConfigError(
                f"Weights & Biases could not start ({first_line(error)}); log in with 'wandb login', or keep the run "
                "on this machine with logger.wandb.mode=offline."
            ) from error
        if is_mlflow(node):
            again = f", or delete {folder / MLFLOW_ID} to begin a new run there" if "run_id" in facts else ""
            raise ConfigError(
                f"MLflow could not start ({first_line(error)}); check logger.mlflow.tracking_uri{again}."
            ) from error
        raise
    if is_mlflow(node):
        write_atomically(folder / MLFLOW_ID, str(logger.version))
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
