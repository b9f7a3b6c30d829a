"""Typed content of ``result.json`` of a run and of its folds.

``FORMAT`` is the version of the run folder. Older formats are read with defaults for missing fields, and unknown fields
of newer ones are ignored.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import AliasChoices, ConfigDict, Field, with_config

FORMAT = 1  # 0: results without a format number
# waiting: until the other configurations of the sweep end the round
Status = Literal["running", "complete", "failed", "interrupted", "waiting", "pruned"]
Bootstraps = Annotated[int, Field(validation_alias=AliasChoices("n_bootstraps", "draws"))]  # draws: format 0
LENIENT = ConfigDict(extra="ignore", ser_json_inf_nan="null")


@dataclass
class DataFacts:
    """Data of a fold.

    Attributes:
        name: name of the data set.
        fingerprint: short hash of pixels, labels and groups.
        classes: class names in the order of the probabilities.
        n: number of images per class in the parts ``train`` and ``test``.
        unreadable: number of skipped unreadable files.
        store_size: side of the stored images, pixels, on which the fingerprint depends; None if unknown.
        samples: short hash of paths, original sizes, labels, groups and split; empty if unknown.
    """

    name: str
    fingerprint: str
    classes: list[str] = field(default_factory=list)
    n: dict[str, dict[str, int]] = field(default_factory=dict)
    unreadable: int = 0
    store_size: int | None = None
    samples: str = ""

    def has_same_images(self, other: "DataFacts") -> bool:
        """Return whether these are the same labelled images, split equally; they may be stored at another size."""
        if self.store_size == other.store_size or not (self.samples and other.samples):
            return self.fingerprint == other.fingerprint
        return self.samples == other.samples


@dataclass
class SampleCounts:
    """Numbers of training and validation images, and of validation groups."""

    train: int = 0
    val: int = 0
    val_groups: int = 0


@dataclass
class WeightFacts:
    """Initial weights: source, hash, and numbers of total and trainable parameters."""

    source: str = "unknown"
    sha256: str = ""
    parameters: int = 0
    trained: int = 0


@dataclass
class TeacherFacts:
    """The teacher of a student; of several models, digest and parameters are those of the first."""

    run: str
    sha256: str
    parameters: int
    models: int = 1


@dataclass
class Environment:
    """Hardware and software of a run."""

    python: str = ""
    platform: str = ""
    processor: str = ""
    device: str = ""
    libraries: dict[str, str] = field(default_factory=dict)
    git: str | None = None


@dataclass
class Spread:
    """Mean and sample standard deviation (ddof=1; None for one value) over folds."""

    mean: float | None
    std: float | None = None


@with_config(LENIENT)
@dataclass
class FoldResult:
    """Result of one fold.

    Attributes:
        fold: number of the fold.
        status: status of the fold.
        error: reason of a failure.
        data: data of the fold; None before they were read.
        n: numbers of images.
        weights: initial weights.
        environment: hardware and software.
        teacher: teacher, if any.
        best_epoch: best epoch, counted from 1.
        score: monitored metric of the best epoch.
        metrics: metrics of the best epoch by part (``val``) and name; None if undefined.
        intervals: 95 % confidence interval of each validation metric.
        n_bootstraps: number of bootstrap resamples.
        epochs: number of trained epochs.
        seconds: training time.
        data_seconds: time of it spent waiting for data.
        peak_memory_bytes: peak memory of the process.
    """

    fold: int
    status: Status = "running"
    error: str | None = None
    data: DataFacts | None = None
    n: SampleCounts = field(default_factory=SampleCounts)
    weights: WeightFacts = field(default_factory=WeightFacts)
    environment: Environment = field(default_factory=Environment)
    teacher: TeacherFacts | None = None
    best_epoch: int = 0
    score: float | None = None
    metrics: dict[str, dict[str, float | None]] = field(default_factory=dict)
    intervals: dict[str, tuple[float | None, float | None]] = field(default_factory=dict)
    n_bootstraps: Bootstraps = 0
    epochs: int = 0
    seconds: float = 0.0
    data_seconds: float = 0.0
    peak_memory_bytes: int | None = None
    format: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether the fold is complete."""
        return self.status == "complete"

    @property
    def facts(self) -> DataFacts:
        """Data of a complete fold."""
        assert self.data is not None
        return self.data


@with_config(LENIENT)
@dataclass
class RunResult:
    """Result of a run.

    Attributes:
        status: status of the run.
        error: reason of a failure.
        pruned: reason for pruning.
        model: name of the network.
        monitor: metric that ranks epochs and runs.
        k: number of folds.
        seed: seed of the run.
        command: command line that repeats the run.
        folds: results of the complete folds.
        data: data of the last fold.
        weights: initial weights of the last fold.
        environment: hardware and software of the last fold.
        score: mean score over folds.
        score_std: sample standard deviation of the score over folds.
        metrics: mean and standard deviation of each validation metric over folds.
        epochs: total number of epochs.
        seconds: total training time.
        peak_memory_bytes: maximum over the folds.
    """

    status: Status = "running"
    error: str | None = None
    pruned: str | None = None
    model: str = ""
    monitor: str = ""
    k: int = 0
    seed: int = 0
    command: str = ""
    folds: list[FoldResult] = field(default_factory=list)
    data: DataFacts | None = None
    weights: WeightFacts = field(default_factory=WeightFacts)
    environment: Environment = field(default_factory=Environment)
    score: float | None = None
    score_std: float | None = None
    metrics: dict[str, dict[str, Spread]] = field(default_factory=dict)
    epochs: int = 0
    seconds: float = 0.0
    peak_memory_bytes: int | None = None
    format: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether every fold is complete."""
        return self.status == "complete"
