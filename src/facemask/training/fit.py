"""Fit one fold, or each in turn, into a run folder."""

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import lightning
import numpy as np
import pandas as pd
from lightning.pytorch import LightningModule
from lightning.pytorch.loggers import Logger

from facemask.config.compose import Settings
from facemask.config.keys import ALL_FOLDS
from facemask.config.schemas import TrainConfig
from facemask.config.typed import from_plain
from facemask.data.datamodule import FaceDataModule
from facemask.errors import RunError
from facemask.files import plain, write_atomically, write_table
from facemask.metrics.bootstrap import DRAWS, metric_draws, metric_intervals
from facemask.metrics.classification import classification_metrics
from facemask.models.checkpoint import load_model, read_checkpoint
from facemask.models.predict import predict_probabilities, prediction_table, truth_and_probabilities
from facemask.models.weights import InitialWeights, state_digest
from facemask.reports.curves import draw_learning_curves
from facemask.runs.run_folder import (
    BEST,
    LAST,
    METRICS,
    PREDICTIONS,
    Result,
    command,
    config_hash,
    environment,
    is_complete,
    mean_and_std,
    open_run,
    peak_memory,
    read_result,
    write_result,
)
from facemask.seeding import INITIAL_WEIGHTS, derive_seed
from facemask.sweeps.race import judge
from facemask.tracking.loggers import log_best, opened_loggers
from facemask.training.distillation import open_teacher
from facemask.training.features import frozen_features, threads_for
from facemask.training.parts import build_data, build_fold_model, build_trainer, model_name
from facemask.training.processes import logged_afterwards, raised_here

CURVES = "learning_curves.png"


def fit_folds(settings: Settings, folder: Path, sweep: Path | None = None) -> Result:
    """Fit the fold, or the folds, that a configuration asks for, going on where an earlier call was cut off.

    Args:
        settings: a validated configuration.
        folder: the run folder. If it holds a run of this configuration, its complete folds are kept, and the one
            that was cut off is taken up at its last complete epoch and ends where it would have ended.
        sweep: the folder of the sweep that the run is part of, if it is. With ``race``, the run ends as ``pruned`` as
            soon as it is clearly behind the sweep's best, see :func:`facemask.sweeps.race.judge`.

    Returns:
        The content of ``result.json``.

    Raises:
        FaceMaskError: what a user can mend; recorded in the run folder first, as every other error is.
    """
    folds = range(settings["k"]) if settings["fold"] == ALL_FOLDS else [int(settings["fold"])]
    with open_run(folder, settings) as previous:
        rivals = sweep if settings["race"] else None
        if previous is not None and (is_complete(previous) or (rivals and previous["status"] == "pruned")):
            root = settings["data"].get("root")
            if root and Path(root).expanduser().is_dir():  # what is complete does without its images
                _check_unchanged(build_data(settings, folds[0]), folder)
            return previous
        result: Result = {
            "model": model_name(settings),
            "monitor": settings["monitor"],
            "k": settings["k"],
            "seed": settings["seed"],
            "config_hash": config_hash(settings),
            "command": (previous or {}).get("command") or command(),
            "folds": [],
        }
        with _recorded(folder, result):
            for fold in folds:
                if rivals and (pruned := judge(rivals, from_plain(TrainConfig, settings))):
                    result |= {"status": "pruned", "pruned": pruned.reason, "score": pruned.score}
                    break
                done = fit_fold(settings, fold, folder / f"fold-{fold}")
                result["folds"].append(done)
                result |= {key: done[key] for key in ("data", "weights", "environment")}
                write_result(folder, result)
            if result["folds"]:
                result |= _summary(result["folds"])
                write_table(folder / PREDICTIONS, _all_predictions(result["folds"], folder))
    return result


