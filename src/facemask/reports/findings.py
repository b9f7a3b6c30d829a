"""Content of one model's report."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from facemask.config.schemas import EvaluateConfig
from facemask.data.classes import advised_merge
from facemask.data.preprocessing import Pixels
from facemask.metrics.classification import Floats, Labels
from facemask.reports.evaluated import Evaluated

MAPPED = 64  # maximum number of images per class in a mean activation map
BLENDED = 16  # smallest number of groups (photos or persons) whose mean image shows no person


@dataclass(frozen=True)
class Latency:
    """Time from decoded crops to probabilities, milliseconds per call.

    Attributes:
        batch: crops per call.
        calls: number of timed calls, after warm-up.
        median: median time.
        p90: 90th percentile.
    """

    batch: int
    calls: int
    median: float
    p90: float


@dataclass(frozen=True)
class Cost:
    """Cost of the model on the measuring machine.

    Attributes:
        parameters: number of parameters; None for an exported model.
        flops: floating-point operations per image; None for an exported model.
        checkpoint_bytes: size of the model's file.
        latencies: time by batch size.
        hardware: processor.
        library: library that predicts, such as ``ONNX Runtime``.
    """

    parameters: int | None
    flops: int | None
    checkpoint_bytes: int
    latencies: list[Latency]
    hardware: str
    library: str

    @property
    def mflops(self) -> float | None:
        """Millions of floating-point operations per image; None for an exported model."""
        return None if self.flops is None else self.flops / 1e6


@dataclass(frozen=True)
class Leakage:
    """Samples that are near-duplicates of training images.

    Attributes:
        pairs: one row per pair: ``evaluated`` and ``trained_on`` (paths), ``bits``, ``correlation``.
        leaked: bool[N], whether a sample is in a pair.
        compared: number of training images compared.
        reason: why nothing was compared; empty if it was.
    """

    pairs: pd.DataFrame
    leaked: npt.NDArray[np.bool_]
    compared: int
    reason: str = ""


@dataclass(frozen=True)
class MeanMap:
    """Mean class activation map of a predicted class.

    Attributes:
        n: number of images, at most ``MAPPED``.
        activation: float64[S, S], mean map.
        face: uint8[s, s, 3], mean of the images; None for fewer than ``BLENDED`` groups, which could show a person.
    """

    n: int
    activation: Floats
    face: Pixels | None = None


@dataclass(frozen=True)
class Attention:
    """Class activation maps for the predicted classes, float64[S, S] in [0, 1].

    Attributes:
        means: mean map by predicted class.
        rows: int64[n], positions of images with their own maps.
        maps: float64[n, S, S], their maps.
    """

    means: dict[str, MeanMap]
    rows: Labels = field(default_factory=lambda: np.empty(0, np.int64))
    maps: Floats = field(default_factory=lambda: np.empty((0, 0, 0)))


@dataclass(frozen=True)
class Findings:
    """Content of one model's report.

    Attributes:
        evaluated: predictions of the model.
        images: uint8[N, S, S, 3], memory-mapped.
        fingerprint: fingerprint of the samples.
        about: data, part and number of samples, for captions.
        leakage: near-duplicates of training images.
        cost: cost of the model.
        attention: activation maps; None for a network without convolutions, and an exported model.
        validation: labels, int64[M], and probabilities, float64[M, C], of the validation images, on which thresholds
            and temperature are chosen; None if they are unknown or are the samples.
        config: configuration of the command.
    """

    evaluated: Evaluated
    images: Pixels
    fingerprint: str
    about: str
    leakage: Leakage
    cost: Cost
    attention: Attention | None
    validation: tuple[Labels, Floats] | None
    config: EvaluateConfig


def how_sure(evaluated: Evaluated) -> str:
    """Return a sentence about the confidence intervals."""
    n, groups = len(evaluated.labels), evaluated.n_groups
    if groups < 2:
        return "There are no confidence intervals, because there is only one group of samples."
    kind = f"over the {groups:,} groups (faces of one photo)" if groups < n else f"over the {n:,} images"
    resamples = f"{evaluated.n_bootstraps:,} resamples"
    return (
        f"In brackets: 95 % bootstrap confidence intervals {kind}, {resamples}; exact intervals for values of 0 or 1."
    )


def missing_classes(evaluated: Evaluated) -> list[str]:
    """Return sentences about metrics that are undefined because classes are missing."""
    absent = [c for i, c in enumerate(evaluated.class_names) if not (evaluated.labels == i).any()]
    if not absent:
        return []
    notes = [
        f"There are no images of {', '.join(absent)}: its recall counts as 0 in macro averages, as "
        "in scikit-learn, and AUROC and average precision are undefined (–)."
    ]
    present = [name for name in evaluated.class_names if name not in absent]
    if advice := advised_merge(evaluated.class_names, present):
        notes.append(f"To count wrong_mask as no_mask, whose probabilities are then summed, add {advice}.")
    return notes


def caveats(all_findings: Sequence[Findings]) -> list[str]:
    """Return what readers should know about the training data of the models, and which classes are merged."""
    models = [findings.evaluated.model for findings in all_findings]
    known = [(model.label, model.preprocessing.caveat) for model in models if model.preprocessing.caveat]
    notes = [f"Note: {label} was {caveat}" for label, caveat in known]
    if merge := models[0].merge:
        counted = ", ".join(f"{name} as {other}" for name, other in merge.items())
        notes.append(f"Counted, with summed probabilities: {counted}.")
    return notes
