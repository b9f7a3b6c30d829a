"""Predictions of a model with their metrics and intervals."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from facemask.metrics.bootstrap import bootstrap_metrics, metric_intervals
from facemask.metrics.classification import Floats, Labels, classification_metrics
from facemask.models.predict import truth_and_probabilities
from facemask.runs.trained import TrainedModel

HEADLINE = {
    "accuracy": "accuracy",
    "f1": "macro F1",
    "weighted_f1": "weighted F1",
    "auroc": "AUROC",
    "average_precision": "average precision",
    "loss": "negative log-likelihood",
}


@dataclass(frozen=True)
class Evaluated:
    """A model and its predictions.

    Attributes:
        model: the model.
        predictions: one row per sample: ``path``, ``group``, ``label``, ``width``, ``height``, ``probability_CLASS``.
        positive: for two classes, index of the positive class.
        n_bootstraps: number of bootstrap resamples.
        seed: seed of the bootstrap.
    """

    model: TrainedModel
    predictions: pd.DataFrame
    positive: int
    n_bootstraps: int
    seed: int

    @property
    def class_names(self) -> list[str]:
        """Class names in the order of the probabilities."""
        return self.model.class_names

    @cached_property
    def _arrays(self) -> tuple[Labels, Floats]:
        return truth_and_probabilities(self.predictions, self.class_names)

    @property
    def labels(self) -> Labels:
        """True classes, int64[N]."""
        return self._arrays[0]

    @property
    def probabilities(self) -> Floats:
        """Probabilities, float64[N, C]."""
        return self._arrays[1]

    @property
    def predicted(self) -> Labels:
        """Predicted classes, int64[N]."""
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.int64)

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        """Whether each prediction is correct, bool[N]."""
        return np.asarray(self.predicted == self.labels)

    @cached_property
    def metrics(self) -> dict[str, float]:
        """All metrics, see :func:`facemask.metrics.classification.classification_metrics`."""
        return classification_metrics(self.labels, self.probabilities, self.class_names, self.positive)

    @cached_property
    def bootstrap_metrics(self) -> dict[str, Floats]:
        """Metrics of the bootstrap resamples, float64[B] each."""
        groups = self.predictions["group"].tolist()
        arguments = (
            self.labels,
            self.probabilities,
            self.class_names,
            groups,
            self.n_bootstraps,
            self.seed,
            self.positive,
        )
        return bootstrap_metrics(*arguments)

    @cached_property
    def intervals(self) -> dict[str, list[float]]:
        """95 % interval of each metric; NaN for a single group."""
        groups = self.predictions["group"].tolist()
        arguments = (self.metrics, self.labels, self.predicted, self.class_names, groups)
        return metric_intervals(self.bootstrap_metrics, *arguments)

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return int(self.predictions["group"].nunique())

    def only(self, rows: npt.NDArray[np.bool_]) -> "Evaluated":
        """Return the same for a subset of samples, bool[N]."""
        return Evaluated(
            self.model, self.predictions[rows].reset_index(drop=True), self.positive, self.n_bootstraps, self.seed
        )

    def cells(self, name: str, column: str = "") -> dict[str, float]:
        """Return a metric and its interval as three table cells."""
        low, high = self.intervals[name]
        column = column or name
        return {column: self.metrics[name], f"{column}_low": low, f"{column}_high": high}
