"""Fit one or all folds into a run folder."""

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import lightning
import numpy as np
import pandas as pd
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import Logger

from facemask.config.component import network_name
from facemask.config.keys import ALL_FOLDS
from facemask.config.roots import to_places
from facemask.config.schemas import TrainConfig
from facemask.data.datamodule import FaceDataModule
from facemask.errors import RunError
from facemask.files import to_csv, write_atomically, write_table
from facemask.models.checkpoint import completed_epochs, read_checkpoint
from facemask.models.weights import state_digest
from facemask.runs.results import DataFacts, FoldResult, RunResult, SampleCounts, Spread, WeightFacts
from facemask.runs.run_folder import (
    BEST,
    LAST,
    PREDICTIONS,
    environment,
    mean_and_std,
    open_run,
    read_fold,
    read_predictions,
    write,
)
from facemask.seeding import INITIAL_WEIGHTS, derive_seed
from facemask.sweeps.halving import rung_epochs, score_at_rung, total_epochs
from facemask.tracking.loggers import opened_loggers
from facemask.training.distillation import Teacher, check_same_images, open_teacher
from facemask.training.facts import training_facts
from facemask.training.features import frozen_features, threads_for
from facemask.training.outcome import best_score, draw_curves, evaluate_best
from facemask.training.parts import Model, build_data, build_fold_model, build_trainer
from facemask.training.processes import Ranks, errors_from_workers, external_ranks, replayed_to_loggers
from facemask.training.rounds import ends_here, is_settled


def fit_folds(config: TrainConfig, folder: Path, sweep: Path | None = None, command: str = "") -> RunResult:
    """Fit the folds of a configuration; resume an interrupted run.

    Args:
        config: a validated configuration.
        folder: run folder. If it contains a run of this configuration, complete folds are kept, and an interrupted fold
            is resumed after its last complete epoch with the same result.
        sweep: folder of the sweep that the run is part of, if any. With ``race`` and ``halving``, the run is pruned if
            it is behind others, see :mod:`facemask.sweeps.race` and :mod:`facemask.sweeps.halving`, and stops after
            ``race_folds``.
        command: command line that repeats this run.

    Returns:
        The content of ``result.json``.

    Raises:
        FaceMaskError: the run failed; the reason is also recorded in the run folder.
    """
    folds = range(config.k) if config.fold == ALL_FOLDS else [int(config.fold)]
    compared_sweep = sweep if config.race or config.halving else None
    stop_after = rung_epochs(config) if compared_sweep and config.halving and config.race_folds == 0 else None
    # In a race another process may still be training the previous fold of this run.
    with open_run(folder, config, is_waiting=bool(compared_sweep and config.race_folds)) as previous:
        if previous is not None and is_settled(previous, config, sweep):
            root = config.data.get("root")
            if root and all(place.is_dir() for place in to_places(root)):  # a complete run does not need its images
                _check_unchanged(build_data(config, folds[0]), folder)
            return previous
        result = RunResult(model=network_name(config.model), monitor=config.monitor, k=config.k, seed=config.seed)
        result.command = previous.command if previous and previous.command else command
        with _track_status(folder, result):
            for fold in folds:
                place = folder / f"fold-{fold}"
                if compared_sweep and ends_here(config, compared_sweep, result, place):
                    break
                done = fit_fold(config, fold, place, stop_after)
                if not done.is_complete:
                    result.status, result.score = done.status, done.score
                    break
                result.folds.append(done)
                result.data, result.weights, result.environment = done.data, done.weights, done.environment
                write(folder, result)
            if result.folds:
                _summarise(result)
                write_table(folder / PREDICTIONS, _all_predictions(result.folds, folder))
    return result


