"""Callbacks: metrics table, printed lines, checkpoints."""

import signal
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any
from weakref import proxy

import pandas as pd
import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint, RichProgressBar
from lightning.pytorch.profilers import Profiler

from facemask.config.component import Component
from facemask.config.resolvers import monitor_mode, monitor_sign
from facemask.data.preprocessing import Preprocessing
from facemask.errors import RunError, first_line
from facemask.files import link_or_copy, open_atomically, write_atomically
from facemask.models.records import add_records
from facemask.runs.run_folder import BEST, LAST, METRICS, read_history
from facemask.signals import deferred


class DataWait(Profiler):
    """Profiler that only sums the time that training waits for batches."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def profile(self, action_name: str) -> AbstractContextManager[None]:  # type: ignore[override]  # one or the other
        """Measure one action. Lightning calls this about fifty times per step, so other actions return immediately."""
        return self._waiting() if action_name.endswith("train_dataloader_next") else nullcontext()

    def start(self, action_name: str) -> None:
        """Unused; required by the base class."""

    def stop(self, action_name: str) -> None:
        """Unused; required by the base class."""

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        asked = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - asked


class History(Checkpoint):
    """Write ``metrics.csv``: one row per epoch with all logged values, the learning rate and timings.

    Subclass of Checkpoint, because Lightning calls these last, after all metrics are logged.

    Args:
        folder: folder of the fold.
        wait: the trainer's profiler.
    """

    def __init__(self, folder: Path, wait: DataWait) -> None:
        self.file, self.wait = folder / METRICS, wait
        self.rows: list[dict[Any, Any]] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the rows of completed epochs when a run is resumed."""
        if trainer.current_epoch > 0 and self.file.is_file():
            rows = read_history(self.file.parent)
            self.rows = rows[rows["epoch"] <= trainer.current_epoch].to_dict("records")

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._start, self._waited = time.perf_counter(), self.wait.seconds

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the epoch's row, before the checkpoint is written.

        If the checkpoint is missing on resuming, the row is dropped.
        """
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
    """Print one line per epoch, above the progress bar in a terminal.

    Args:
        monitor: name of a logged metric.
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


class StopAfterEpochs(Checkpoint):
    """Stop after a number of epochs as if interrupted: schedule and checkpoint are those of the whole training.

    Subclass of Checkpoint, because Lightning calls these last, after the epoch's line is printed.

    Args:
        epochs: number of epochs.
    """

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop after the last of the epochs."""
        if trainer.current_epoch + 1 >= self.epochs:
            # should_stop would be saved in the checkpoint as the end of the training, and min_epochs overrides it.
            trainer.fit_loop.max_epochs = trainer.current_epoch + 1


class EpochBar(RichProgressBar):
    """Lightning's progress bar, with epochs counted from one."""

    def _get_train_description(self, current_epoch: int) -> str:
        return f"Epoch {current_epoch + 1}/{self.trainer.max_epochs}"


class BestAndLast(ModelCheckpoint):
    """Save ``best.ckpt`` (best monitored metric) and ``last.ckpt`` (to resume from).

    Lightning's ModelCheckpoint loses its best score when a run folder is moved, and saves no last checkpoint for epochs
    that are not the best. As a subclass it still works with loggers that upload checkpoints.

    Args:
        folder: folder of the fold.
        monitor: name of a logged metric.
        model: node of the model, for modules that do not record themselves in checkpoints.
        preprocessing: preprocessing of the model, for the same modules.
    """

    state_key = "Checkpoints"  # as in run folders of format 0

    def __init__(self, folder: Path, monitor: str, model: Component, preprocessing: Preprocessing) -> None:
        super().__init__(folder, "best", monitor, mode=monitor_mode(monitor), save_last=True)
        self.folder, self.sign = folder, monitor_sign(monitor)
        self.model, self.preprocessing = model, preprocessing
        self.best_score: float | None = None
        self.best_epoch = 0
        self.ended = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Skip Lightning's folder setup: the folder is fixed and may contain an earlier part of the run."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state that a resumed run needs."""
        return {"best_score": self.best_score, "best_epoch": self.best_epoch, "ended": self.ended}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Read what :meth:`state_dict` returned."""
        self.best_score, self.best_epoch = state_dict["best_score"], state_dict["best_epoch"]
        self.ended = state_dict["ended"]

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add model and preprocessing records for modules that do not add them."""
        data = getattr(trainer, "datamodule", None)
        add_records(checkpoint, self.model.to_plain(), self.preprocessing, data)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop immediately if early stopping had ended the run before the interruption."""
        trainer.should_stop = trainer.should_stop or self.ended

    def on_train_batch_end(self, *_: Any) -> None:
        """Save nothing within an epoch."""

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save nothing before the epoch has ended."""

    def on_exception(self, *_: Any) -> None:
        """Save nothing: an interrupted epoch is repeated."""

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save nothing: the last epoch is already saved."""

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the checkpoints.

        Raises:
            RunError: the monitored metric is missing or not a number.
        """
        score = self._score(trainer)
        self.ended = trainer.should_stop
        best, last = self.folder / BEST, self.folder / LAST
        if self.best_score is None or self.sign * score > self.sign * self.best_score:
            self.best_score, self.best_epoch = score, trainer.current_epoch + 1
            trainer.save_checkpoint(best)
            if trainer.is_global_zero:
                link_or_copy(best, last)
        else:
            trainer.save_checkpoint(last)
        self.best_model_path, self.last_model_path = str(best), str(last)
        self.best_model_score, self.current_score = torch.tensor(self.best_score), torch.tensor(score)
        self.best_k_models = {str(best): self.best_model_score}
        if trainer.is_global_zero:
            for logger in trainer.loggers:
                logger.after_save_checkpoint(proxy(self))

    def _score(self, trainer: Trainer) -> float:
        assert self.monitor is not None
        if self.monitor not in trainer.callback_metrics:
            logged = ", ".join(sorted(trainer.callback_metrics))
            raise RunError(f"monitor={self.monitor} is not logged by the model; choose from: {logged}.")
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
    """Write checkpoints atomically: a crash leaves the old or the new file, and an interruption the new one."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write a checkpoint.

        Raises:
            RunError: the file cannot be written.
        """
        path = Path(path)
        try:
            with deferred([signal.SIGINT, signal.SIGTERM]), open_atomically(path) as stream:
                torch.save(checkpoint, stream)
        except (OSError, RuntimeError) as error:  # torch's zip writer raises RuntimeError on a full disk
            raise RunError(
                f"{path} cannot be written ({first_line(error)}); free space, then type resume={path.parent.parent}"
            ) from error
