"""Seed every epoch from the seed, the fold and the epoch number."""

from typing import Any

from lightning import seed_everything
from lightning.pytorch import Callback, LightningModule, Trainer

from facemask.data.datamodule import FaceDataModule
from facemask.seeding import EPOCH, derive_seed


class EpochSeed(Callback):
    """Callback that seeds dropout and batch mixing per epoch, so that a resumed epoch repeats exactly.

    Seed and fold are the data module's; with other data modules nothing is seeded.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Start the data at epoch 0."""
        self._begin_at(trainer, 0)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Start the data at the next epoch, because workers prefetch before Lightning sets it."""
        self._begin_at(trainer, int(checkpoint["epoch"]) + 1)

    @staticmethod
    def _begin_at(trainer: Trainer, epoch: int) -> None:
        if isinstance(data := getattr(trainer, "datamodule", None), FaceDataModule):
            data.first_epoch = epoch

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Seed the generators of Python, NumPy and torch."""
        data = getattr(trainer, "datamodule", None)
        if not isinstance(seed := getattr(data, "seed", None), int):
            return
        others = [trainer.global_rank] if trainer.global_rank else []  # different random numbers per rank
        epoch = derive_seed(EPOCH, seed, int(getattr(data, "fold", 0)), trainer.current_epoch, *others)
        seed_everything(epoch, verbose=False)
