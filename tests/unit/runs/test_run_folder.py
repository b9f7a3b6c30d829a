"""A run folder is never half-written, never two runs at once, and knows whether it is the same experiment."""

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from facemask.errors import RunError
from facemask.files import write_atomically, write_table
from facemask.runs.run_folder import (
    config_hash,
    environment,
    is_complete,
    mean_and_std,
    open_run,
    peak_memory,
    read_result,
    read_settings,
    write_result,
)

SETTINGS: dict[str, Any] = {
    "lr": 1e-4,
    "seed": 0,
    "data": {"root": "x", "num_workers": 1, "store_dir": "s"},
    "logger": {"wandb": {"mode": "offline"}},
    "resume": None,
}


def test_the_hash_follows_what_the_numbers_depend_on() -> None:
    same: dict[str, Any] = SETTINGS | {"logger": {}, "data": {"root": "x", "num_workers": 8, "store_dir": "t"}}
    assert config_hash(same) == config_hash(SETTINGS)
    for change in ({"lr": 1e-3}, {"seed": 1}, {"data": {"root": "y"}}):
        assert config_hash(SETTINGS | change) != config_hash(SETTINGS)


def test_settings_survive_the_file(tmp_path: Path) -> None:
    with open_run(tmp_path / "run", SETTINGS) as previous:
        assert previous is None
    assert read_settings(tmp_path / "run") == SETTINGS
    assert config_hash(read_settings(tmp_path / "run")) == config_hash(SETTINGS)


def test_a_folder_of_another_experiment_is_refused_and_left_alone(tmp_path: Path) -> None:
    with open_run(tmp_path, SETTINGS):
        write_result(tmp_path, {"status": "complete", "config_hash": config_hash(SETTINGS)})
    before = (tmp_path / "config.yaml").read_text()
    with (
        pytest.raises(RunError, match="holds a run of another configuration"),
        open_run(tmp_path, SETTINGS | {"lr": 1}),
    ):
        pass
    assert (tmp_path / "config.yaml").read_text() == before
    with open_run(tmp_path, SETTINGS) as previous:
        assert is_complete(previous)


def test_two_processes_cannot_write_one_run(tmp_path: Path) -> None:
    being_written = pytest.raises(RunError, match="is being written by another process")
    with open_run(tmp_path, SETTINGS), being_written, open_run(tmp_path, SETTINGS):
        pass
    with open_run(tmp_path, SETTINGS):
        pass


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(RunError, match=r"cannot be written \(Not a directory\)"),
        open_run(tmp_path / "file/run", SETTINGS),
    ):
        pass


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    write_atomically(tmp_path / "x", "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(tmp_path / "x", "new \ud800")
    assert (tmp_path / "x").read_text() == "old"


def test_results_are_strict_json(tmp_path: Path) -> None:
    write_result(tmp_path, {"score": math.nan, "interval": (0.1, math.inf), "status": "failed"})
    text = (tmp_path / "result.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail) == {"score": None, "interval": [0.1, None], "status": "failed"}
    assert not is_complete(read_result(tmp_path))


def test_damaged_files_of_a_run_are_named(tmp_path: Path) -> None:
    assert read_result(tmp_path) is None
    (tmp_path / "result.json").write_text('{"status": ')
    with pytest.raises(RunError, match=r"result\.json is damaged"):
        read_result(tmp_path)
    with pytest.raises(RunError, match=r"is no run folder: it has no config\.yaml"):
        read_settings(tmp_path)
    for text in ("[1", "- a\n- b", "3"):
        (tmp_path / "config.yaml").write_text(text)
        with pytest.raises(RunError, match=r"config\.yaml"):
            read_settings(tmp_path)


def test_tables_are_whole(tmp_path: Path) -> None:
    table = pd.DataFrame({"path": ["a"], "probability_mask": [0.5]})
    write_table(tmp_path / "p.parquet", table)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "p.parquet"), table)
    assert [path.name for path in tmp_path.iterdir()] == ["p.parquet"]


def test_the_deviation_is_the_samples_own() -> None:
    assert mean_and_std([1.0, 3.0]) == {"mean": 2.0, "std": pytest.approx(math.sqrt(2))}
    assert mean_and_std([1.0]) == {"mean": 1.0, "std": None}


def test_the_environment_names_what_numbers_may_depend_on() -> None:
    found = environment("cpu")
    assert found["device"] == "cpu"
    assert {"torch", "lightning", "timm", "numpy"} <= found["libraries"].keys()
    assert peak_memory() > 50e6
