"""Loaders of whole batches, and their processes."""

import os
import sys
from collections.abc import Iterator
from multiprocessing.util import Finalize
from typing import Any

import torch
from lightning.pytorch import Trainer
from torch.utils.data import DataLoader, Dataset

from facemask.data.dataset import Batch, EpochSampler
from facemask.errors import DataError, first_line

# Explicit, because a Hydra launcher may have changed the global default to one that DataLoader workers cannot use.
WORKERS = "fork" if sys.platform == "linux" and hasattr(os, "fork") else "spawn"
LOADER_TIMEOUT = 300  # seconds to wait for a loader process
# One H100 trains on 13,000 faces of 96 pixels a second. One loader process cannot supply that; eight can.
GPU_WORKERS = 8


def as_is(batch: Any) -> Any:
    """Return the batch unchanged: :meth:`FaceDataset.__getitems__` has already collated it."""
    return batch


def end_with_parent(_: int) -> None:
    """Let this worker end if its parent is killed, without waiting until somebody reads what it has loaded."""
    Finalize(None, _end_if_orphaned, args=(os.getppid(),), exitpriority=0)  # before its queue waits


def _end_if_orphaned(parent: int) -> None:
    if os.getppid() != parent:
        os._exit(1)


class ArrayLoader(DataLoader[Batch]):
    """Loader of tensors whose worker processes send arrays through a pipe.

    Tensors would be sent through shared memory and file handles; where a container has too little of them, training
    would wait for ever.

    Raises:
        DataError: on iteration, if a worker cannot start, ends, or does not answer.
    """

    def _try_to_start(self) -> None:
        """Create what the workers need; if it failed inside torch, torch's destructor would print another error."""
        context = self.multiprocessing_context
        _ = [context.Queue() for _ in range(self.num_workers + 1)], context.Event()

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        try:
            if self.num_workers and self._iterator is None:
                self._try_to_start()
            for arrays in super().__iter__():
                tensors = tuple(map(torch.from_numpy, arrays))
                yield tuple(t.pin_memory() for t in tensors) if torch.cuda.is_available() else tensors
        except (RuntimeError, OSError) as error:
            if self.num_workers and (isinstance(error, OSError) or "DataLoader" in str(error)):
                raise DataError(
                    f"a worker process of the data loader failed ({first_line(error)}); load in the main process "
                    "(data.num_workers=0), or raise the limits of shared memory and open files "
                    "(docker run --shm-size=1g, ulimit -n 1024)."
                ) from error
            raise


def array_loader(
    dataset: Dataset[Batch], sampler: EpochSampler, batch_size: int, num_workers: int, drop_last: bool
) -> ArrayLoader:
    """Return a loader with the project's options.

    A subclass cannot set them, because Lightning builds loaders again from the arguments of their signature.
    """
    return ArrayLoader(
        dataset,
        batch_size=batch_size,
        sampler=sampler,
        num_workers=num_workers,
        collate_fn=as_is,
        worker_init_fn=end_with_parent,
        drop_last=drop_last,
        timeout=LOADER_TIMEOUT if num_workers > 0 else 0,
        persistent_workers=num_workers > 0,
        multiprocessing_context=WORKERS if num_workers > 0 else None,
        generator=torch.Generator(),  # else every new iterator draws from the global generator
    )


def n_loader_processes(trainer: Trainer) -> int:
    """Return the number of loader processes for training: on a GPU, one per core of this process, up to eight."""
    if trainer.strategy.root_device.type != "cuda":
        return 1
    threads = torch.get_num_threads()  # launchers divide the cores among their jobs by it
    if "LOCAL_WORLD_SIZE" in os.environ:  # but torchrun gives each process one thread, whatever the number of cores
        threads = os.cpu_count() or 1
    sharing = 1 if "SLURM_STEP_ID" in os.environ else trainer.num_devices  # srun gives each its own cores
    return max(1, min(GPU_WORKERS, threads // sharing))
