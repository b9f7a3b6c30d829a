"""The Lightning module: any network, its loss, metrics, optimiser and schedule."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np
import numpy.typing as npt
import torch
from lightning.pytorch import LightningModule
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div
from torch.optim import Optimizer

from facemask.models import freezing
from facemask.models.epoch_metrics import EpochMetrics
from facemask.models.weights import InitialWeights

MakeOptimizer = Callable[[Iterable[nn.Parameter]], Optimizer]
MakeSchedule = Callable[..., dict[str, Any]]


@dataclass(frozen=True)
class Teaching:
    """How a student's loss is made of two: against the labels, and against what its teacher says of the same images.

    Attributes:
        weight: the teacher's share, in [0, 1].
        temperature: by which both logits are divided; the larger, the more a teacher tells of the classes that it
            thinks improbable.
    """

    weight: float
    temperature: float

    def loss(self, of_labels: Tensor, logits: Tensor, taught: Tensor) -> Tensor:
        """Return the whole loss (Hinton, Vinyals & Dean 2015, arXiv:1503.02531, section 2).

        Args:
            of_labels: the loss against the labels.
            logits: the student's, float32[N, C].
            taught: the teacher's, float32[N, C].
        """
        student, teacher = ((z.float() / self.temperature).log_softmax(dim=1) for z in (logits, taught))
        divergence = kl_div(student, teacher, log_target=True, reduction="batchmean")
        return (1 - self.weight) * of_labels + self.weight * self.temperature**2 * divergence


class MaskClassifier(LightningModule):
    """Trains a network by cross-entropy; logs ``{train,val}/{loss,accuracy,f1,auroc,precision_*,recall_*}``.

    Args:
        net: makes the network, given ``num_classes`` and ``settings``; the network maps float32[N, 3, S, S] to
            logits, float32[N, C].
        num_classes: C.
        optimizer: makes the optimiser, given the parameters that learn.
        schedule: makes the learning-rate schedule (see :mod:`facemask.models.schedules`); None for a constant rate.
        class_names: the classes, in the order of the logits; numbers where it is None.
        class_weights: float32[C], weights of the training loss.
        label_smoothing: share of the target spread over all classes, in training.
        freeze: what does not learn, see :func:`facemask.models.freezing.freeze`.
        channels_last: keep tensors channels-last in memory, the faster layout on CPUs and on tensor cores.
        settings: everything else goes to ``net``.
    """

    teaching: Teaching | None = None  # set where batches come with a teacher's logits

    def __init__(
        self,
        net: Callable[..., nn.Module],
        num_classes: int,
        optimizer: MakeOptimizer,
        schedule: MakeSchedule | None = None,
        class_names: Sequence[str] | None = None,
        class_weights: npt.NDArray[np.float32] | None = None,
        label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0,
        freeze: str = "none",
        channels_last: bool = True,
        **settings: Any,
    ) -> None:
        super().__init__()
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.net = net(num_classes=num_classes, **settings).to(memory_format=self.memory_format)
        self.initial: InitialWeights = getattr(self.net, "initial", InitialWeights("not told by the network"))
        self._frozen = freezing.freeze(self.net, freeze)
        self.make_optimizer, self.make_schedule = optimizer, schedule
        self.label_smoothing = label_smoothing
        self.class_weights = None if class_weights is None else torch.from_numpy(class_weights)
        names = class_names or [str(i) for i in range(num_classes)]
        self.train_metrics, self.val_metrics = EpochMetrics(names), EpochMetrics(names)
        self.train()  # Lightning keeps each layer's mode as it finds it, and never switches to training by itself

    def forward(self, images: Tensor) -> Tensor:
        """Return logits, float32[N, C].

        Args:
            images: float32[N, 3, S, S], normalised; or float32[N, F], what a frozen backbone made of them.
        """
        logits: Tensor
        if images.ndim == 2:
            logits = self.net.get_submodule("head")(images)
        else:
            logits = self.net(images.contiguous(memory_format=self.memory_format))
        return logits

    def train(self, mode: bool = True) -> Self:
        """Switch to training mode, but for the frozen layers, whose batch-norm statistics must rest too."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        """Return the loss to minimise, of images, labels and, where there is a teacher, its logits."""
        images, labels, *taught = batch
        logits = self(images)
        weights = None if self.class_weights is None else self.class_weights.to(logits.device)
        loss = cross_entropy(logits, labels, weight=weights, label_smoothing=self.label_smoothing)
        if self.teaching is not None:
            loss = self.teaching.loss(loss, logits, *taught)
        probabilities = logits.detach().float().softmax(dim=1)
        self.train_metrics.update(loss.detach(), probabilities, labels if labels.ndim == 1 else labels.argmax(dim=1))
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Score a batch. The loss is the plain one, so that runs with other training losses compare."""
        images, labels = batch
        logits = self(images).float()
        self.val_metrics.update(cross_entropy(logits, labels), logits.softmax(dim=1), labels)

    def on_train_epoch_end(self) -> None:
        """Log the training metrics of the epoch."""
        self.log_dict({f"train/{name}": value for name, value in self.train_metrics.compute().items()}, sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        """Log the validation metrics of the epoch."""
        self.log_dict({f"val/{name}": value for name, value in self.val_metrics.compute().items()}, sync_dist=True)

    def configure_optimizers(self) -> Any:
        """Return the optimiser of the layers that learn, with its schedule."""
        optimizer = self.make_optimizer(p for p in self.parameters() if p.requires_grad)
        if self.make_schedule is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": self.make_schedule(optimizer, trainer=self.trainer)}
