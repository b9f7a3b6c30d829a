"""``python sabotage.py WHERE train.py-arguments``: train, and kill the process at a chosen moment."""

import os
import runpy
import signal
import sys
from pathlib import Path
from typing import Any

import torch

from facemask.data import store
from facemask.models.epoch_seed import EpochSeed

PROJECT = Path(__file__).parent.parent.parent


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def in_the_store() -> None:
    """Die half-way through decoding."""
    decode = store.read_image

    def read_image(path: Path) -> Any:
        if path.parent.name == "no_mask":
            die()
        return decode(path)

    store.read_image, store.CHUNK = read_image, 64


def in_an_epoch() -> None:
    """Die in the second batch of the second epoch."""

    def on_train_batch_start(self: Any, trainer: Any, module: Any, batch: Any, batch_idx: int) -> None:
        if trainer.current_epoch == 1 and batch_idx == 1:
            die()

    EpochSeed.on_train_batch_start = on_train_batch_start  # type: ignore[method-assign]


def in_a_checkpoint() -> None:
    """Die when half of the second epoch's first checkpoint is on the disk."""
    save = torch.save
    written = []

    def torch_save(content: Any, stream: Any) -> None:
        save(content, stream)
        written.append(content["epoch"])
        if content["epoch"] == 1:
            stream.truncate(stream.tell() // 2)
            stream.flush()
            die()

    torch.save = torch_save


def by_an_error() -> None:
    """Raise what nobody foresaw, in the run with seven images a step."""

    def on_train_epoch_start(self: Any, trainer: Any, module: Any) -> None:
        if trainer.datamodule.batch_size == 7:
            raise ZeroDivisionError("nobody foresaw this")

    EpochSeed.on_train_epoch_start = on_train_epoch_start  # type: ignore[method-assign]


{"store": in_the_store, "epoch": in_an_epoch, "checkpoint": in_a_checkpoint, "error": by_an_error}[sys.argv.pop(1)]()
sys.argv[0] = str(PROJECT / "train.py")
runpy.run_path(sys.argv[0], run_name="__main__")