def fit_fold(config: TrainConfig, fold: int, folder: Path, stop_after: int | None = None) -> FoldResult:
    """Fit or resume one fold in its folder; return its result.

    All randomness depends only on the seed and the fold, so a fold gives the same result alone or with others.

    Args:
        config: a validated configuration.
        fold: number of the fold.
        folder: folder of the fold.
        stop_after: number of epochs after which the fold waits; None to complete it.
    """
    previous = read_fold(folder)
    if previous is not None and previous.is_complete:
        return previous
    if previous is not None and stop_after and completed_epochs(folder / LAST) >= stop_after:
        previous.status, previous.error, previous.score = "waiting", None, score_at_rung(folder, config)
        write(folder, previous)
        return previous
    folder.mkdir(parents=True, exist_ok=True)
    # Keep the fold's original data fingerprint even if resuming fails.
    result = FoldResult(fold, data=previous.data if previous else None)
    with _track_status(folder, result):
        teacher = open_teacher(config, fold)
        data, model = _build(config, fold, teacher)
        _check_unchanged(data, folder.parent)
        _report_unreadable(data, folder.parent)
        if teacher is not None:
            check_same_images(teacher, data)
            result.teacher = teacher.facts()
        _record_facts(result, data, model)
        write(folder, result)
        with opened_loggers(config, fold, folder) as loggers:
            _train(config, data, model, folder, result, loggers, stop_after)
        if result.status != "waiting":
            draw_curves(folder, network_name(config.model), result)
    del data, model
    gc.collect()  # Lightning's objects have reference cycles; free their memory before the next fold
    return result


def join_folds(config: TrainConfig, folder: Path, ranks: Ranks) -> None:
    """Train the folds that rank 0 announces, together with it.

    Args:
        config: a validated configuration.
        folder: run folder of rank 0, on a disk that all machines share.
        ranks: the processes.
    """
    while (fold := ranks.receive()) is not None:
        data, model = _build(config, fold, open_teacher(config, fold))
        trainer, _ = build_trainer(config, folder / f"fold-{fold}", model, [])
        _fit(config, data, model, folder / f"fold-{fold}", trainer)


def _build(config: TrainConfig, fold: int, teacher: Teacher | None) -> tuple[FaceDataModule, Model]:
    """Return the data and the initial model of a fold."""
    data = build_data(config, fold, teacher)
    lightning.seed_everything(derive_seed(INITIAL_WEIGHTS, config.seed, fold), verbose=False)
    return data, build_fold_model(config, data)


def _train(
    config: TrainConfig,
    data: FaceDataModule,
    model: Model,
    folder: Path,
    result: FoldResult,
    loggers: Sequence[Logger],
    stop_after: int | None,
) -> None:
    """Train or resume the model, and evaluate its best epoch, or leave it waiting after the first epochs."""
    is_spawned = config.trainer.get("strategy") is not None and external_ranks() is None
    live, replayed = ([], loggers) if is_spawned else (loggers, [])
    trainer, checkpoints = build_trainer(config, folder, model, live, stop_after)
    device = str(trainer.strategy.root_device)
    result.environment = environment(device)
    if config.fold != ALL_FOLDS or data.fold == 0:  # once a run
        print("\n".join(training_facts(config, data, model, device)), flush=True)
    with replayed_to_loggers(folder, completed_epochs(folder / LAST), replayed):
        data = _fit(config, data, model, folder, trainer)
    if is_spawned:  # the callback's state lives in the worker
        checkpoints.load_state_dict(read_checkpoint(folder / LAST)["callbacks"][checkpoints.state_key])
    result.best_epoch = checkpoints.best_epoch
    if stop_after and stop_after <= completed_epochs(folder / LAST) < total_epochs(config):
        result.status, result.score = "waiting", checkpoints.best_score
        return
    evaluate_best(folder, data, device, config.seed, loggers, result)
    result.score = best_score(config.monitor, result, checkpoints.best_score)


def _fit(config: TrainConfig, data: FaceDataModule, model: Model, folder: Path, trainer: Trainer) -> FaceDataModule:
    """Fit, from the last checkpoint if there is one; return the data as used, with cached features if they apply."""
    data = data.with_features(frozen_features(config, data, model, str(trainer.strategy.root_device)))
    if config.trainer.get("compile"):
        model.module.compile()
    last = folder / LAST if (folder / LAST).is_file() else None
    ranks = external_ranks()
    if ranks and ranks.rank == 0:
        ranks.announce(data.fold)
    with threads_for(data.features), errors_from_workers(), ranks.together() if ranks else nullcontext():
        trainer.fit(model.module, datamodule=data, ckpt_path=last, weights_only=True)
    return data


