"""Metrics of an epoch, the same for two and more classes."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric, MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassAUROC,
    MulticlassF1Score,
    MulticlassPrecision,
    MulticlassRecall,
)


class EpochMetrics(nn.Module):
    """Metrics of one pass over the data.

    ``loss`` (mean over samples), ``accuracy`` (over all samples), ``f1`` (macro average), ``auroc`` (one-vs-rest, macro
    average; for two classes the usual one), ``precision_CLASS`` and ``recall_CLASS``.

    Args:
        class_names: class names in the order of the probabilities.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        super().__init__()
        n = len(class_names)
        self._class_names = list(class_names)
        self._metrics = MetricCollection(
            {
                "accuracy": MulticlassAccuracy(n, average="micro"),
                "f1": MulticlassF1Score(n, average="macro"),
                "auroc": MulticlassAUROC(n, average="macro"),
                "precision": MulticlassPrecision(n, average=None),
                "recall": MulticlassRecall(n, average=None),
            }
        )
        self._loss = MeanMetric()
        self._batches: list[tuple[Tensor, Tensor, Tensor]] = []

    @property
    def names(self) -> list[str]:
        """Names of all metrics."""
        per_class = [f"{name}_{label}" for name in ("precision", "recall") for label in self._class_names]
        return ["loss", "accuracy", "f1", "auroc", *per_class]

    def update(self, loss: Tensor, probabilities: Tensor, labels: Tensor) -> None:
        """Add a batch: mean loss, float[]; probabilities, float[N, C]; labels, int[N].

        The batch is only stored, because updating five metrics takes longer than a step of a small head.
        """
        self._batches.append((loss, probabilities, labels))

    def compute(self) -> dict[str, Tensor]:
        """Return every metric of :attr:`names` over all batches since the last call, and reset."""
        losses, probabilities, labels = zip(*self._batches, strict=True)
        sizes = torch.tensor([len(batch) for batch in labels], device=labels[0].device)
        self._loss.update(torch.stack(losses), weight=sizes)
        self._metrics.update(torch.cat(probabilities), torch.cat(labels))
        self._batches.clear()
        values = {"loss": self._loss.compute()}
        for name, value in self._metrics.compute().items():
            if value.ndim == 0:
                values[name] = value
            else:
                values |= {f"{name}_{label}": value[c] for c, label in enumerate(self._class_names)}
        self._loss.reset()
        self._metrics.reset()
        return values
