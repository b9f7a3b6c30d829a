"""Tiny fits, and their exact comparison."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from conftest import compose_config
from facemask.config.schemas import TrainConfig
from facemask.config.targets import check_components
from facemask.runs.results import RunResult
from facemask.runs.run_folder import read_fold

Fit = Callable[..., tuple[RunResult, Path]]
FAST = [
    "model=cnn",
    "model.channels=[4,8]",
    "model.hidden=8",
    "model.input_size=16",
    "data.store_size=16",
    "bs=8",
    "k=3",
]


class PowerCut(BaseException):
    """An interruption that no code catches."""


class CutAt(Callback):
    """Interrupts a fit in the first batch of an epoch."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if trainer.current_epoch == self.epoch:
            raise PowerCut


def configure(root: Path, folder: Path, *overrides: str) -> TrainConfig:
    common = ["data=folder", f"data.root={root}", f"data.store_dir={folder}/store", "data.num_workers=0", "epochs=4"]
    config = compose_config(*common, *FAST, *overrides)
    check_components(config)
    return config


def history(folder: Path, fold: int = 0) -> pd.DataFrame:
    return pd.read_csv(folder / f"fold-{fold}" / "metrics.csv").drop(columns=["seconds", "data_seconds"])


def weights(folder: Path, name: str = "best.ckpt", fold: int = 0) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(folder / f"fold-{fold}" / name, weights_only=True)["state_dict"]
    return state


def assert_same(one: Path, other: Path, fold: int = 0) -> None:
    """Compare every number of two folds, to the last digit."""
    pd.testing.assert_frame_equal(history(one, fold), history(other, fold), check_exact=True)
    for name in ("best.ckpt", "last.ckpt"):
        pairs = zip(weights(one, name, fold).values(), weights(other, name, fold).values(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
    tables = [pd.read_parquet(folder / f"fold-{fold}" / "predictions.parquet") for folder in (one, other)]
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    results = [read_fold(folder / f"fold-{fold}") for folder in (one, other)]
    assert None not in results
    for key in ("metrics", "intervals", "best_epoch", "score", "epochs", "weights", "data"):
        assert getattr(results[0], key) == getattr(results[1], key), key
