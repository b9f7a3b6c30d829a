"""What an evaluation returns: every number, and where the report with all else is."""

from dataclasses import dataclass
from html import escape
from pathlib import Path

import pandas as pd

from facemask.reports.evaluated import HEADLINE
from facemask.reports.photos import PhotoFindings
from facemask.reports.sections import to_cells
from facemask.reports.write import PAGE

SHOWN = ("accuracy", "f1", "auroc")


@dataclass(frozen=True)
class ModelScores:
    """One model on the samples of an evaluation.

    Attributes:
        label: what sets it apart from the others.
        folder: of the fold that it is the best epoch of; of any other checkpoint, the file.
        metrics: see :func:`facemask.metrics.classification.classification_metrics`; NaN where one is not defined.
        intervals: 95 % of each; NaN where there are too few groups.
        predictions: one row a sample: ``path``, ``group``, ``label``, ``width``, ``height``, ``probability_CLASS``.
        milliseconds: the median to predict one image.
        leaked: samples that are near-duplicates of training images; None where that is not known.
    """

    label: str
    folder: Path
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    predictions: pd.DataFrame
    milliseconds: float
    leaked: int | None


@dataclass(frozen=True)
class Evaluation:
    """The result of evaluating models on face crops.

    Attributes:
        folder: of the report.
        about: on what, which part, how many samples.
        models: in the order in which they were named.
        notes: what to know about these numbers, as sentences.
    """

    folder: Path
    about: str
    models: list[ModelScores]
    notes: list[str]

    @property
    def page(self) -> Path:
        """The report."""
        return self.folder / PAGE

    @property
    def scores(self) -> pd.DataFrame:
        """One row a model: its label, its main metrics with their intervals, and the milliseconds for an image."""
        rows = []
        for model in self.models:
            row: dict[str, object] = {"model": model.label}
            for name in SHOWN:
                low, high = model.intervals[name]
                title = HEADLINE[name].replace(" ", "_")
                row |= {title: model.metrics[name], f"{title}_low": low, f"{title}_high": high}
            rows.append(row | {"ms_per_image": model.milliseconds})
        return pd.DataFrame(rows)

    def _repr_html_(self) -> str:
        """Return the scores, as a notebook shows them."""
        return _to_html(self.about, self.scores, self.notes, self.page)


@dataclass(frozen=True)
class PhotoEvaluation:
    """The result of evaluating detector and classifier together on annotated photos.

    Attributes:
        folder: of the report.
        findings: every face, and the tables made from them.
    """

    folder: Path
    findings: PhotoFindings

    @property
    def page(self) -> Path:
        """The report."""
        return self.folder / PAGE

    def _repr_html_(self) -> str:
        """Return what came of the faces, as a notebook shows it."""
        return _to_html(self.findings.about, self.findings.outcome, self.findings.notes, self.page)


def _to_html(title: str, rows: pd.DataFrame, notes: list[str], page: Path) -> str:
    table = to_cells(rows).to_html(index=False, border=0)
    words = "".join(f"<p>{escape(note)}</p>" for note in notes)
    return f'<p><b>{escape(title)}</b></p>{table}{words}<p><a href="{escape(str(page))}">Report</a></p>'
