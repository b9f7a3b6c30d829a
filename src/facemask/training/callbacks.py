"""What happens around the epochs: fresh random numbers, a row of metrics, two checkpoints."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import lightning
import pandas as pd
import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, RichProgressBar
from lightning.pytorch.profilers import Profiler

from facemask.config.resolvers import monitor_sign
from facemask.errors import RunError, first_line
from facemask.files import replaced, same_file, write_atomically
from facemask.models.checkpoint import MODEL, RECORD
from facemask.runs.run_folder import BEST, LAST, METRICS
from facemask.seeding import EPOCH, derive_seed


class EpochSeed(Callback):
    """Draw each epoch's dropout and batch mixing from a seed of its own, so that a resumed epoch repeats itself."""

    def __init__(self, seed: int, fold: int) -> None:
        self.seed, self.fold = seed, fold

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Seed the generators of Python, NumPy and torch."""
        others = [trainer.global_rank] if trainer.global_rank else []  # not what another process draws
        drawn = derive_seed(EPOCH, self.seed, self.fold, trainer.current_epoch, *others)
        lightning.seed_everything(drawn, verbose=False)


class DataWait(Profiler):
    """Adds up the seconds that training spends waiting for its next batch, and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def profile(self, action_name: str) -> AbstractContextManager[None]:  # type: ignore[override]  # one or the other
        """Called by Lightning around each of its actions, fifty times a step: all but one cost next to nothing."""
        return self._waiting() if action_name.endswith("train_dataloader_next") else nullcontext()

    def start(self, action_name: str) -> None:
        """Not called, but wanted by the base class."""

    def stop(self, action_name: str) -> None:
        """Not called, but wanted by the base class."""

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        asked = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - asked


class History(Checkpoint):
    """Write ``metrics.csv``: a row an epoch, with everything logged, the learning rate and where the time went.

    A subclass of Checkpoint only because Lightning calls those last, when the epoch's metrics are all there.

    Args:
        folder: the fold's.
        wait: the trainer's profiler.
    """

    def __init__(self, folder: Path, wait: DataWait) -> None:
        self.file, self.wait = folder / METRICS, wait
        self.rows: list[dict[Any, Any]] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the rows of the epochs that a resumed run has behind it; a later one was cut off."""
        if trainer.current_epoch > 0 and self.file.is_file():
            rows = pd.read_csv(self.file)
            self.rows = rows[rows["epoch"] <= trainer.current_epoch].to_dict("records")

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._start, self._waited = time.perf_counter(), self.wait.seconds

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the epoch's row. Before the checkpoint is written: a row too many is dropped on resuming."""
        own = {
            "lr": float(trainer.optimizers[0].param_groups[0]["lr"]),
            "seconds": time.perf_counter() - self._start,
            "data_seconds": self.wait.seconds - self._waited,
        }
        row: dict[Any, Any] = {"epoch": trainer.current_epoch + 1, **own}
        row |= {name: float(value) for name, value in sorted(trainer.callback_metrics.items()) if name not in own}
        self.rows.append(row)
        pl_module.log_dict(own, sync_dist=True)
        if trainer.is_global_zero:
            write_atomically(self.file, pd.DataFrame(self.rows).to_csv(index=False))


class EpochLines(Checkpoint):
    """Print a line an epoch, above the progress bar where there is a terminal to draw one on.

    Args:
        monitor: a logged metric.
    """

    def __init__(self, monitor: str) -> None:
        self.monitor = monitor

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the epoch's loss and monitored metric."""
        if not trainer.is_global_zero:
            return
        shown = [name for name in ("train/loss", self.monitor) if name in trainer.callback_metrics]
        values = "  ".join(f"{name} {float(trainer.callback_metrics[name]):.4f}" for name in shown)
        print(f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  {values}", flush=True)


class EpochBar(RichProgressBar):
    """Lightning's progress bar, counting epochs from one, as everything else here does."""

    def _get_train_description(self, current_epoch: int) -> str:
        return f"Epoch {current_epoch + 1}/{self.trainer.max_epochs}"


class Checkpoints(Checkpoint):
    """Keep ``best.ckpt``, the epoch with the best monitored metric, and ``last.ckpt``, to continue from.

    Lightning's ModelCheckpoint is not used: it forgets its best score when a run folder has been moved, and keeps
    no last checkpoint of epochs that are not the best.

    Args:
        folder: the fold's.
        monitor: a logged metric.
        record: added to every checkpoint: the preprocessing record.
        model: added to every checkpoint: the model configuration.
    """

    def __init__(self, folder: Path, monitor: str, record: dict[str, Any], model: dict[str, Any]) -> None:
        self.folder, self.monitor, self.sign = folder, monitor, monitor_sign(monitor)
        self.record, self.model = record, model
        self.best_score: float | None = None
        self.best_epoch = 0
        self.ended = False

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs to know."""
        return {"best_score": self.best_score, "best_epoch": self.best_epoch, "ended": self.ended}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what :meth:`state_dict` returned."""
        self.best_score, self.best_epoch = state_dict["best_score"], state_dict["best_epoch"]
        self.ended = state_dict["ended"]

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Make the checkpoint tell by itself how to build and to feed its network."""
        checkpoint[RECORD], checkpoint[MODEL] = self.record, self.model

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop at once where early stopping had ended the run before it was cut off."""
        trainer.should_stop = trainer.should_stop or self.ended

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the checkpoints.

        Raises:
            RunError: the monitored metric is missing or not a number.
        """
        score = self._score(trainer)
        self.ended = trainer.should_stop
        is_best = self.best_score is None or self.sign * score > self.sign * self.best_score
        if is_best:
            self.best_score, self.best_epoch = score, trainer.current_epoch + 1
            trainer.save_checkpoint(self.folder / BEST)
            if trainer.is_global_zero:
                same_file(self.folder / BEST, self.folder / LAST)
        else:
            trainer.save_checkpoint(self.folder / LAST)

    def _score(self, trainer: Trainer) -> float:
        if self.monitor not in trainer.callback_metrics:
            logged = ", ".join(sorted(trainer.callback_metrics))
            raise RunError(f"monitor={self.monitor} is not among what the model logs: {logged}.")
        score = float(trainer.callback_metrics[self.monitor])
        for name in (self.monitor, "train/loss", "val/loss"):
            value = float(trainer.callback_metrics.get(name, 0.0))
            if value != value or abs(value) == float("inf"):
                raise RunError(
                    f"training diverged: {name} is {value} in epoch {trainer.current_epoch + 1}; try a smaller lr, or "
                    "trainer.gradient_clip_val=1."
                )
        return score


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write each checkpoint beside its place, then move it there: a crash leaves the old one or the new one."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write a checkpoint.

        Raises:
            RunError: there is no room for it.
        """
        path = Path(path)
        try:
            with replaced(path) as stream:
                torch.save(checkpoint, stream)
        except (OSError, RuntimeError) as error:  # torch's zip writer turns a full disk into a RuntimeError
            raise RunError(
                f"{path} cannot be written ({first_line(error)}); make room, then type resume={path.parent.parent}"
            ) from error
