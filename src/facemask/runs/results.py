"""What ``result.json`` says of a run and of each of its folds.

``FORMAT`` counts the changes of the run folder. A reader accepts every older format: what an older file does not have
gets its default here, and what a newer one has beyond that is left alone.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import AliasChoices, ConfigDict, Field, with_config

FORMAT = 1  # 0: results without a format number
Status = Literal["running", "complete", "failed", "interrupted", "pruned"]
Bootstraps = Annotated[int, Field(validation_alias=AliasChoices("n_bootstraps", "draws"))]  # draws: format 0
LENIENT = ConfigDict(extra="ignore", ser_json_inf_nan="null")


@dataclass
class DataFacts:
    """What a fold was trained on.

    Attributes:
        name: of the data set.
        fingerprint: a short hash of pixels, labels and groups.
        classes: in the order of the probabilities.
        n: images of each class, of the parts ``train`` and ``test``.
        unreadable: files that could not be read and were left out.
    """

    name: str
    fingerprint: str
    classes: list[str] = field(default_factory=list)
    n: dict[str, dict[str, int]] = field(default_factory=dict)
    unreadable: int = 0


@dataclass
class SampleCounts:
    """Images that a fold was trained and validated on, and the groups of the latter."""

    train: int = 0
    val: int = 0
    val_groups: int = 0


@dataclass
class WeightFacts:
    """A network's first weights: their source, their hash, and how many parameters there are and learn."""

    source: str = "unknown"
    sha256: str = ""
    parameters: int = 0
    trained: int = 0


@dataclass
class TeacherFacts:
    """The trained model that a student learned from."""

    run: str
    sha256: str
    parameters: int


@dataclass
class Environment:
    """Where and with what a result was made."""

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
    """The result of one fold.

    Attributes:
        fold: its number.
        status: how far it came.
        error: why it failed.
        data: what it was trained on; None before the data were read.
        n: how many images.
        weights: of the network before training.
        environment: where it was trained.
        teacher: where there was one.
        best_epoch: counted from 1.
        score: the monitored metric of that epoch.
        metrics: of that epoch, by part (``val``) and name; None where a metric is not defined.
        intervals: 95 % interval of each validation metric.
        n_bootstraps: bootstrap resamples behind the intervals.
        epochs: that were trained.
        seconds: of training.
        data_seconds: of these, waiting for data.
        peak_memory_bytes: of the process so far.
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
        """Whether the fold ended well."""
        return self.status == "complete"

    @property
    def facts(self) -> DataFacts:
        """What a complete fold was trained on."""
        assert self.data is not None
        return self.data


@with_config(LENIENT)
@dataclass
class RunResult:
    """The result of a run.

    Attributes:
        status: how far it came.
        error: why it failed.
        pruned: why a race ended it.
        model: the network's name.
        monitor: the metric that epochs and runs are ranked by.
        k: number of folds that the data were dealt into.
        seed: of the run.
        command: that repeats it.
        folds: results of the folds that have ended well.
        data: of the last fold, as are ``weights`` and ``environment``.
        score: mean of the folds' scores.
        score_std: their sample standard deviation.
        metrics: mean and standard deviation of each validation metric.
        epochs: of all folds together, as are ``seconds``.
        peak_memory_bytes: the largest of any fold.
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
        """Whether every fold ended well."""
        return self.status == "complete"
