"""A ranking contains complete configurations only, states its uncertainty, and names failures with their reason."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from facemask.config.component import Component
from facemask.config.keys import varied_keys
from facemask.errors import RunError
from facemask.runs.results import RunResult
from facemask.runs.run_folder import write
from facemask.sweeps.figures import draw_heat_map
from facemask.sweeps.page import rebuild
from facemask.sweeps.ranking import Summary, summarise
from runs_on_disk import SCORES, configuration, shifted, write_run


def labels(summary: Summary) -> list[tuple[int | None, str]]:
    return [(c.rank, c.label) for c in summary.configurations]


def test_configurations_are_ranked_by_the_mean_of_their_folds(tmp_path: Path) -> None:
    for i, by in enumerate((0.0, 0.02, -0.1)):
        write_run(tmp_path / f"run{i}", shifted(by), lr=10.0**-i)
    summary = summarise(tmp_path)
    assert labels(summary) == [(1, "net lr=0.1"), (2, "net lr=1"), (3, "net lr=0.01")]
    best = summary.configurations[0]
    spread = best.metric("auroc")
    assert spread.mean == pytest.approx(np.mean(list(shifted(0.02).values())))
    assert spread.std == pytest.approx(np.std(list(SCORES.values()), ddof=1))


def test_a_loss_is_ranked_in_ascending_order(tmp_path: Path) -> None:
    write_run(tmp_path / "low", shifted(-0.5), lr=1, monitor="val/loss")
    write_run(tmp_path / "high", SCORES, lr=2, monitor="val/loss")
    assert labels(summarise(tmp_path)) == [(1, "net lr=1"), (2, "net lr=2")]


def test_folds_as_jobs_and_in_one_job_are_the_same_configuration(tmp_path: Path) -> None:
    write_run(tmp_path / "one/whole", SCORES)
    for fold, score in SCORES.items():
        write_run(tmp_path / f"many/fold={fold}", {fold: score}, fold=fold)
    one, many = (rebuild(tmp_path / name) for name in ("one", "many"))
    assert len(one.configurations) == len(many.configurations) == 1
    assert (tmp_path / "one/summary.csv").read_text() == (tmp_path / "many/summary.csv").read_text()


def test_configurations_without_all_folds_are_shown_but_not_ranked(tmp_path: Path) -> None:
    write_run(tmp_path / "whole", SCORES, lr=1)
    write_run(tmp_path / "part", {0: 0.99, 1: 0.99}, lr=2, status="running")
    write_run(tmp_path / "failed", {}, lr=3, status="failed")
    (tmp_path / "refused").mkdir()
    write(tmp_path / "refused", RunResult("failed", error="bs=0 is too small", command="python train.py bs=0"))
    summary = rebuild(tmp_path)
    assert labels(summary)[0] == (1, "net lr=1")
    assert {rank for rank, _ in labels(summary)[1:]} == {None}
    page = (tmp_path / "summary.html").read_text()
    for expected in ("2 of 3", "0 of 3", "RunError: it diverged", "python train.py bs=0", "bs=0 is too small"):
        assert expected in page
    table = pd.read_csv(tmp_path / "summary.csv")
    assert table["rank"].notna().sum() == 1
    assert table.set_index("lr").loc[2, "folds"] == 2


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (
            # The first loses a fold: 0.9, 0.95, 0.94 against 0.92, 0.9, 0.91, a paired standard error of 0.0208.
            {0: 0.92, 1: 0.90, 2: 0.91},
            r"net bs=32 and net bs=16 are not distinguishable: they differ by 0\.0200 in val/auroc \(95 % interval "
            r"-0\.0696 to 0\.1096, paired over 3 folds\)\. 1 configuration cannot .* "
            r"net bs=16 is the cheapest to train \(480 s\)",
        ),
        (
            {0: 0.80, 1: 0.85, 2: 0.845},
            r"net bs=32 is first, ahead of net bs=16 by 0\.0983 in val/auroc \(95 % interval 0\.0912 to 0\.1055",
        ),
    ],
)
def test_the_verdict_compares_the_folds_in_pairs(tmp_path: Path, second: dict[int, float], expected: str) -> None:
    write_run(tmp_path / "first", SCORES, bs=32)
    write_run(tmp_path / "second", second, bs=16)
    verdict = summarise(tmp_path).verdict
    assert re.search(expected, verdict), verdict


def test_one_fold_has_no_standard_error(tmp_path: Path) -> None:
    write_run(tmp_path / "a", {0: 0.9}, fold=0, lr=1)
    write_run(tmp_path / "b", {0: 0.8}, fold=0, lr=2)
    assert "on one fold, which says nothing about chance; run fold=all" in summarise(tmp_path).verdict


def test_images_that_are_stored_at_other_sizes_are_ranked_together(tmp_path: Path) -> None:
    larger = configuration().data.with_arguments(store_size=48)
    write_run(tmp_path / "a", SCORES)
    write_run(tmp_path / "b", shifted(0.02), fingerprint="def", data=larger)
    summary = summarise(tmp_path)
    assert labels(summary) == [(1, "net data.store_size=48"), (2, "net data.store_size=24")]
    assert "fingerprints abc, def" in summary.data
    write_run(tmp_path / "aa", SCORES, samples="", lr=1)  # of an earlier version, on the same stored images as "a"
    write_run(tmp_path / "ba", SCORES, samples="", lr=1, fingerprint="def", data=larger)
    assert summarise(tmp_path).data == summary.data
    write_run(tmp_path / "c", SCORES, fingerprint="changed", lr=1, data=larger)
    with pytest.raises(RunError, match="contains runs with different data or monitors"):
        summarise(tmp_path)


def test_runs_on_other_data_are_not_ranked_together(tmp_path: Path) -> None:
    write_run(tmp_path / "a", SCORES, lr=1)
    write_run(tmp_path / "b", SCORES, lr=2, fingerprint="other")
    with pytest.raises(RunError, match="contains runs with different data or monitors"):
        summarise(tmp_path)
    (tmp_path / "summary.md").write_text("of one run")
    with pytest.raises(RunError, match="contains runs with different data or monitors"):
        rebuild(tmp_path)
    assert not (tmp_path / "summary.md").exists()
    with pytest.raises(RunError, match="contains no runs; give the folder of a sweep"):
        summarise(tmp_path / "a/fold-0/none")
    others = tmp_path / "others"
    others.mkdir()
    (others / "summary.md").write_text("of something else")
    with pytest.raises(RunError, match="contains no runs; give the folder of a sweep"):
        rebuild(others)
    assert (others / "summary.md").read_text() == "of something else"


def test_keys_that_change_together_are_named_once_by_the_shortest() -> None:
    def with_model(name: str) -> Component:
        return Component("facemask.models.classifier.MaskClassifier", {"name": name, "width": len(name)})

    points = [(1.0, "a", 1), (1.0, "bb", 2), (2.0, "a", 3)]
    configs = [configuration(lr=lr, model=with_model(name), fold=fold) for lr, name, fold in points]
    assert varied_keys(configs) == ["lr", "model.name"]
    assert varied_keys([configuration(lr=float(bs), bs=bs) for bs in (1, 2)]) == ["bs", "lr"]


def test_the_heat_map_shows_how_many_folds_a_mean_has(tmp_path: Path) -> None:
    for i, (lr, bs) in enumerate([(1, 8), (1, 16), (2, 8)]):
        write_run(tmp_path / str(i), shifted(-0.1 * i), lr=lr, bs=bs)
    write_run(tmp_path / "part", {0: 0.99, 1: 0.99}, lr=2, bs=16, status="pruned")
    figure = draw_heat_map(summarise(tmp_path))
    assert figure is not None
    texts = {text.get_text() for text in figure.axes[0].texts}
    assert texts == {"0.930", "0.830", "0.730", "0.990\n2 of 3 folds"}
