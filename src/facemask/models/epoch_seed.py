"""Random numbers that depend on the seed, the fold and the epoch alone."""

from typing import Any

from lightning import seed_everything
from lightning.pytorch import Callback, LightningModule, Trainer

from facemask.data.datamodule import FaceDataModule
from facemask.seeding import EPOCH, derive_seed


class EpochSeed(Callback):
    """Draws each epoch's dropout and batch mixing from a seed of its own, so that a resumed epoch repeats itself.

    Seed and fold are the data module's; with other data, nothing is seeded.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Have the data begin with epoch 0."""
        self._begin_at(trainer, 0)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Have the data begin with the next epoch: workers fetch before Lightning sets it."""
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
        others = [trainer.global_rank] if trainer.global_rank else []  # each process draws its own
        epoch = derive_seed(EPOCH, seed, int(getattr(data, "fold", 0)), trainer.current_epoch, *others)
        seed_everything(epoch, verbose=False)