def fit_fold(settings: Settings, fold: int, folder: Path) -> Result:
    """Fit one fold into its folder, or go on with it; return its result.

    Everything random follows from the seed and the fold, so a fold comes out the same alone and among others.
    """
    previous = read_result(folder)
    if previous is not None and is_complete(previous):
        return previous
    folder.mkdir(parents=True, exist_ok=True)
    result: Result = {"fold": fold}
    if previous is not None and "data" in previous:  # what it was begun on must outlive a failure to go on
        result["data"] = previous["data"]
    with _recorded(folder, result):
        data = build_data(settings, fold)
        _check_unchanged(data, folder.parent)
        _report_unreadable(data, folder.parent)
        lightning.seed_everything(derive_seed(INITIAL_WEIGHTS, settings["seed"], fold), verbose=False)
        model, record, initial = build_fold_model(settings, data)
        data.preprocessing = record
        result |= _facts(data, model, initial)
        write_result(folder, result)
        with opened_loggers(settings, fold, folder) as loggers:
            several = settings["trainer"].get("strategy") is not None
            live, late = ([], loggers) if several else (loggers, [])
            trainer, checkpoints = build_trainer(settings, fold, folder, record, live)
            device = str(trainer.strategy.root_device)
            result["environment"] = environment(device)
            data.features = frozen_features(settings, data, model, record, device)
            if teacher := open_teacher(settings, data, model, record):
                data.teacher, result["teacher"] = teacher, teacher.facts()
            if settings["trainer"].get("compile"):
                model.compile()
            last = folder / LAST if (folder / LAST).is_file() else None
            data.first_epoch = read_checkpoint(last)["epoch"] + 1 if last else 0
            with threads_for(data.features), raised_here(), logged_afterwards(folder, data.first_epoch, late):
                trainer.fit(model, datamodule=data, ckpt_path=last, weights_only=True)
            if several:  # what the callback knows, it knows in a process that has ended
                checkpoints.load_state_dict(read_checkpoint(folder / LAST)["callbacks"][checkpoints.state_key])
            result["best_epoch"] = checkpoints.best_epoch
            result |= _evaluate(folder, data, device, settings["seed"], loggers)
        result["score"] = _score(settings["monitor"], result, checkpoints.best_score)
        _draw(folder, model_name(settings), result)
    del data, model, trainer
    gc.collect()  # Lightning's objects refer to one another, and the next fold should find their memory free
    return result


def _check_unchanged(data: FaceDataModule, run: Path) -> None:
    """Refuse to go on over changed images, with folds that are no parts of one split, or to pass for a run on them."""
    for folder in sorted({file.parent for name in (BEST, LAST) for file in run.glob(f"fold-*/{name}")}):
        known = (read_result(folder) or {}).get("data", {}).get("fingerprint", data.fingerprint)
        if known != data.fingerprint:
            raise RunError(
                f"the images of data.root={data.root} have changed since {folder} was begun (fingerprint {known}, now "
                f"{data.fingerprint}); bring them back, give the run on these a place of its own (name= for a sweep, "
                f"hydra.run.dir=), or delete {run} to begin anew."
            )


def _report_unreadable(data: FaceDataModule, run: Path) -> None:
    """Warn once a run of files that could not be read, and list them in its folder."""
    file = run / "unreadable.csv"
    if len(data.unreadable) and not file.exists():
        write_atomically(file, data.unreadable.to_csv(index=False))
        n = sum(data.counts()["train"].values()) + len(data.unreadable)
        print(
            f"warning: {len(data.unreadable)} of {n:,} images cannot be read and are left out: {file}", file=sys.stderr
        )


def _facts(data: FaceDataModule, model: LightningModule, initial: InitialWeights) -> Result:
    """Return what is known before training, of the data and of the network."""
    parameters = list(model.parameters())
    return {
        "data": {
            "name": data.name,
            "fingerprint": data.fingerprint,
            "classes": data.class_names,
            "n": data.counts(),
            "unreadable": len(data.unreadable),
        },
        "n": {
            "train": len(data.train_samples),
            "val": len(data.val_samples),
            "val_groups": int(data.val_samples["group"].nunique()),
        },
        "weights": {
            "source": initial.source,
            "sha256": state_digest(model),
            "parameters": sum(p.numel() for p in parameters),
            "trained": sum(p.numel() for p in parameters if p.requires_grad),
        },
    }


