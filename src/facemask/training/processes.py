"""Helpers for DDP training, whose processes Lightning spawns, or torchrun or Slurm started on several machines."""

import logging
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger
from torch.multiprocessing.spawn import ProcessRaisedException

from facemask import errors
from facemask.errors import ConfigError
from facemask.runs.run_folder import METRICS, read_history

# Lightning warnings that are expected here.
EXPECTED_WARNINGS = [
    "The '.*_dataloader' does not have many workers",  # decoded images need few workers
    "The number of training batches .* is smaller than the logging interval",
    "No (negative|positive) samples in targets",  # a small part may have only one class
    "Found .* module.* in eval mode at the start of training",  # frozen layers
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # Lightning with newer torch
]


@dataclass(frozen=True)
class Processes:
    """The processes that torchrun or Slurm started, of which this is one.

    Attributes:
        rank: number of this process, in [0, size).
        size: number of processes.
        nodes: number of machines.
    """

    rank: int
    size: int
    nodes: int


def started_processes() -> Processes | None:
    """Return the processes that torchrun or Slurm started for one run; None if they started one, or none.

    Raises:
        ConfigError: Lightning does not support how Slurm started them.
    """
    environment: TorchElasticEnvironment | SLURMEnvironment
    if TorchElasticEnvironment.detect():
        environment = TorchElasticEnvironment()
        nodes = environment.world_size() // int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    # In a batch script, Slurm counts the tasks that it allows; only srun starts them.
    elif SLURMEnvironment.detect() and int(os.environ.get("SLURM_STEP_NUM_TASKS", 1)) > 1:
        try:
            environment, nodes = SLURMEnvironment(), int(os.environ.get("SLURM_NNODES", 1))
        except RuntimeError as error:
            raise ConfigError("srun must set --ntasks-per-node instead of --ntasks") from error
    else:
        return None
    size = environment.world_size()
    return Processes(environment.global_rank(), size, nodes) if size > 1 else None


def wait_for_all() -> None:
    """Wait until every process is here, if they have trained together."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()


def silence_expected_warnings() -> None:
    """Silence expected warnings in this process."""
    for part in ("pytorch", "fabric"):
        logging.getLogger(f"lightning.{part}").setLevel(logging.WARNING)
    for message in EXPECTED_WARNINGS:
        warnings.filterwarnings("ignore", message)


class InEachProcess(Callback):
    """DDP helper: silence workers, and broadcast batch-norm buffers from rank 0 before validation."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Silence expected warnings in each process at its start."""
        silence_expected_warnings()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Broadcast the batch-norm statistics of rank 0, which are in the checkpoint.

        On CPUs batch norm is not synchronised, so each rank has its own statistics and would validate a different
        model.
        """
        if trainer.world_size > 1:
            for buffer in pl_module.buffers():
                torch.distributed.broadcast(buffer, src=0)


@contextmanager
def errors_from_workers() -> Iterator[None]:
    """Re-raise errors of spawned workers as their own type; torch passes only the traceback as text.

    Raises:
        FaceMaskError: the error of the worker.
    """
    try:
        yield
    except ProcessRaisedException as error:
        messages = re.findall(r"^facemask\.errors\.(\w+): (.*)", str(error), re.MULTILINE)
        if not messages:
            raise
        kind, sentence = messages[-1]
        raise getattr(errors, kind)(sentence) from error


@contextmanager
def replayed_to_loggers(folder: Path, first_epoch: int, loggers: Sequence[Logger]) -> Iterator[None]:
    """Replay ``metrics.csv`` to the loggers after a DDP fit: loggers cannot be pickled into spawned workers.

    Args:
        folder: folder of the fold.
        first_epoch: number of epochs that were logged before.
        loggers: loggers of this process; empty if the fit logs by itself.
    """
    try:
        yield
    finally:
        if loggers and (folder / METRICS).is_file():
            history = read_history(folder)
            for row in history[history["epoch"] > first_epoch].to_dict("records"):
                epoch = int(row["epoch"]) - 1  # Lightning counts epochs from 0
                for logger in loggers:
                    logger.log_metrics({str(name): value for name, value in row.items()} | {"epoch": epoch}, step=epoch)
