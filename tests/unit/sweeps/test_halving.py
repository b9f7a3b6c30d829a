"""The best third of a grid after a third of its epochs continues."""

from pathlib import Path

import pytest

from facemask.runs.results import Status
from facemask.runs.run_folder import read_config
from facemask.sweeps.halving import first_part, judge_first_part
from facemask.sweeps.ranking import summarise
from runs_on_disk import SCORES, configuration, write_run

FIRST = [0.9, 0.7, 0.8, 0.6]  # monitored metric of the first epochs of four configurations


def write_grid(sweep: Path, monitor: str = "val/auroc", statuses: tuple[Status, ...] = ("waiting",) * 4) -> list[Path]:
    """Write runs of six epochs, two of which are trained."""
    return [
        write_run(sweep / f"{i}", {0: first}, lr=i + 1, fold=0, epochs=6, halving=True, monitor=monitor, status=status)
        for i, (first, status) in enumerate(zip(FIRST, statuses, strict=True))
    ]


def survivors(sweep: Path, runs: list[Path]) -> list[int]:
    return [i for i, run in enumerate(runs) if judge_first_part(sweep, read_config(run), run / "fold-0") is None]


@pytest.mark.parametrize(("monitor", "expected"), [("val/auroc", [0, 2]), ("val/loss", [1, 3])])
def test_the_best_third_continues(tmp_path: Path, monitor: str, expected: list[int]) -> None:
    runs = write_grid(tmp_path, monitor)
    assert survivors(tmp_path, runs) == expected


def test_the_reason_says_what_was_compared(tmp_path: Path) -> None:
    runs = write_grid(tmp_path)
    pruned = judge_first_part(tmp_path, read_config(runs[1]), runs[1] / "fold-0")
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


def test_failed_runs_and_other_seeds_and_folds_take_no_place(tmp_path: Path) -> None:
    runs = write_grid(tmp_path, statuses=("failed", "waiting", "waiting", "waiting"))
    write_run(tmp_path / "seed", {0: 0.99}, lr=8, fold=0, epochs=6, seed=1)
    write_run(tmp_path / "fold", {1: 0.99}, lr=9, fold=1, epochs=6)
    (runs[3] / "fold-0/metrics.csv").write_text("damaged")
    assert survivors(tmp_path, runs) == [0, 2, 3]  # the failed and the damaged one are not judged


def test_equal_configurations_continue_together(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / f"{i}", SCORES, lr=i, fold=0, epochs=6) for i in range(6)]
    assert survivors(tmp_path, runs) == [*range(6)]


@pytest.mark.parametrize(("epochs", "expected"), [(1, 1), (2, 1), (3, 1), (8, 3), (12, 4), (30, 10)])
def test_the_first_part_is_a_third(epochs: int, expected: int) -> None:
    assert first_part(configuration(epochs=epochs)) == expected


def test_the_summary_says_what_halving_stopped(tmp_path: Path) -> None:
    write_run(tmp_path / "best", SCORES, lr=1)
    write_run(tmp_path / "out", {}, lr=2, status="pruned")
    assert "Halving stopped 1 of 2 configurations after a third of the epochs." in summarise(tmp_path).verdict
