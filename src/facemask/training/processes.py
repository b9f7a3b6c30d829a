"""One run in several processes, which Lightning begins with the fit and ends with it."""

import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger
from torch.multiprocessing.spawn import ProcessRaisedException

from facemask import errors
from facemask.runs.run_folder import METRICS

# What Lightning says of choices that are meant.
MEANT = [
    "The '.*_dataloader' does not have many workers",  # decoded images need few
    "The number of training batches .* is smaller than the logging interval",
    "No (negative|positive) samples in targets",  # of one class, in a part too small to have them all
    "Found .* module.* in eval mode at the start of training",  # frozen layers
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # between Lightning and torch
]


def quieten() -> None:
    """Keep this process from saying what needs no saying."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for message in MEANT:
        warnings.filterwarnings("ignore", message)


class InEachProcess(Callback):
    """Make the processes of a run quiet, and of one mind."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Called first, in each process."""
        quieten()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Give all processes the batch-norm statistics of the first, which are what the checkpoint holds.

        Where batch norm is not synchronised, as on CPUs, each has its own, and validates its share of the images.
        """
        if trainer.world_size > 1:
            for buffer in pl_module.buffers():
                torch.distributed.broadcast(buffer, src=0)


@contextmanager
def raised_here() -> Iterator[None]:
    """Raise what another process raised for a user as if it had been this one: torch passes its traceback as text.

    Raises:
        FaceMaskError: of the other process.
    """
    try:
        yield
    except ProcessRaisedException as error:
        told = re.findall(r"^facemask\.errors\.(\w+): (.*)", str(error), re.MULTILINE)
        if not told:
            raise
        kind, sentence = told[-1]
        raise getattr(errors, kind)(sentence) from error


@contextmanager
def logged_afterwards(folder: Path, first_epoch: int, loggers: Sequence[Logger]) -> Iterator[None]:
    """Log the epochs of a fit whose processes have no loggers, which do not follow there, however it ends.

    Args:
        folder: the fold's.
        first_epoch: number of epochs that an earlier call has logged.
        loggers: open in this process; none where the fit logs by itself.
    """
    try:
        yield
    finally:
        if loggers and (folder / METRICS).is_file():
            history = pd.read_csv(folder / METRICS)
            for row in history[history["epoch"] > first_epoch].to_dict("records"):
                epoch = int(row["epoch"]) - 1  # as Lightning counts them when it logs by itself
                for logger in loggers:
                    logger.log_metrics({str(name): value for name, value in row.items()} | {"epoch": epoch}, step=epoch)
