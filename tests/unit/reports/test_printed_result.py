"""What a run prints says how sure it is, or that nothing tells."""

from pathlib import Path
from typing import Any

from rich.console import Console

from facemask.reports.run import print_result


def printed(intervals: list[float | None]) -> str:
    metrics = {"accuracy": 0.9, "f1": 0.8, "auroc": 0.95}
    fold: dict[str, Any] = {
        "fold": 0,
        "metrics": {"val": metrics},
        "intervals": dict.fromkeys(metrics, intervals),
        "n": {"val": 12, "val_groups": 2},
        "draws": 1000,
        "best_epoch": 3,
    }
    result = {
        "folds": [fold],
        "model": "net",
        "data": {"name": "faces"},
        "k": 5,
        "monitor": "val/auroc",
        "seconds": 1.0,
    }
    console = Console(record=True, width=120)
    print_result(result | {"weights": {"source": "random"}}, Path("outputs/run"), console)
    return console.export_text()


def test_a_score_stands_over_its_interval() -> None:
    text = printed([0.7, 1.0])
    assert text.count("0.700-1.000") == 3
    assert "On the test part: python evaluate.py run=outputs/run" in text


def test_where_too_few_groups_tell_nothing_there_is_a_dash() -> None:
    text = printed([None, None])
    assert text.count("–") >= 3
    assert "0.950" in text
