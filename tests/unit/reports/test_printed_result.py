"""The printed result of a run shows the uncertainty of its scores."""

from pathlib import Path

import pytest
from rich.console import Console

from facemask.reports.run import METRIC_COLUMNS, print_result
from facemask.runs.results import DataFacts, FoldResult, RunResult, SampleCounts, Spread, WeightFacts

METRICS: dict[str, float | None] = {"accuracy": 0.9, "f1": 0.8, "auroc": 0.95}


def make_fold(number: int, interval: tuple[float | None, float | None]) -> FoldResult:
    return FoldResult(
        number,
        "complete",
        data=DataFacts("faces", "abc"),
        n=SampleCounts(val=12, val_groups=2),
        best_epoch=3,
        metrics={"val": METRICS},
        intervals=dict.fromkeys(METRICS, interval),
        n_bootstraps=1000,
    )


def printed(result: RunResult) -> str:
    console = Console(record=True, width=120)
    print_result(result, Path("outputs/run"), console)
    return console.export_text()


def make_run(*folds: FoldResult) -> RunResult:
    spreads = {name: Spread(value, 0.01) for name, value in METRICS.items()}
    return RunResult(
        "complete",
        model="net",
        monitor="val/auroc",
        k=5,
        folds=list(folds),
        data=folds[0].data,
        weights=WeightFacts("random"),
        metrics={"val": spreads},
        seconds=1.0,
    )


def test_a_score_is_shown_with_its_interval() -> None:
    text = printed(make_run(make_fold(0, (0.7, 1.0))))
    assert text.count("0.700-1.000") == 3
    assert "To evaluate on the test part: python evaluate.py run=outputs/run" in text


def test_an_interval_that_too_few_groups_cannot_give_is_a_dash() -> None:
    text = printed(make_run(make_fold(0, (None, None))))
    assert text.count("–") >= 3
    assert "0.950" in text


@pytest.mark.parametrize("title", METRIC_COLUMNS.values())
def test_several_folds_end_in_their_mean_and_deviation(title: str) -> None:
    text = printed(make_run(make_fold(0, (0.7, 1.0)), make_fold(1, (0.7, 1.0))))
    assert title in text
    assert "mean of 2 folds" in text
    assert "0.950 ± 0.010" in text
    assert "groups of a fold, 1,000 resamples; ± is the standard deviation over folds." in text
