"""Scores and files of a fold, made from its best checkpoint."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from lightning.pytorch.loggers import Logger

from facemask.data.datamodule import FaceDataModule
from facemask.errors import RunError
from facemask.files import to_jsonable, write_table
from facemask.inference.engine import write_engine
from facemask.metrics.bootstrap import N_BOOTSTRAPS, bootstrap_metrics, metric_intervals
from facemask.metrics.classification import classification_metrics
from facemask.models.checkpoint import load_model
from facemask.models.predict import predict_probabilities, prediction_table, truth_and_probabilities
from facemask.reports.curves import draw_learning_curves
from facemask.runs.results import FoldResult
from facemask.runs.run_folder import BEST, PREDICTIONS, peak_memory, read_history
from facemask.tracking.loggers import log_best

CURVES = "learning_curves.png"


def evaluate_best(
    folder: Path, data: FaceDataModule, device: str, seed: int, loggers: Sequence[Logger], result: FoldResult
) -> None:
    """Evaluate the best checkpoint, as read back from disk, and save its predictions."""
    model, preprocessing = load_model(folder / BEST)
    probabilities = predict_probabilities(model.to(device), preprocessing, data.inputs(data.val_samples))
    names = list(preprocessing.class_names)
    predictions = prediction_table(data.val_samples, probabilities, names)
    write_table(folder / PREDICTIONS, predictions)
    truth, _ = truth_and_probabilities(predictions, names)
    metrics = classification_metrics(truth, probabilities, names)
    groups = predictions["group"].tolist()
    resampled = bootstrap_metrics(truth, probabilities, names, groups)
    images = data.images(data.val_samples)
    log_best(loggers, metrics, predictions, images, names, seed)
    intervals = metric_intervals(resampled, metrics, truth, probabilities.argmax(axis=1), names, groups)
    history = read_history(folder)
    result.metrics, result.n_bootstraps = {"val": dict(metrics)}, N_BOOTSTRAPS
    result.intervals = {name: (low, high) for name, (low, high) in to_jsonable(intervals).items()}
    result.epochs, result.peak_memory_bytes = len(history), peak_memory()
    result.seconds, result.data_seconds = float(history["seconds"].sum()), float(history["data_seconds"].sum())
    if reason := write_engine(folder / BEST, model.cpu(), preprocessing, images):
        print(f"note: {folder} has no best.onnx ({reason}); its checkpoint is used.", flush=True)


def best_score(monitor: str, result: FoldResult, logged: float | None) -> float:
    """Return the monitored metric of the best epoch, from the saved predictions if possible."""
    split, _, name = monitor.partition("/")
    score = result.metrics.get(split, {}).get(name, logged)
    if score is None or not np.isfinite(score):
        raise RunError(f"the best epoch's {monitor} is {score}, which cannot be ranked; choose another monitor.")
    return float(score)


def draw_curves(folder: Path, model: str, result: FoldResult) -> None:
    """Draw the learning curves of a fold."""
    title = (
        f"{model} on {result.facts.name}, fold {result.fold}: "
        f"{result.n.train:,} training and {result.n.val:,} validation images"
    )
    figure = draw_learning_curves(read_history(folder), result.best_epoch, title)
    figure.savefig(folder / CURVES, dpi=120)
