"""Run folders as training writes them, for tests that only read them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import OmegaConf

from facemask.config.component import Component
from facemask.config.schemas import TrainConfig
from facemask.config.typed import to_plain
from facemask.files import write_atomically
from facemask.runs.results import DataFacts, FoldResult, RunResult, SampleCounts, Status, WeightFacts
from facemask.runs.run_folder import write

SCORES = {0: 0.9, 1: 0.95, 2: 0.94}
REASONS = {"failed": {"error": "RunError: it diverged"}, "pruned": {"pruned": "it was slow"}}


def configuration(**keys: Any) -> TrainConfig:
    """Return a complete configuration with some top-level keys changed; the optimiser's rate follows ``lr``."""
    data = {"name": "faces", "root": "faces", "store_dir": "store", "store_size": 24, "batch_size": 32}
    config = TrainConfig(
        lr=0.1,
        k=3,
        fold="all",
        name="faces",
        data=Component("facemask.data.datamodule.FaceDataModule", data),
        augment=Component("facemask.data.transforms.Augmentation"),
        model=Component("facemask.models.classifier.MaskClassifier", {"name": "net", "input_size": 24}),
        schedule=Component("facemask.models.schedules.none", is_partial=True),
        trainer=Component("lightning.pytorch.Trainer", {"max_epochs": 12}),
    )
    config = replace(config, **keys)
    return config if "optim" in keys else replace(config, optim=Component("torch.optim.AdamW", {"lr": config.lr}, True))


def write_run(
    folder: Path,
    scores: dict[int, float],
    status: Status = "complete",
    fingerprint: str = "abc",
    samples: str = "the images",
    **keys: Any,
) -> Path:
    """Write a run folder as training would, with the given score of each complete fold.

    Args:
        folder: of the run.
        scores: the monitored metric of each complete fold.
        status: of the run.
        fingerprint: of its data.
        samples: digest of its images, empty for a run of an earlier version.
        keys: of the configuration, see :func:`configuration`.
    """
    config = configuration(**keys)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(to_plain(config))))
    folds = [_fold(number, score, fingerprint, samples, config) for number, score in scores.items()]
    for fold in folds:
        inner = folder / f"fold-{fold.fold}"
        inner.mkdir()
        write(inner, fold)
        history = {"epoch": [1, 2], config.monitor: [scores[fold.fold] / 2, scores[fold.fold]]}
        pd.DataFrame(history).to_csv(inner / "metrics.csv", index=False)
    result = RunResult(status, model="net", monitor=config.monitor, k=config.k, command="python train.py", folds=folds)
    write(folder, replace(result, **REASONS.get(status, {})))
    return folder


def _fold(number: int, score: float, fingerprint: str, samples: str, config: TrainConfig) -> FoldResult:
    counts, size = {"train": {"a": 50, "b": 40}}, config.data.get("store_size")
    return FoldResult(
        number,
        "complete",
        data=DataFacts("faces", fingerprint, ["a", "b"], counts, store_size=size, samples=samples),
        n=SampleCounts(val=30),
        weights=WeightFacts(parameters=1000),
        best_epoch=2,
        score=score,
        metrics={"val": {"accuracy": score, "f1": score, "auroc": score}},
        seconds=10.0 * config.bs,
        peak_memory_bytes=2**30,
    )


def shifted(by: float) -> dict[int, float]:
    """Return the usual scores, each shifted by as much."""
    return {fold: score + by for fold, score in SCORES.items()}
