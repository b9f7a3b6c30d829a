"""What the report of one model is made from, and how sure it is."""

from dataclasses import dataclass

from facemask.config.compose import Settings
from facemask.data.preprocessing import Pixels
from facemask.evaluation.cost import Latency
from facemask.evaluation.leakage import Leakage
from facemask.metrics.classification import Floats, Labels
from facemask.models.predict import truth_and_probabilities
from facemask.reports.evaluated import Evaluated


@dataclass(frozen=True)
class Cost:
    """What the model costs where it was measured."""

    parameters: int
    flops: int
    checkpoint_bytes: int
    latencies: list[Latency]
    hardware: str


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
        settings: of the command.
    """

    evaluated: Evaluated
    images: Pixels
    fingerprint: str
    about: str
    leakage: Leakage
    cost: Cost
    settings: Settings

    @property
    def validation(self) -> tuple[Labels, Floats]:
        """The truth and the probabilities of the validation images, on which thresholds and temperature are chosen."""
        model = self.evaluated.model
        return truth_and_probabilities(model.validation(), model.class_names)


def how_sure(evaluated: Evaluated) -> str:
    """Return how the intervals were made."""
    n, groups = len(evaluated.labels), evaluated.n_groups
    if groups < 2:
        return "There are no intervals: a single group of samples tells nothing of the spread."
    kind = f"over the {groups:,} groups (faces of one photo)" if groups < n else f"over the {n:,} images"
    return (
        f"In brackets: 95 % intervals, from a bootstrap {kind}, {evaluated.draws:,} draws; exact for figures of 0 or 1."
    )


def missing_classes(evaluated: Evaluated) -> list[str]:
    """Return what cannot be told because classes are missing, as sentences."""
    absent = [c for i, c in enumerate(evaluated.class_names) if not (evaluated.labels == i).any()]
    if not absent:
        return []
    return [
        f"There is no image of {', '.join(absent)} here: its recall counts as 0 in the macro averages, as "
        "scikit-learn has it, and AUROC and average precision are not defined (–)."
    ]
