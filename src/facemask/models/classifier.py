"""The Lightning module: network, loss, metrics, optimiser and schedule."""

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Self

import numpy as np
import numpy.typing as npt
import torch
from lightning import seed_everything
from lightning.pytorch import Callback, LightningModule
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import AdamW, Optimizer

from facemask.config.component import TARGET, describe
from facemask.config.trust import trust_targets
from facemask.data.preprocessing import Preprocessing
from facemask.errors import ConfigError, RunError
from facemask.models import freezing
from facemask.models.backbone import TimmNet
from facemask.models.cnn import CNN
from facemask.models.distillation import DistillationLoss
from facemask.models.epoch_metrics import EpochMetrics
from facemask.models.epoch_seed import EpochSeed
from facemask.models.flip_tta import flip_averaged
from facemask.models.records import MODEL, add_records, network_of, preprocessing_of
from facemask.models.schedules import onecycle
from facemask.models.weights import InitialWeights
from facemask.seeding import INITIAL_WEIGHTS, derive_seed

STORE_SIZE = 64  # default side of stored images, pixels
MakeOptimizer = Callable[[Iterable[nn.Parameter]], Optimizer]
MakeSchedule = Callable[..., dict[str, Any]]


class MaskClassifier(LightningModule):
    """Classifier trained with cross-entropy; logs ``{train,val,test}/{loss,accuracy,f1,auroc,precision_*,recall_*}``.

    Missing arguments are taken from the trainer's data module. With a
    :class:`~facemask.data.datamodule.FaceDataModule`, the network is built at the start of a fit, for the data's
    classes and from its seed. Every checkpoint contains how to build the network and how to preprocess images.

    Args:
        net: name of a timm network, ``cnn`` for :class:`~facemask.models.cnn.CNN`, or a factory that takes
            ``num_classes`` and ``settings``. The network maps float32[N, 3, S, S] to logits, float32[N, C].
        num_classes: number of classes C; None takes it from ``class_names`` or the data module.
        optimizer: factory that takes the trainable parameters; None for AdamW with ``lr``.
        schedule: factory of the learning-rate schedule (see :mod:`facemask.models.schedules`); None for a constant
            rate.
        class_names: class names in the order of the logits; None takes them from the data module, else numbers.
        class_weights: float32[C], class weights of the training loss; None takes them from the data module.
        label_smoothing: label smoothing of the training loss, in [0, 1).
        freeze: layers to freeze, see :func:`facemask.models.freezing.freeze`.
        flip_tta: average the probabilities of each image and its mirror image, except in training; takes twice as long.
            ``load_from_checkpoint(flip_tta=True)`` turns it on for a model trained without.
        channels_last: use the channels-last memory format, which is faster on CPUs and tensor cores; networks whose
            gradients it damages use the usual format.
        input_size: side of the network's input, pixels; None for the stored images' size.
        lr: learning rate of the default optimiser.
        distillation: loss for batches with a teacher's logits; None ignores them.
        settings: other arguments of ``net``.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> from facemask import FaceDataModule, MaskClassifier
        >>> model, data = MaskClassifier("mobilenetv2_100"), FaceDataModule("faces")
        >>> Trainer(max_epochs=3).fit(model, data)  # doctest: +SKIP
    """

    def __init__(
        self,
        net: str | Callable[..., nn.Module] = "mobilenetv2_100",
        num_classes: int | None = None,
        optimizer: MakeOptimizer | None = None,
        schedule: MakeSchedule | None = onecycle,
        class_names: Sequence[str] | None = None,
        class_weights: npt.NDArray[np.float32] | None = None,
        label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0,
        freeze: str = "none",
        flip_tta: bool = False,
        channels_last: bool = True,
        input_size: Annotated[int, Field(ge=8, le=1024)] | None = 96,
        lr: Annotated[float, Field(gt=0)] = 1e-3,
        distillation: DistillationLoss | None = None,
        **settings: Any,
    ) -> None:
        super().__init__()
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.make_net, named = _as_factory(net)
        trust_targets(describe(self.make_net))
        self.settings = named | settings
        self.make_optimizer = optimizer or partial(AdamW, lr=lr, weight_decay=0.01)
        self.make_schedule = schedule
        self.label_smoothing, self.frozen_part, self.input_size = label_smoothing, freeze, input_size
        self.flip_tta = flip_tta
        self.distillation, self.class_weights = distillation, _as_tensor(class_weights)
        self.preprocessing: Preprocessing | None = None
        self.initial = InitialWeights("chosen by the network")
        self.class_names: list[str] = []
        self._frozen: list[nn.Module] = []
        if class_names or num_classes:
            self.build(class_names or [str(i) for i in range(num_classes or 0)])

    def build(self, class_names: Sequence[str], **replaced: Any) -> None:
        """Build the network.

        Args:
            class_names: class names in the order of the logits.
            replaced: arguments of the network that override the constructor's.
        """
        self.class_names = list(class_names)
        if "input_size" in inspect.signature(self.make_net).parameters:
            replaced = {"input_size": self.input_size} | replaced
        net = self.make_net(num_classes=len(class_names), **self.settings | replaced)
        if _breaks_channels_last(net):
            self.memory_format = torch.contiguous_format
        self.net = net.to(memory_format=self.memory_format)
        self.initial = getattr(self.net, "initial", self.initial)
        self._frozen = freezing.freeze(self.net, self.frozen_part)
        self.train_metrics, self.val_metrics, self.test_metrics = (EpochMetrics(self.class_names) for _ in range(3))
        self.train()  # Lightning does not change the mode of modules that are built in setup

    def setup(self, stage: str) -> None:
        """Take missing arguments from the data module.

        Raises:
            ConfigError: the classes are unknown, or those of data and model differ.
        """
        data = getattr(self.trainer, "datamodule", None)
        if not self.class_names:
            names = getattr(data, "class_names", None)
            if names is None:
                raise ConfigError(
                    "the classes are unknown: pass class_names=[...] to MaskClassifier, or use a FaceDataModule."
                )
            if isinstance(seed := getattr(data, "seed", None), int):
                seed_everything(derive_seed(INITIAL_WEIGHTS, seed, int(getattr(data, "fold", 0))), verbose=False)
            self.input_size = self.input_size or getattr(data, "store_size", None)
            self.build(names)
            self.class_weights = self.class_weights if self.class_weights is not None else _weights_of(data)
        elif (names := getattr(data, "class_names", self.class_names)) != self.class_names:
            raise ConfigError(
                f"the model has the classes {', '.join(self.class_names)}, but the data have {', '.join(names)}; "
                "use a new MaskClassifier without num_classes and class_names, or other data."
            )
        if self.preprocessing is None:
            size = getattr(data, "store_size", None) or self.input_size or STORE_SIZE
            preprocessing = self.preprocessing_for(tuple(self.class_names), size)
            facts = {name: getattr(data, name) for name in ("caveat", "smallest_crop") if hasattr(data, name)}
            self.preprocessing = replace(preprocessing, **facts)

    def configure_callbacks(self) -> list[Callback]:
        """Return the callback that seeds each epoch, so that a resumed fit equals an uninterrupted one."""
        return [EpochSeed()]

    def preprocessing_for(self, class_names: tuple[str, ...], store_size: int) -> Preprocessing:
        """Return the preprocessing from stored images to this network's input."""
        size = self.input_size or store_size
        return Preprocessing(class_names, size, store_size, self.initial.mean, self.initial.std)

    def to_record(self) -> dict[str, object]:
        """Return a ``_target_`` node of plain types that rebuilds this module."""
        return {
            TARGET: f"{type(self).__module__}.{type(self).__qualname__}",
            "net": describe(self.make_net),
            "optimizer": describe(self.make_optimizer),
            "schedule": describe(self.make_schedule),
            "label_smoothing": self.label_smoothing,
            "freeze": self.frozen_part,
            "flip_tta": self.flip_tta,
            "channels_last": self.memory_format == torch.channels_last,
            "input_size": self.input_size,
            **self.settings,
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the model, its preprocessing and its data to the checkpoint."""
        data = getattr(self.trainer, "datamodule", None)
        add_records(checkpoint, self.to_record(), self.preprocessing, data)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Build the checkpoint's network if there is none yet.

        Raises:
            RunError: the checkpoint does not describe its network.
        """
        if self.class_names:
            return
        self.preprocessing = preprocessing_of(checkpoint)
        record = network_of(checkpoint.get(MODEL), "the checkpoint")
        if record.get("net") is None:
            raise RunError("the checkpoint does not describe its network; give one that MaskClassifier wrote.")
        as_written: MaskClassifier = record.build()
        self.make_net, self.settings = as_written.make_net, as_written.settings
        self.frozen_part, self.input_size = as_written.frozen_part, as_written.input_size
        self.memory_format, self.label_smoothing = as_written.memory_format, as_written.label_smoothing
        self.flip_tta = self.flip_tta or as_written.flip_tta
        untrained = {"pretrained": False} if "pretrained" in inspect.signature(self.make_net).parameters else {}
        self.build(self.preprocessing.class_names, **untrained)  # its weights are about to be replaced

    def forward(self, images: Tensor) -> Tensor:
        """Return logits, float32[N, C].

        Args:
            images: float32[N, 3, S, S], normalised; or float32[N, F], features of a frozen backbone.
        """
        logits: Tensor
        if images.ndim == 2:
            logits = self.net.get_submodule("head")(images)
            return logits
        images = images.contiguous(memory_format=self.memory_format)
        if self.flip_tta and not self.training:
            return flip_averaged(self.net, images)
        logits = self.net(images)
        return logits

    def train(self, mode: bool = True) -> Self:
        """Set training mode, except for frozen layers, whose batch-norm statistics must not change."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        """Return the training loss of images, labels and, with a teacher, its logits."""
        images, labels, *teacher_logits = batch
        logits = self(images)
        weights = None if self.class_weights is None else self.class_weights.to(logits.device)
        loss = cross_entropy(logits, labels, weight=weights, label_smoothing=self.label_smoothing)
        if self.distillation is not None:
            loss = self.distillation(loss, logits, *teacher_logits)
        probabilities = logits.detach().float().softmax(dim=1)
        self.train_metrics.update(loss.detach(), probabilities, labels if labels.ndim == 1 else labels.argmax(dim=1))
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Update the validation metrics.

        The loss is plain cross-entropy, so that runs with different training losses are comparable.
        """
        images, labels = batch
        logits = self(images).float()
        self.val_metrics.update(cross_entropy(logits, labels), logits.softmax(dim=1), labels)

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Update the test metrics."""
        images, labels = batch
        logits = self(images).float()
        self.test_metrics.update(cross_entropy(logits, labels), logits.softmax(dim=1), labels)

    def predict_step(self, batch: tuple[Tensor, ...] | Tensor, batch_idx: int) -> Tensor:
        """Return probabilities, float32[N, C], of a batch: images, or images with labels."""
        images = batch if isinstance(batch, Tensor) else batch[0]
        probabilities: Tensor = self(images).float().softmax(dim=1)
        return probabilities

    def on_train_epoch_end(self) -> None:
        """Log the training metrics of the epoch."""
        self.log_dict({f"train/{name}": value for name, value in self.train_metrics.compute().items()}, sync_dist=True)

    def on_validation_epoch_end(self) -> None:
        """Log the validation metrics of the epoch."""
        self.log_dict({f"val/{name}": value for name, value in self.val_metrics.compute().items()}, sync_dist=True)

    def on_test_epoch_end(self) -> None:
        """Log the metrics of the test part."""
        values = self.test_metrics.compute()
        self.log_dict({f"test/{name}": value for name, value in values.items()}, sync_dist=True)

    def configure_optimizers(self) -> Any:
        """Return the optimiser of the trainable layers and its schedule."""
        optimizer = self.make_optimizer(p for p in self.parameters() if p.requires_grad)
        if self.make_schedule is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": self.make_schedule(optimizer, trainer=self.trainer)}


def _as_factory(net: str | Callable[..., nn.Module]) -> tuple[Callable[..., nn.Module], dict[str, object]]:
    """Return the network factory, and the arguments implied by its name."""
    if not isinstance(net, str):
        return net, {}
    return (CNN, {}) if net == "cnn" else (TimmNet, {"name": net})


def _breaks_channels_last(net: nn.Module) -> bool:
    """Return whether oneDNN damages the gradients of a network in the channels-last format.

    In the weight gradient of a strided 1 x 1 convolution of fewer channels than a vector register holds (at most 16),
    it writes past its workspace: the process crashes, hangs or gets wrong gradients
    (https://github.com/uxlfoundation/oneDNN/issues/6035).
    """
    convolutions = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]
    return any(
        set(layer.kernel_size) == {1} and max(layer.stride) > 1 and layer.in_channels // layer.groups < 16
        for layer in convolutions
    )


def _as_tensor(weights: npt.NDArray[np.float32] | None) -> Tensor | None:
    return None if weights is None else torch.from_numpy(weights)


def _weights_of(data: object) -> Tensor | None:
    return _as_tensor(getattr(data, "class_weights", None))
