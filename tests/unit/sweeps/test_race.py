"""A configuration is pruned only when it is clearly behind a complete one on the same folds."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facemask.runs.run_folder import read_config
from facemask.sweeps.page import rebuild
from facemask.sweeps.race import judge
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
        "after 2 of 3 folds its mean val/auroc is 0.2050 behind that of net lr=1 on the same folds, more than 14.0 "
        "standard errors (0.0050 each): the threshold of race_margin=2 after 2 folds"
    )


@pytest.mark.parametrize(
    ("scores", "margin", "why"),
    [
        ({0: 0.1}, 2.0, "one fold has no standard error"),
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


@pytest.mark.slow
def test_equal_configurations_are_seldom_pruned(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pruned = 0
    for i in range(150):
        scores = rng.normal(0.9, 0.01, (2, 3))
        sweep = tmp_path / str(i)
        write_run(sweep / "one", dict(enumerate(scores[0])), lr=1, race_margin=2.0)
        run = write_run(sweep / "other", dict(enumerate(scores[1][:2])), lr=2, race_margin=2.0, status="running")
        pruned += judge(sweep, read_config(run)) is not None
    assert pruned <= 9  # one in 44 is expected; with plain standard errors it would be 22


def test_incomplete_configurations_are_not_rivals(tmp_path: Path) -> None:
    run = write_run(tmp_path / "behind", BEHIND, lr=2, race_margin=2.0, status="running")
    write_run(tmp_path / "half", {0: 0.9, 1: 0.95}, lr=1, status="running")
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


def test_the_rival_is_the_best_complete_configuration(tmp_path: Path) -> None:
    write_run(tmp_path / "good", {fold: score - 0.05 for fold, score in SCORES.items()}, lr=3, race_margin=2.0)
    write_run(tmp_path / "bad", {fold: score - 0.3 for fold, score in SCORES.items()}, lr=4, race_margin=2.0)
    run = write_rivals(tmp_path, BEHIND)
    (tmp_path / "broken").mkdir()
    pruned = judge(tmp_path, read_config(run))
    assert pruned is not None
    assert "that of net lr=1 on the same folds" in pruned.reason
