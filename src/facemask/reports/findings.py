"""What the report of one model is made from, and how sure it is."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from facemask.config.schemas import EvaluateConfig
from facemask.data.preprocessing import Pixels
from facemask.metrics.classification import Floats, Labels
from facemask.reports.evaluated import Evaluated

MAPPED = 64  # images of a class that a mean activation map is of, at most


@dataclass(frozen=True)
class Latency:
    """The time from decoded crops to probabilities, milliseconds a call.

    Attributes:
        batch: crops a call.
        calls: how many were timed, after warm-up.
        median: of these.
        p90: which nine of ten stay below.
    """

    batch: int
    calls: int
    median: float
    p90: float


@dataclass(frozen=True)
class Cost:
    """What the model costs where it was measured."""

    parameters: int
    flops: int
    checkpoint_bytes: int
    latencies: list[Latency]
    hardware: str


@dataclass(frozen=True)
class Leakage:
    """What of the samples a model has seen.

    Attributes:
        pairs: one row a pair: ``evaluated`` and ``trained_on`` (paths), ``bits``, ``correlation``.
        leaked: bool[N], the samples in these pairs.
        compared: how many training images the samples were compared with.
        reason: why nothing could be compared; empty where it was.
    """

    pairs: pd.DataFrame
    leaked: npt.NDArray[np.bool_]
    compared: int
    reason: str = ""


@dataclass(frozen=True)
class Attention:
    """What in an image speaks for the class that was predicted: activation maps, float64[S, S] in [0, 1].

    Attributes:
        means: by predicted class, the number of images (at most ``MAPPED``) and the mean of their maps.
        rows: int64[n], images that are shown with their own maps.
        maps: float64[n, S, S], theirs.
    """

    means: dict[str, tuple[int, Floats]]
    rows: Labels = field(default_factory=lambda: np.empty(0, np.int64))
    maps: Floats = field(default_factory=lambda: np.empty((0, 0, 0)))


@dataclass(frozen=True)
class Findings:
    """All that the report of one model is made from.

    Attributes:
        evaluated: its predictions.
        images: uint8[N, S, S, 3], memory-mapped.
        fingerprint: of the samples.
        about: on what, which part, how many samples: the caption of every figure.
        leakage: what it has seen of these.
        cost: what it costs.
        attention: where it looks; None for a network without convolutions.
        validation: truth, int64[M], and probabilities, float64[M, C], of the validation images, on which thresholds and
            temperature are chosen; None where these are not known, or are the samples themselves.
        config: of the command.
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
    """Return how the intervals were made."""
    n, groups = len(evaluated.labels), evaluated.n_groups
    if groups < 2:
        return "There are no intervals: a single group of samples tells nothing of the spread."
    kind = f"over the {groups:,} groups (faces of one photo)" if groups < n else f"over the {n:,} images"
    resamples = f"{evaluated.n_bootstraps:,} resamples"
    return f"In brackets: 95 % intervals, from a bootstrap {kind}, {resamples}; exact for figures of 0 or 1."


def missing_classes(evaluated: Evaluated) -> list[str]:
    """Return what cannot be told because classes are missing, as sentences."""
    absent = [c for i, c in enumerate(evaluated.class_names) if not (evaluated.labels == i).any()]
    if not absent:
        return []
    return [
        f"There is no image of {', '.join(absent)} here: its recall counts as 0 in the macro averages, as "
        "scikit-learn has it, and AUROC and average precision are not defined (–)."
    ]
