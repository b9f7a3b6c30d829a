"""A configuration is pruned only when it is clearly behind another one on the same folds."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from facemask.runs.run_folder import read_config
from facemask.sweeps.page import rebuild
from facemask.sweeps.race import gap_to_best, judge
from facemask.sweeps.ranking import summarise
from runs_on_disk import SCORES, write_run

BEHIND = {0: 0.70, 1: 0.74}  # by 0.20 and 0.21: the mean 0.205, its standard error 0.005


def write_rivals(sweep: Path, scores: dict[int, float], margin: float = 2.0, monitor: str = "val/auroc") -> Path:
    write_run(sweep / "best", SCORES, lr=1, race_margin=margin, monitor=monitor)
    return write_run(sweep / "behind", scores, lr=2, race_margin=margin, monitor=monitor, status="running")


def test_a_configuration_clearly_behind_is_pruned_with_a_reason(tmp_path: Path) -> None:
    run = write_rivals(tmp_path, BEHIND)
    pruned = judge(tmp_path, read_config(run))
    assert pruned is not None
    assert pruned.score == pytest.approx(0.72)
    assert pruned.reason == (
        "after 2 of 3 folds its mean val/auroc is 0.2050 behind that of net lr=1, 41.0 standard errors (0.0050 each). "
        "Among 2 equal configurations this has p = 0.016, below 0.023, the limit of race_margin=2"
    )


@pytest.mark.parametrize(
    ("scores", "margin", "why"),
    [
        ({0: 0.1}, 2.0, "one fold without predictions has no standard error"),
        (BEHIND, 42.0, "the margin is wider than 0.205 / 0.005"),
        ({0: 0.70, 1: 0.94}, 2.0, "the two folds disagree"),
        ({0: 0.80, 1: 0.83}, 2.0, "11 standard errors are no proof after two folds"),
        ({0: 0.89, 1: 0.94}, 2.0, "two differences that are the same tell nothing of the spread"),
        ({0: 0.95, 1: 0.99}, 2.0, "it is ahead"),
        ({0: 0.90, 1: 0.95}, 0.0, "it is equal"),
    ],
)
def test_a_configuration_not_clearly_behind_continues(
    tmp_path: Path, scores: dict[int, float], margin: float, why: str
) -> None:
    run = write_rivals(tmp_path, scores, margin)
    assert judge(tmp_path, read_config(run)) is None, why


def test_the_configuration_with_the_lower_loss_leads(tmp_path: Path) -> None:
    run = write_rivals(tmp_path, BEHIND, monitor="val/loss")
    assert judge(tmp_path, read_config(run)) is None


@pytest.mark.parametrize("other", [{"seed": 1}, {"split_seed": 1}, {"monitor": "val/f1"}, {"fingerprint": "other"}])
def test_only_the_same_folds_of_the_same_images_are_compared(tmp_path: Path, other: dict[str, Any]) -> None:
    write_run(tmp_path / "best", SCORES, **({"lr": 1, "race_margin": 2.0} | other))
    run = write_run(tmp_path / "behind", BEHIND, lr=2, race_margin=2.0, status="running")
    assert judge(tmp_path, read_config(run)) is None


@pytest.mark.parametrize(
    ("spread", "expected"), [([0.01] * 8, 0.046), ([0.005] * 6 + [0.03] * 2, 0.14)], ids=["equal spreads", "unequal"]
)
def test_a_race_of_equal_configurations_seldom_prunes_any(spread: list[float], expected: float) -> None:
    rng = np.random.default_rng(0)
    limit = 2 * norm.sf(2) / 4
    n_pruned = 0
    for _ in range(200):
        scores = rng.normal(0, 0.02, 5) + rng.normal(0, 1, (8, 5)) * np.array(spread)[:, None]
        gaps = (gap_to_best(scores[:, :n], int(scores[:, :n].mean(axis=1).argmin())) for n in (2, 3, 4))
        n_pruned += any(gap is not None and gap.probability < limit for gap in gaps)
    assert n_pruned / 200 <= expected  # 0.046 is stated


def test_many_configurations_show_the_error_after_two_folds(tmp_path: Path) -> None:
    scores = np.array([[0.990, 0.980], [0.988, 0.981], [0.991, 0.979], [0.989, 0.982], [0.90, 0.89]])
    runs = [write_run(tmp_path / str(c), dict(enumerate(s)), lr=c + 1, race_margin=2.0) for c, s in enumerate(scores)]
    decisions = [judge(tmp_path, read_config(run)) for run in runs]
    assert [pruned is not None for pruned in decisions] == [False, False, False, False, True]
    assert judge(tmp_path, replace(read_config(runs[-1]), race_margin=10)) is None


def predictions(rng: np.random.Generator, gap: float) -> pd.DataFrame:
    """Return 100 validation images, whose classes lie ``gap`` standard deviations apart."""
    is_bare = np.arange(100) % 2 == 1
    p = 1 / (1 + np.exp(-(rng.normal(0, 1, 100) + gap * (is_bare - 0.5))))
    labels = np.where(is_bare, "b", "a")
    return pd.DataFrame(
        {
            "path": np.arange(100).astype(str),
            "group": np.arange(100).astype(str),
            "label": labels,
            "probability_a": 1 - p,
            "probability_b": p,
        }
    )


@pytest.mark.parametrize(("gaps", "is_pruned"), [((4.0, 0.2), True), ((4.0, 3.8), False)])
def test_one_fold_prunes_only_by_the_images_that_it_was_measured_on(
    tmp_path: Path, gaps: tuple[float, float], is_pruned: bool
) -> None:
    runs = []
    for c, gap in enumerate(gaps):
        table = predictions(np.random.default_rng(0), gap)
        score = roc_auc_score(table["label"] == "b", table["probability_b"])
        runs.append(write_run(tmp_path / str(c), {0: score}, lr=c + 1, race_margin=2.0, status="running"))
        table.to_parquet(runs[-1] / "fold-0/predictions.parquet")
    pruned = judge(tmp_path, read_config(runs[1]))
    assert (pruned is not None) == is_pruned
    assert pruned is None or pruned.reason.startswith("after 1 of 3 folds")


def test_configurations_need_not_be_complete_to_be_rivals(tmp_path: Path) -> None:
    run = write_run(tmp_path / "behind", BEHIND, lr=2, race_margin=2.0, status="running")
    write_run(tmp_path / "half", {0: 0.9, 1: 0.95}, lr=1, status="running")
    assert judge(tmp_path, read_config(run)) is not None
    shutil.rmtree(tmp_path / "half")
    write_run(tmp_path / "half", {0: 0.9}, lr=1, status="running")
    assert judge(tmp_path, read_config(run)) is None


def test_folds_as_separate_jobs_race_too(tmp_path: Path) -> None:
    for fold, score in SCORES.items():
        write_run(tmp_path / f"best/{fold}", {fold: score}, fold=fold, lr=1, race_margin=2.0)
    for fold, score in BEHIND.items():
        write_run(tmp_path / f"behind/{fold}", {fold: score}, fold=fold, lr=2, race_margin=2.0)
    run = write_run(tmp_path / "behind/2", {}, fold=2, lr=2, race_margin=2.0, status="running")
    pruned = judge(tmp_path, read_config(run))
    assert pruned is not None
    assert pruned.score == pytest.approx(np.mean(list(BEHIND.values())))


def test_the_summary_reports_saved_fits_and_does_not_rank_pruned_configurations(tmp_path: Path) -> None:
    write_run(tmp_path / "best", SCORES, lr=1)
    write_run(tmp_path / "out", {0: 0.99, 1: 0.99}, lr=2, status="pruned")
    summary = rebuild(tmp_path)
    assert [(c.label, c.rank) for c in summary.configurations] == [("net lr=1", 1), ("net lr=2", None)]
    assert "Racing pruned 1 of them, which saved 1 of 6 fits." in summary.verdict
    assert "pruned: it was slow" in (tmp_path / "summary.html").read_text()
    assert summarise(tmp_path).problems == [("net lr=2", "pruned: it was slow")]


def test_the_rival_is_the_best_configuration(tmp_path: Path) -> None:
    write_run(tmp_path / "good", {fold: score - 0.05 for fold, score in SCORES.items()}, lr=3, race_margin=2.0)
    write_run(tmp_path / "bad", {fold: score - 0.3 for fold, score in SCORES.items()}, lr=4, race_margin=2.0)
    run = write_rivals(tmp_path, BEHIND)
    (tmp_path / "broken").mkdir()
    pruned = judge(tmp_path, read_config(run))
    assert pruned is not None
    assert "that of net lr=1, " in pruned.reason