def _check_unchanged(data: FaceDataModule, run: Path) -> None:
    """Raise if the data fingerprint differs from the one that any fold of this run was started with."""
    for folder in sorted({file.parent for name in (BEST, LAST) for file in run.glob(f"fold-*/{name}")}):
        fold = read_fold(folder)
        known = fold.data.fingerprint if fold and fold.data else data.fingerprint
        if known != data.fingerprint:
            raise RunError(
                f"the images of data.root={data.shown_root} changed since {folder} was started (fingerprint "
                f"{known}, now {data.fingerprint}); restore them, use another folder for the new images "
                f"(name= for a sweep, hydra.run.dir= for a run), or delete {run} to start again."
            )


def _report_unreadable(data: FaceDataModule, run: Path) -> None:
    """Warn once per run about unreadable files, and list them in its folder."""
    file = run / "unreadable.csv"
    if len(data.unreadable) and not file.exists():
        write_atomically(file, to_csv(data.unreadable))
        n = sum(data.counts()["train"].values()) + len(data.unreadable)
        print(
            f"warning: {len(data.unreadable)} of {n:,} images cannot be read and are skipped: {file}", file=sys.stderr
        )


def _record_facts(result: FoldResult, data: FaceDataModule, model: Model) -> None:
    """Record facts about data and network before training."""
    parameters = list(model.module.parameters())
    result.data = DataFacts(
        name=str(data.name),
        fingerprint=data.fingerprint,
        classes=data.class_names,
        n=data.counts(),
        unreadable=len(data.unreadable),
        store_size=data.store_size,
        samples=data.samples_digest,
    )
    result.n = SampleCounts(len(data.train_samples), len(data.val_samples), int(data.val_samples["group"].nunique()))
    result.weights = WeightFacts(
        source=model.initial.source,
        sha256=state_digest(model.module),
        parameters=sum(p.numel() for p in parameters),
        trained=sum(p.numel() for p in parameters if p.requires_grad),
    )


def _all_predictions(folds: Sequence[FoldResult], folder: Path) -> pd.DataFrame:
    tables = [read_predictions(folder / f"fold-{f.fold}").assign(fold=f.fold) for f in folds]
    return pd.concat(tables, ignore_index=True)


def _summarise(result: RunResult) -> None:
    """Compute means and standard deviations over folds."""
    folds = result.folds
    score = _spread([fold.score for fold in folds])
    result.score, result.score_std = score.mean, score.std
    names = folds[0].metrics["val"]
    result.metrics = {"val": {name: _spread([fold.metrics["val"][name] for fold in folds]) for name in names}}
    result.epochs = sum(fold.epochs for fold in folds)
    result.seconds = sum(fold.seconds for fold in folds)
    memory = [fold.peak_memory_bytes for fold in folds if fold.peak_memory_bytes is not None]
    result.peak_memory_bytes = max(memory, default=None)


def _spread(values: Sequence[float | None]) -> Spread:
    return Spread(**mean_and_std([np.nan if value is None else value for value in values]))


@contextmanager
def _track_status(folder: Path, result: RunResult | FoldResult) -> Iterator[None]:
    """Keep the status in ``result.json`` up to date, also on errors."""
    result.status, result.error = "running", None
    write(folder, result)
    try:
        yield
    except BaseException as error:
        is_interrupted = isinstance(error, KeyboardInterrupt | SystemExit)  # Lightning raises SystemExit on Ctrl-C
        result.status = "interrupted" if is_interrupted else "failed"
        result.error = f"{type(error).__name__}: {error}"
        raise
    else:
        if result.status == "running":
            result.status = "complete"
    finally:
        write(folder, result)
