"""Learning-rate schedules. Each function returns Lightning's scheduler configuration for an optimizer.

All schedules step per batch, so that a checkpoint of an epoch's end holds the state of the next epoch.
"""

import math
from typing import Annotated, Any

from lightning.pytorch import Trainer
from pydantic import Field
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, OneCycleLR, ReduceLROnPlateau

from facemask.errors import ConfigError

Positive = Annotated[float, Field(gt=0)]
OpenUnitInterval = Annotated[float, Field(gt=0, lt=1)]


def none(optimizer: Optimizer, trainer: Trainer) -> dict[str, Any]:
    """Keep the learning rate constant."""
    return {"scheduler": LambdaLR(optimizer, lambda step: 1.0), "interval": "step"}


def plateau(
    optimizer: Optimizer,
    trainer: Trainer,
    monitor: str,
    mode: str,
    factor: OpenUnitInterval = 0.1,
    patience: Annotated[int, Field(ge=0)] = 2,
    min_lr: Annotated[float, Field(ge=0)] = 0.0,
) -> dict[str, Any]:
    """Multiply the learning rate by ``factor`` if ``monitor`` has not improved for ``patience`` epochs."""
    scheduler = ReduceLROnPlateau(
        optimizer, "min" if mode == "min" else "max", factor=factor, patience=patience, min_lr=min_lr
    )
    _ = trainer.estimated_stepping_batches  # makes the trainer count its batches
    frequency = trainer.num_training_batches
    return {"scheduler": scheduler, "monitor": monitor, "interval": "step", "frequency": frequency}


def cosine(optimizer: Optimizer, trainer: Trainer, warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1) -> dict[str, Any]:
    """Warm up linearly over a fraction of the steps, then anneal to zero along a cosine.

    Source: Loshchilov & Hutter 2017, arXiv:1608.03983.
    """
    total = _total_steps(trainer)
    rising = round(warmup * total)

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / (rising + 1)
        return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, total - rising)))

    return {"scheduler": LambdaLR(optimizer, factor), "interval": "step"}


def onecycle(
    optimizer: Optimizer,
    trainer: Trainer,
    pct_start: OpenUnitInterval = 0.25,
    div_factor: Positive = 25.0,
    final_div_factor: Positive = 1e4,
) -> dict[str, Any]:
    """One-cycle schedule: rise to ``lr``, then anneal far below it.

    Source: Smith & Topin 2018, arXiv:1708.07120.
    """
    total = max(4, _total_steps(trainer))
    scheduler = OneCycleLR(
        optimizer,
        max_lr=[group["lr"] for group in optimizer.param_groups],
        total_steps=total,
        pct_start=max(pct_start, 2 / total),  # torch divides by zero without a warm-up step
        div_factor=div_factor,
        final_div_factor=final_div_factor,
        cycle_momentum=False,
    )
    return {"scheduler": scheduler, "interval": "step"}


def _total_steps(trainer: Trainer) -> int:
    """Return the total number of training steps.

    Raises:
        ConfigError: the number of steps is unlimited.
    """
    if math.isinf(total := trainer.estimated_stepping_batches):
        raise ConfigError("the schedule needs the length of the training; set the trainer's max_epochs or max_steps.")
    return int(total)
