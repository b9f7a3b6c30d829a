"""Open and close TensorBoard, MLflow and W&B loggers."""

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

EXTRAS = {"TensorBoardLogger": "tensorboard", "MLFlowLogger": "mlflow"}  # pip extra of each logger
SAMPLES = 32  # number of logged images: half random, half the most confident errors


@contextmanager
def opened_loggers(config: TrainConfig, fold: int, folder: Path) -> Iterator[list[Logger]]:
    """Open the loggers of a fold, and close them also on errors, so that a crashed run is not shown as finished.

    Args:
        config: complete configuration.
        fold: number of the fold.
        folder: folder of the fold.

    Raises:
        ConfigError: a logger's package is missing, W&B needs an account, or a service cannot be reached.
    """
    loggers: list[Logger] = []
    succeeded = False
    try:
        for node in (config.logger or {}).values():
            loggers.append(_open(node, config, fold, folder))  # noqa: PERF401  each opened logger must be closed
        yield loggers
        succeeded = True
    finally:
        for logger in loggers:
            _close(logger, succeeded)


def _open(node: Component, config: TrainConfig, fold: int, folder: Path) -> Logger:
    name = f"{'/'.join(folder.parent.parts[-2:])} fold {fold}"  # for a sweep's job: model and values
    facts: dict[str, object] = {"save_dir": str(folder)}
    if is_wandb(node):
        place = str(folder.absolute())  # W&B's own process may have been started in another folder
        facts = {"save_dir": place, "name": name, "group": wandb_group(node, config.name), "id": kept_id(folder)}
    elif is_mlflow(node):
        facts = mlflow_facts(node, folder, name, {"sweep": config.name, "fold": str(fold)})
    try:
        logger: Logger = node.build(**facts)
        if isinstance(logger, MLFlowLogger) and "run_id" in facts:
            continue_run(logger)
        else:
            logger.log_hyperparams(to_plain(config) | {"fold": fold})  # opens the logger
    except (ModuleNotFoundError, InstantiationException) as error:
        cause = error.__cause__ or error
        if isinstance(cause, ModuleNotFoundError) and (extra := EXTRAS.get(node.class_name)):
            raise ConfigError(f"logger={extra} is not installed; type: pip install 'facemask[{extra}]'") from error
        raise
    except Exception as error:
        if is_wandb(node):
            import wandb

            wandb.finish(exit_code=1)
            # wandb's errors have no common base class
            raise ConfigError(
                f"Weights & Biases could not start ({first_line(error)}); log in with 'wandb login', or log locally "
                "with logger.wandb.mode=offline."
            ) from error
        if is_mlflow(node):
            again = f", or delete {folder / MLFLOW_ID} to start a new MLflow run" if "run_id" in facts else ""
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
    """Log the best epoch's scores, and to W&B also its confusion matrix and sample predictions.

    Args:
        loggers: all loggers.
        metrics: validation metrics of the best epoch.
        predictions: one row per sample, as in ``predictions.parquet``.
        images: uint8[N, S, S, 3], images of the samples.
        class_names: class names in the order of the probability columns.
        seed: seed of the random images.
    """
    for logger in loggers:
        logger.log_metrics({f"best/{name}": value for name, value in metrics.items()})
        if isinstance(logger, WandbLogger):
            _log_to_wandb(logger, predictions, images, list(class_names), seed)


def _log_to_wandb(
    logger: WandbLogger, predictions: pd.DataFrame, images: npt.NDArray[np.uint8], names: list[str], seed: int
) -> None:
    import wandb  # slow to import and rarely needed

    truth = np.array([names.index(label) for label in predictions["label"]])
    probabilities = predictions[[f"probability_{name}" for name in names]].to_numpy()
    predicted = probabilities.argmax(axis=1)
    table = wandb.Table(columns=["picture", "path", "label", "prediction", *names])
    for i in _pick(truth, probabilities, seed):
        row = predictions.iloc[i]
        table.add_data(
            wandb.Image(images[i]), row["path"], row["label"], names[predicted[i]], *probabilities[i].tolist()
        )
    matrix = wandb.plot.confusion_matrix(y_true=truth.tolist(), preds=predicted.tolist(), class_names=names)
    logger.experiment.log({"val/confusion_matrix": matrix, "val/predictions": table})


def _pick(truth: npt.NDArray[np.intp], probabilities: npt.NDArray[np.floating], seed: int) -> list[int]:
    """Return the positions to log: the most confident errors, then random ones."""
    mistakes = np.flatnonzero(probabilities.argmax(axis=1) != truth)
    worst = mistakes[np.argsort(-probabilities[mistakes].max(axis=1), kind="stable")][: SAMPLES // 2]
    others = np.setdiff1d(np.arange(len(truth)), worst)
    rng = np.random.default_rng(derive_seed(PICTURES, seed))
    return [*worst.tolist(), *rng.permutation(others)[: SAMPLES - len(worst)].tolist()]
