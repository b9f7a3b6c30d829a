"""Training on small inputs first, which costs less per image."""

from copy import deepcopy

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from facemask.data.datamodule import FaceDataModule
from facemask.data.preprocessing import MIN_SIDE
from facemask.errors import ConfigError, first_line
from facemask.models.schedules import OpenUnitInterval


class GrowingInput(Callback):
    """Train the first epochs on smaller inputs, and the others on the network's own input size.

    A convolution's cost grows with the square of the side. Validation always uses the network's own size, so that
    scores of early epochs are those of the model as it would be deployed. Source of the idea: Tan & Le 2021,
    arXiv:2104.00298, section 4.

    Args:
        scale: side of the first epochs' inputs, as a fraction of the network's own, in (0, 1).
        fraction: fraction of the epochs that use it, in (0, 1); rounded down.
    """

    def __init__(self, scale: OpenUnitInterval = 0.67, fraction: OpenUnitInterval = 0.5) -> None:
        self.scale, self.fraction = scale, fraction
        self.size = self.n_epochs = 0  # pixels and number of the first epochs; known when a fit starts

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check that the network takes the smaller size.

        Raises:
            ConfigError: it does not, there are no images to resize, or the number of epochs is unknown.
        """
        data = getattr(trainer, "datamodule", None)
        if not isinstance(data, FaceDataModule):
            raise ConfigError("callbacks=growing needs a FaceDataModule, which resizes its images; remove it.")
        if data.features is not None:
            raise ConfigError(
                "callbacks=growing has no effect on cached features of a frozen backbone; remove it, or set "
                "augment.views=0."
            )
        if trainer.max_epochs is None or trainer.max_epochs < 1:
            raise ConfigError("callbacks=growing counts epochs; set the trainer's max_epochs.")
        self.size = max(MIN_SIDE, round(self.scale * data.preprocessing.input_size))
        self.n_epochs = int(self.fraction * trainer.max_epochs)
        # Early stopping must not end the training before the inputs have grown.
        trainer.fit_loop.min_epochs = max(trainer.min_epochs or 0, self.n_epochs + 1)
        # As in training, but the mode of each layer must stay: users may have frozen some.
        trial = deepcopy(pl_module)
        n = max(1, min(2, data.batch_size))
        try:
            with torch.no_grad():
                trial(torch.zeros(n, 3, self.size, self.size, device=pl_module.device))
        except (RuntimeError, ValueError, TypeError, AssertionError) as error:
            raise ConfigError(
                f"the network does not take inputs of {self.size} pixels ({first_line(error)}); raise "
                "callbacks.growing.scale, or remove callbacks=growing."
            ) from error

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Choose the size of the epoch; at least one epoch has the network's own."""
        is_early = trainer.current_epoch < self.n_epochs
        if trainer.current_epoch <= self.n_epochs:
            trainer.should_stop = False
        trainer.datamodule.training_size = self.size if is_early else None  # type: ignore[attr-defined]

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leave the data module as it was."""
        if isinstance(data := getattr(trainer, "datamodule", None), FaceDataModule):
            data.training_size = None
