"""A run folder is never half-written or shared by two runs, and knows whether the experiment is the same."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from facemask.config.component import Component
from facemask.errors import RunError
from facemask.files import write_atomically, write_table
from facemask.runs.results import FORMAT, DataFacts, FoldResult, RunResult, SampleCounts, Spread
from facemask.runs.run_folder import (
    environment,
    mean_and_std,
    open_run,
    peak_memory,
    read_config,
    read_fold,
    read_run,
    write,
)
from runs_on_disk import configuration

CONFIG = configuration()
COMPLETE = FoldResult(
    1,
    "complete",
    data=DataFacts("faces", "abc", ["a", "b"], {"train": {"a": 5, "b": 4}}, unreadable=2),
    n=SampleCounts(6, 3, 3),
    best_epoch=2,
    score=0.5,
    metrics={"val": {"auroc": 0.5, "f1": None}},
    intervals={"auroc": (0.25, None)},
)


def test_a_configuration_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    with open_run(tmp_path / "run", CONFIG) as previous:
        assert previous is None
    assert read_config(tmp_path / "run") == CONFIG


def test_results_survive_the_file_and_carry_the_format(tmp_path: Path) -> None:
    run = RunResult("pruned", pruned="it was slow", k=3, folds=[COMPLETE], metrics={"val": {"f1": Spread(0.5)}})
    write(tmp_path, run)
    assert read_run(tmp_path) == run
    write(tmp_path, COMPLETE)
    assert read_fold(tmp_path) == COMPLETE
    assert json.loads((tmp_path / "result.json").read_text())["format"] == FORMAT == COMPLETE.format


def test_a_result_of_a_newer_format_is_read_without_what_it_has_beyond_this_one(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text('{"status": "complete", "format": 99, "colour": "green", "folds": []}')
    result = read_run(tmp_path)
    assert result is not None
    assert result.is_complete
    assert result.format == 99


CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"lr": 0.5}, r"lr=0\.1 there, lr=0\.5 here"),
    ({"seed": 1}, "seed=0 there, seed=1 here"),
    ({"data": CONFIG.data.with_arguments(root="others")}, r"data\.root=faces there, data\.root=others here"),
    ({"model": CONFIG.model.with_arguments(freeze="backbone")}, r"model\.freeze=none there, model\.freeze=backbone"),
]


@pytest.mark.parametrize(("change", "expected"), CHANGES, ids=lambda value: str(value)[:20])
def test_a_folder_of_another_experiment_is_refused_and_left_alone(
    tmp_path: Path, change: dict[str, Any], expected: str
) -> None:
    with open_run(tmp_path, CONFIG):
        write(tmp_path, RunResult("complete", folds=[COMPLETE]))
    before = (tmp_path / "config.yaml").read_text()
    refused = pytest.raises(RunError, match=f"holds a run of another configuration: .*{expected}")
    with refused as caught, open_run(tmp_path, replace(CONFIG, **change)):
        pass
    assert "\n" not in str(caught.value)
    assert (tmp_path / "config.yaml").read_text() == before
    with open_run(tmp_path, CONFIG) as previous:
        assert previous is not None
        assert previous.is_complete


def test_keys_without_influence_on_numbers_may_change(tmp_path: Path) -> None:
    with open_run(tmp_path, CONFIG):
        write(tmp_path, RunResult("complete"))
    wandb = {"wandb": Component("lightning.pytorch.loggers.WandbLogger", {"mode": "offline"})}
    data = CONFIG.data.with_arguments(num_workers=8, store_dir="elsewhere")
    with open_run(tmp_path, replace(CONFIG, data=data, logger=wandb, resume="x", race=True)) as previous:
        assert previous is not None


def test_a_folder_of_a_failed_run_without_checkpoint_can_be_reused(tmp_path: Path) -> None:
    with open_run(tmp_path, CONFIG):
        write(tmp_path, RunResult("failed"))
    with open_run(tmp_path, replace(CONFIG, lr=0.5)):
        pass
    assert read_config(tmp_path).lr == 0.5
    (tmp_path / "fold-0").mkdir()
    (tmp_path / "fold-0/last.ckpt").write_text("")
    with pytest.raises(RunError, match="holds a run of another configuration"), open_run(tmp_path, CONFIG):
        pass


def test_a_folder_without_configuration_is_not_reused(tmp_path: Path) -> None:
    with open_run(tmp_path, CONFIG):
        write(tmp_path, RunResult("complete"))
    (tmp_path / "config.yaml").unlink()
    with pytest.raises(RunError, match="holds a run of another configuration"), open_run(tmp_path, CONFIG):
        pass


def test_two_processes_cannot_write_one_run(tmp_path: Path) -> None:
    being_written = pytest.raises(RunError, match="is being written by another process")
    with open_run(tmp_path, CONFIG), being_written, open_run(tmp_path, CONFIG):
        pass
    with open_run(tmp_path, CONFIG):
        pass


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = pytest.raises(RunError, match=r"cannot be written \(Not a directory\)")
    with refused, open_run(tmp_path / "file/run", CONFIG):
        pass


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    write_atomically(tmp_path / "x", "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(tmp_path / "x", "new \ud800")
    assert (tmp_path / "x").read_text() == "old"


def test_results_are_strict_json(tmp_path: Path) -> None:
    write(tmp_path, FoldResult(0, "failed", score=math.nan, intervals={"f1": (0.1, math.inf)}))
    content = json.loads((tmp_path / "result.json").read_text(), parse_constant=pytest.fail)
    assert (content["score"], content["intervals"]) == (None, {"f1": [0.1, None]})
    fold = read_fold(tmp_path)
    assert fold is not None
    assert not fold.is_complete
    assert fold.intervals == {"f1": (0.1, None)}


def test_damaged_files_of_a_run_are_named(tmp_path: Path) -> None:
    assert read_run(tmp_path) is None
    assert read_fold(tmp_path) is None
    for text in ('{"status": ', "[]", '{"status": "unheard of"}', ""):
        (tmp_path / "result.json").write_text(text)
        for read in (read_run, read_fold):
            with pytest.raises(RunError, match=r"result\.json is damaged") as caught:
                read(tmp_path)
            assert "\n" not in str(caught.value)
    with pytest.raises(RunError, match=r"is not a run folder: it has no config\.yaml"):
        read_config(tmp_path)
    for text in ("[1", "- a\n- b", "3"):
        (tmp_path / "config.yaml").write_text(text)
        with pytest.raises(RunError, match=r"config\.yaml"):
            read_config(tmp_path)


def test_tables_are_complete(tmp_path: Path) -> None:
    table = pd.DataFrame({"path": ["a"], "probability_mask": [0.5]})
    write_table(tmp_path / "p.parquet", table)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "p.parquet"), table)
    assert [path.name for path in tmp_path.iterdir()] == ["p.parquet"]


def test_the_standard_deviation_is_of_the_sample() -> None:
    assert mean_and_std([1.0, 3.0]) == {"mean": 2.0, "std": pytest.approx(math.sqrt(2))}
    assert mean_and_std([1.0]) == {"mean": 1.0, "std": None}


def test_the_environment_names_what_numbers_may_depend_on() -> None:
    found = environment("cpu")
    assert found.device == "cpu"
    assert {"torch", "lightning", "timm", "numpy"} <= found.libraries.keys()
    assert (peak_memory() or 0) > 50e6


def test_a_refusal_distinguishes_1_from_1_point_0(tmp_path: Path) -> None:
    batches, share = (
        replace(CONFIG, trainer=CONFIG.trainer.with_arguments(limit_train_batches=limit)) for limit in (1, 1.0)
    )
    with open_run(tmp_path, batches):
        write(tmp_path, RunResult("complete", folds=[COMPLETE]))
    expected = r"trainer\.limit_train_batches=1 there, trainer\.limit_train_batches=1\.0 here"
    with pytest.raises(RunError, match=expected), open_run(tmp_path, share):
        pass
