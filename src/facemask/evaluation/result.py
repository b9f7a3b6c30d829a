"""Results of an evaluation."""

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
    """Scores of one model.

    Attributes:
        label: label that distinguishes it from the others.
        folder: folder of its fold; for other checkpoints, the file.
        metrics: see :func:`facemask.metrics.classification.classification_metrics`; NaN if undefined.
        intervals: 95 % confidence interval of each metric; NaN with too few groups.
        predictions: one row per sample: ``path``, ``group``, ``label``, ``width``, ``height``, ``probability_CLASS``.
        milliseconds: median latency of one image.
        leaked: number of near-duplicates of training images; None if unknown.
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
        folder: folder of the report.
        about: data, part and number of samples.
        models: scores of the models, in the given order.
        notes: sentences about these numbers.
    """

    folder: Path
    about: str
    models: list[ModelScores]
    notes: list[str]

    @property
    def page(self) -> Path:
        """Path of the report."""
        return self.folder / PAGE

    @property
    def scores(self) -> pd.DataFrame:
        """One row per model: label, main metrics with intervals, and milliseconds per image."""
        rows = []
        for model in self.models:
            row: dict[str, object] = {"model": model.label}
            for name in SHOWN:
                low, high = model.intervals[name]
                title = HEADLINE[name].replace(" ", "_")
                row |= {title: model.metrics[name], f"{title}_low": low, f"{title}_high": high}
            rows.append(row | {"ms_per_image": model.milliseconds})
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        """Return data, scores and report as text."""
        return f"{self.about}\n{to_cells(self.scores).to_string(index=False)}\n{self.page}"

    def _repr_html_(self) -> str:
        """Return the scores as HTML for notebooks."""
        scores = self.scores.rename(columns=lambda name: str(name).replace("macro_F1", "macro F1"))
        return to_html(self.about, scores, self.notes, self.page)


@dataclass(frozen=True)
class PhotoEvaluation:
    """The result of evaluating detector and classifier together on annotated photos.

    Attributes:
        folder: folder of the report.
        findings: table of faces, and the tables derived from it.
    """

    folder: Path
    findings: PhotoFindings

    @property
    def page(self) -> Path:
        """Path of the report."""
        return self.folder / PAGE

    def __repr__(self) -> str:
        """Return data, rates and report as text."""
        return f"{self.findings.about}\n{to_cells(self.findings.outcome).to_string(index=False)}\n{self.page}"

    def _repr_html_(self) -> str:
        """Return the rates as HTML for notebooks."""
        return to_html(self.findings.about, self.findings.outcome, self.findings.notes, self.page)


def to_html(title: str, rows: pd.DataFrame, notes: list[str], page: Path) -> str:
    """Return a table with its title, notes and the link to its report as HTML for notebooks."""
    table = to_cells(rows).to_html(index=False, border=0)
    words = "".join(f"<p>{escape(note)}</p>" for note in notes)
    return f'<p><b>{escape(title)}</b></p>{table}{words}<p><a href="{escape(str(page))}">Report</a></p>'
