"""The best third of a grid after a third of its epochs continues."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from facemask.config.component import Component
from facemask.models.records import MODEL, PREPROCESSING
from facemask.runs.results import FoldResult, RunResult, Status
from facemask.runs.run_folder import read_config, read_fold, write
from facemask.sweeps.halving import judge_at_rung, rung_epochs, score_at_rung
from facemask.sweeps.ranking import summarise
from facemask.training.rounds import is_settled
from runs_on_disk import SCORES, configuration, write_run


def trainer(epochs: int) -> Component:
    return Component("lightning.pytorch.Trainer", {"max_epochs": epochs})


SIX = {"fold": 0, "trainer": trainer(6)}
FIRST = [0.9, 0.7, 0.8, 0.6]  # monitored metric of the first epochs of four configurations


def write_grid(sweep: Path, monitor: str = "val/auroc") -> list[Path]:
    """Write runs of six epochs, two of which are trained."""
    runs = [
        write_run(sweep / f"{i}", {0: first}, "waiting", lr=i + 1, halving=True, monitor=monitor, **SIX)
        for i, first in enumerate(FIRST)
    ]
    for run in runs:
        set_status(run, "waiting")
    return runs


def set_status(run: Path, status: Status, n_saved: int | None = None) -> None:
    """Change the status of the only fold; ``n_saved`` is the number of epochs in its last checkpoint."""
    fold = read_fold(run / "fold-0")
    assert fold is not None
    write(run / "fold-0", replace(fold, status=status))
    if n_saved is not None:
        torch.save({PREPROCESSING: {}, MODEL: {}, "state_dict": {}, "epoch": n_saved - 1}, run / "fold-0/last.ckpt")


def survivors(sweep: Path, runs: list[Path]) -> list[int]:
    return [i for i, run in enumerate(runs) if judge_at_rung(sweep, read_config(run), run / "fold-0") is None]


@pytest.mark.parametrize(("monitor", "expected"), [("val/auroc", [0, 2]), ("val/loss", [1, 3])])
def test_the_best_third_continues(tmp_path: Path, monitor: str, expected: list[int]) -> None:
    runs = write_grid(tmp_path, monitor)
    assert survivors(tmp_path, runs) == expected


def test_a_fold_of_unknown_images_continues(tmp_path: Path) -> None:
    runs = write_grid(tmp_path)
    fold = read_fold(runs[3] / "fold-0")
    assert fold is not None
    write(runs[3] / "fold-0", replace(fold, data=None))
    assert survivors(tmp_path, runs) == [0, 3]  # the best of three, and the one that has nothing to compare with


def test_the_reason_says_what_was_compared(tmp_path: Path) -> None:
    runs = write_grid(tmp_path)
    pruned = judge_at_rung(tmp_path, read_config(runs[1]), runs[1] / "fold-0")
    assert pruned is not None
    assert pruned.score == 0.7
    assert pruned.reason == (
        "after 2 of 6 epochs its val/auroc is 0.7000, and 2 of 3 others are better; halving=true continues with the "
        "best third"
    )


def test_later_epochs_do_not_count(tmp_path: Path) -> None:
    runs = write_grid(tmp_path)
    with (runs[3] / "fold-0/metrics.csv").open("a") as table:
        table.write("3,0.99\n")
    assert survivors(tmp_path, runs) == [0, 2]


def test_what_cannot_be_compared_takes_no_place(tmp_path: Path) -> None:
    runs = write_grid(tmp_path)
    set_status(runs[0], "failed", n_saved=1)
    assert math.isnan(
        score_at_rung(runs[0] / "fold-0", read_config(runs[0]))
    )  # its second epoch diverged, but is in the table
    (runs[3] / "fold-0/metrics.csv").write_text("damaged")
    better = {0: 0.99}
    write_run(tmp_path / "seed", better, lr=8, seed=1, **SIX)
    write_run(tmp_path / "fold", {1: 0.99}, lr=9, **SIX | {"fold": 1})
    write_run(tmp_path / "longer", better, lr=10, fold=0, trainer=trainer(30))
    write_run(tmp_path / "other images", better, fingerprint="other", lr=11, **SIX)
    assert survivors(tmp_path, runs) == [0, 2, 3]  # the failed and the damaged one are not judged


def test_a_run_that_failed_later_and_one_that_stopped_early_count(tmp_path: Path) -> None:
    runs = write_grid(tmp_path)
    set_status(runs[0], "failed", n_saved=2)
    assert score_at_rung(runs[0] / "fold-0", read_config(runs[0])) == 0.9
    set_status(runs[2], "complete")
    (runs[2] / "fold-0/metrics.csv").write_text("epoch,val/auroc\n1,0.8\n")
    assert survivors(tmp_path, runs) == [0, 2]
    set_status(runs[2], "running")  # one epoch is too few to be judged
    assert math.isnan(score_at_rung(runs[2] / "fold-0", read_config(runs[2])))


def test_equal_configurations_continue_together(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / f"{i}", SCORES, lr=i, **SIX) for i in range(6)]
    assert survivors(tmp_path, runs) == [*range(6)]


@pytest.mark.parametrize(("epochs", "expected"), [(3, 1), (4, 1), (5, 2), (8, 3), (12, 4), (30, 10)])
def test_the_first_part_is_a_third_of_what_is_trained(epochs: int, expected: int) -> None:
    assert rung_epochs(configuration(epochs=99, trainer=trainer(epochs))) == expected


@pytest.mark.parametrize(
    ("status", "n_folds", "keys", "expected"),
    [
        ("waiting", 0, {"race_folds": 0}, True),
        ("waiting", 0, {"race_folds": None}, False),
        ("pruned", 0, {"race_folds": 0}, True),
        ("pruned", 0, {"race_folds": None}, False),  # others may have been added since
        ("pruned", 0, {"race_folds": 1, "halving": False}, False),
        ("pruned", 1, {"race_folds": None}, True),
        ("pruned", 1, {"race_folds": None, "race": False}, False),
        ("failed", 0, {"race_folds": 0}, False),
        ("failed", 0, {"race_folds": 1}, True),
        ("failed", 0, {"race_folds": None}, True),
        ("failed", 1, {"race_folds": 1}, False),
    ],
)
def test_a_round_is_over_for_a_run(status: Status, n_folds: int, keys: dict[str, object], expected: bool) -> None:
    config = configuration(**{"race": True, "halving": True} | keys)
    result = RunResult(status, folds=[FoldResult(n) for n in range(n_folds)])
    assert is_settled(result, config, Path("sweep")) is expected


def test_the_summary_says_what_halving_stopped(tmp_path: Path) -> None:
    write_run(tmp_path / "best", SCORES, lr=1)
    write_run(tmp_path / "out", {}, lr=2, status="pruned")
    assert (
        "Halving stopped 1 of 2 configurations early; the same command without halving=true"
        in summarise(tmp_path).verdict
    )
