"""The result of an evaluation displays itself in a notebook and in the terminal."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from facemask.evaluation.command import show
from facemask.evaluation.result import Evaluation, ModelScores, PhotoEvaluation
from facemask.reports.photos import PhotoFindings


def scores(label: str, auroc: float) -> ModelScores:
    metrics = {"accuracy": 0.9, "f1": 0.8, "auroc": auroc}
    intervals = {"accuracy": (0.85, 0.95), "f1": (0.7, 0.9), "auroc": (np.nan, np.nan)}
    return ModelScores(label, Path("run/fold-0"), metrics, intervals, pd.DataFrame(), 1.234, 0)


@pytest.fixture
def evaluation() -> Evaluation:
    """Two models, of one of which a metric is not defined."""
    models = [scores("CNN lr=0.1", 0.95), scores("CNN <lr=0.2>", np.nan)]
    return Evaluation(Path("out"), "faces, test part, n = 20", models, ["There are no images of <b>."])


@pytest.fixture
def photo_evaluation() -> PhotoEvaluation:
    """Three photos, on one of which the model was trained."""
    faces = pd.DataFrame(
        {"photo": ["a", "b", "c"], "label": ["mask", "mask", None], "predicted": ["mask", None, "mask"]}
    )
    outcome = pd.DataFrame([{"class": "all", "faces": 2, "detected": 0.5}])
    seen = np.array([True, False, False])
    detections, confusion = pd.DataFrame([{"detections": 2}]), pd.DataFrame([{"truth": "mask", "mask": 1}])
    findings = PhotoFindings(
        about="photos: 2 faces",
        faces=faces,
        outcome=outcome,
        outcome_of_new=outcome,
        detections=detections,
        sizes=pd.DataFrame(),
        overconfident_below=None,
        curve=(np.empty(0), np.empty(0)),
        confusion=confusion,
        is_seen=seen,
        reason="",
        overlap=0.4,
        n_bootstraps=200,
    )
    return PhotoEvaluation(Path("out"), findings)


def printed(result: Evaluation | PhotoEvaluation) -> str:
    console = Console(file=io.StringIO(), width=100)
    show(result, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_notebook_shows_the_scores_and_links_the_report(evaluation: Evaluation) -> None:
    html = evaluation._repr_html_()
    assert "0.9000 (0.850–0.950)" in html
    assert "<th>macro F1</th>" in html
    assert "CNN &lt;lr=0.2&gt;" in html
    assert "There are no images of &lt;b&gt;." in html
    assert '<a href="out/report.html">' in html
    assert evaluation.scores["AUROC"].tolist() == [0.95, pytest.approx(np.nan, nan_ok=True)]


def test_the_terminal_shows_the_scores_the_notes_and_the_report(evaluation: Evaluation) -> None:
    lines = printed(evaluation).splitlines()
    assert lines[0].strip() == "faces, test part, n = 20"
    assert any(line.split() == ["CNN", "lr=0.1", "0.900", "0.800", "0.950", "1.23"] for line in lines)
    assert any(line.split() == ["CNN", "<lr=0.2>", "0.900", "0.800", "–", "1.23"] for line in lines)
    assert lines[-2:] == ["There are no images of <b>.", "Report: out/report.html"]


def test_photo_evaluation_shows_its_rates(photo_evaluation: PhotoEvaluation) -> None:
    html, text = photo_evaluation._repr_html_(), printed(photo_evaluation)
    for shown in ("photos: 2 faces", "1 of the photos were trained on, so the overall results are too optimistic."):
        assert shown in html
        assert shown in text
    assert "Photos that were not trained on: 1 faces in 2" in text
    assert text.splitlines()[-1] == "Report: out/report.html"