def _evaluate(folder: Path, data: FaceDataModule, device: str, seed: int, loggers: Sequence[Logger]) -> Result:
    """Score the best checkpoint, read back from disk as any later reader would, and keep its predictions."""
    model, record = load_model(folder / BEST)
    probabilities = predict_probabilities(model.to(device), record, data.inputs(data.val_samples))
    names = list(record.class_names)
    predictions = prediction_table(data.val_samples, probabilities, names)
    write_table(folder / PREDICTIONS, predictions)
    truth, _ = truth_and_probabilities(predictions, names)
    metrics = classification_metrics(truth, probabilities, names)
    groups = predictions["group"].tolist()
    draws = metric_draws(truth, probabilities, names, groups)
    log_best(loggers, metrics, predictions, data.images(data.val_samples), names, seed)
    history = pd.read_csv(folder / METRICS)
    return {
        "metrics": {"val": metrics},
        "intervals": plain(metric_intervals(draws, metrics, truth, probabilities.argmax(axis=1), names, groups)),
        "draws": DRAWS,
        "epochs": len(history),
        "seconds": float(history["seconds"].sum()),
        "data_seconds": float(history["data_seconds"].sum()),
        "peak_memory_bytes": peak_memory(),
    }


def _score(monitor: str, result: Result, logged: float | None) -> float:
    """Return the monitored metric of the best epoch, as its saved predictions give it where they can."""
    split, _, name = monitor.partition("/")
    score = result["metrics"].get(split, {}).get(name, logged)
    if score is None or not np.isfinite(score):
        raise RunError(
            f"the best epoch's {monitor} is {score}; a run cannot be ranked by that: choose another monitor."
        )
    return float(score)


def _all_predictions(folds: Sequence[Result], folder: Path) -> pd.DataFrame:
    tables = [pd.read_parquet(folder / f"fold-{f['fold']}" / PREDICTIONS).assign(fold=f["fold"]) for f in folds]
    return pd.concat(tables, ignore_index=True)


def _summary(folds: Sequence[Result]) -> Result:
    """Return means and standard deviations over folds."""
    names = folds[0]["metrics"]["val"]
    score = mean_and_std([fold["score"] for fold in folds])
    return {
        "score": score["mean"],
        "score_std": score["std"],
        "metrics": {"val": {name: mean_and_std([f["metrics"]["val"][name] for f in folds]) for name in names}},
        "epochs": sum(fold["epochs"] for fold in folds),
        "seconds": sum(fold["seconds"] for fold in folds),
        "peak_memory_bytes": max(fold["peak_memory_bytes"] for fold in folds),
    }


def _draw(folder: Path, model: str, result: Result) -> None:
    n = result["n"]
    title = (
        f"{model} on {result['data']['name']}, fold {result['fold']}: "
        f"{n['train']:,} training and {n['val']:,} validation images"
    )
    figure = draw_learning_curves(pd.read_csv(folder / METRICS), result["best_epoch"], title)
    figure.savefig(folder / CURVES, dpi=120)


@contextmanager
def _recorded(folder: Path, result: Result) -> Iterator[None]:
    """Keep a folder's ``result.json`` true to what is happening to it, whatever happens."""
    result |= {"status": "running", "error": None}
    write_result(folder, result)
    try:
        yield
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt | SystemExit)  # Lightning turns Ctrl-C into SystemExit
        result |= {
            "status": "interrupted" if stopped else "failed",
            "error": f"{type(error).__name__}: {error}",
        }
        raise
    else:
        result["status"] = "complete" if result["status"] == "running" else result["status"]
    finally:
        write_result(folder, result)
