"""Helpers for DDP training, whose processes Lightning spawns, or torchrun or srun starts on several machines."""

import logging
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import torch
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger
from torch.multiprocessing.spawn import ProcessRaisedException

from facemask import errors
from facemask.errors import ConfigError, RunError, first_line
from facemask.runs.run_folder import METRICS, read_history

PATIENCE = timedelta(hours=12)  # longest wait for another process, such as while it decodes images


@dataclass(frozen=True)
class Failure:
    """The message of rank 0 when it failed."""

    sentence: str


Message = int | str | Failure | None  # a fold to train, the run folder, the reason of a failure, the end

# Lightning warnings that are expected here.
EXPECTED_WARNINGS = [
    "The '.*_dataloader' does not have many workers",  # decoded images need few workers
    "The number of training batches .* is smaller than the logging interval",
    "No (negative|positive) samples in targets",  # a small part may have only one class
    "Found .* module.* in eval mode at the start of training",  # frozen layers
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # Lightning with newer torch
]


@dataclass(frozen=True)
class Ranks:
    """The processes that torchrun or srun started for one run, of which this is one.

    Rank 0 writes the run folder, and announces each fold to the others, which then train it with rank 0.

    Attributes:
        environment: Lightning's description of them.
        nodes: number of machines.
        is_fitting: whether the ranks are training; an announcement would mix with their exchange of gradients.
    """

    environment: ClusterEnvironment
    nodes: int
    is_fitting: ClassVar[bool] = False

    @property
    def rank(self) -> int:
        """Number of this process, in [0, size)."""
        return self.environment.global_rank()

    @property
    def size(self) -> int:
        """Number of processes."""
        return self.environment.world_size()

    def connect(self) -> None:
        """Connect the processes, if they are not connected."""
        if torch.distributed.is_initialized():
            return
        os.environ.setdefault("MASTER_ADDR", self.environment.main_address)
        os.environ.setdefault("MASTER_PORT", str(self.environment.main_port))
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        try:
            torch.distributed.init_process_group(backend, timeout=PATIENCE, rank=self.rank, world_size=self.size)
        except RuntimeError as error:
            where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
            raise RunError(
                f"the processes cannot connect at {where} ({first_line(error)}); set MASTER_PORT to a free port."
            ) from error

    def announce(self, message: Message) -> None:
        """Send a message from rank 0 to the others.

        Raises:
            RunError: another process has ended.
        """
        self._share([message])

    def receive(self) -> Any:
        """Return the next message of rank 0.

        Raises:
            RunError: rank 0 has failed, or another process has ended.
        """
        received: list[Any] = [None]
        self._share(received)
        if isinstance(received[0], Failure):
            raise RunError(received[0].sentence)
        return received[0]

    @staticmethod
    def _share(messages: list[Any]) -> None:
        try:
            torch.distributed.broadcast_object_list(messages, src=0)
        except RuntimeError as error:  # torch.distributed's own errors are RuntimeErrors
            raise RunError(f"another process has ended ({first_line(error)}); see its messages.") from error

    @contextmanager
    def together(self) -> Iterator[None]:
        """Train in this block, in which nothing is announced.

        Raises:
            RunError: another process has ended.
        """
        Ranks.is_fitting = True
        try:
            yield
        except torch.distributed.DistError as error:
            raise RunError(f"another process has ended ({first_line(error)}); see its messages.") from error
        Ranks.is_fitting = False

    @contextmanager
    def announced_end(self) -> Iterator[None]:
        """Announce the end of the run, or why it failed."""
        Ranks.is_fitting = False
        try:
            yield
        except BaseException as error:
            if not self.is_fitting:
                with suppress(RunError):  # the others have ended, too
                    self.announce(Failure(f"the first process failed: {error}"))
            raise
        with suppress(RunError):  # the run is complete
            self.announce(None)


def external_ranks() -> Ranks | None:
    """Return the processes that torchrun or srun started; None for a single process.

    Raises:
        ConfigError: Lightning does not support how they were started.
    """
    environment: ClusterEnvironment
    if TorchElasticEnvironment.detect():
        environment = TorchElasticEnvironment()
        per_node = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    # sbatch also sets SLURM_NTASKS; SLURM_STEP_NUM_TASKS counts the tasks that srun started.
    elif int(os.environ.get("SLURM_STEP_NUM_TASKS", 1)) > 1 and SLURMEnvironment.detect():
        try:
            environment = SLURMEnvironment(auto_requeue=False)  # a run is resumed by its own checkpoints
        except RuntimeError as error:
            raise ConfigError("srun must set --ntasks-per-node instead of --ntasks.") from error
        per_node = int(os.environ.get("SLURM_NTASKS_PER_NODE", 1))
    else:
        return None
    size = environment.world_size()
    if size % per_node:
        raise ConfigError(f"{size} processes cannot be divided equally among machines; start as many on each.")
    return Ranks(environment, size // per_node) if size > 1 else None


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
