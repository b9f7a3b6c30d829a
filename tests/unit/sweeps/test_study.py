"""A study is resumed only with the settings that it was started with."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from facemask.config.typed import to_plain
from facemask.errors import ConfigError, RunError
from facemask.sweeps import study
from facemask.sweeps.study import SETTINGS, resume
from runs_on_disk import configuration

optuna = pytest.importorskip("optuna")


@pytest.fixture(autouse=True)
def locks() -> Iterator[None]:
    """Release the studies' locks, which a process holds as long as it lives."""
    yield
    while study.LOCKS:
        study.LOCKS.pop().release()


def sweep_config(folder: Path, *overrides: str, **keys: Any) -> DictConfig:
    """Return what Hydra gives a sweep that searches lr; the overrides are those of the command line."""
    sweeper = {
        "study_name": "study",
        "storage": f"sqlite:///{folder}/study.db",
        "n_trials": 5,
        "sampler": {"seed": 0},
        "params": {"lr": "interval(0.1,0.2)"},
    }
    hydra = {"sweeper": sweeper, "overrides": {"task": list(overrides)}}
    return OmegaConf.create(to_plain(configuration(**keys)) | {"hydra": hydra})


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """Return the folder of a study with one complete, one failed and one interrupted trial."""
    config = sweep_config(tmp_path)
    resume(config, tmp_path)
    study.LOCKS.pop().release()
    begun = optuna.create_study(storage=config.hydra.sweeper.storage, study_name="study")
    for state in (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.FAIL, None):
        trial = begun.ask()
        trial.suggest_uniform("lr", 0.1, 0.2)
        if state is not None:
            begun.tell(trial, 0.5 if state == optuna.trial.TrialState.COMPLETE else None, state=state)
    return tmp_path


def test_trials_that_did_not_end_are_run_again(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = sweep_config(begun)
    resume(config, begun)
    assert "Resuming the study study: 1 trials are complete, 4 are left." in capsys.readouterr().out
    assert config.hydra.sweeper.n_trials == 4
    assert config.hydra.sweeper.sampler.seed == 5  # three trials, and two enqueued again
    trials = optuna.load_study("study", config.hydra.sweeper.storage).trials
    assert [trial.state.name for trial in trials] == ["COMPLETE", "FAIL", "FAIL", "WAITING", "WAITING"]


@pytest.mark.parametrize(
    ("overrides", "keys", "expected"),
    [
        ([], {"epochs": 2}, "was started with epochs=12 but got epochs=2; use the original value"),
        (["lr=0.1"], {}, "was started with lr=searched but got lr=0.1"),
        (["lr=0.001"], {"lr": 0.001}, "was started with lr=searched but got lr=0.001"),  # the default of lr
    ],
)
def test_changed_settings_are_refused(begun: Path, overrides: list[str], keys: dict[str, Any], expected: str) -> None:
    with pytest.raises(RunError, match=expected):
        resume(sweep_config(begun, *overrides, **keys), begun)


def test_a_key_that_was_fixed_cannot_be_searched(begun: Path) -> None:
    config = sweep_config(begun)
    config.hydra.sweeper.params.bs = "choice(16,32)"
    with pytest.raises(RunError, match="was started with bs=32 but got bs=searched"):
        resume(config, begun)


def test_a_key_that_is_newer_than_the_study_counts_as_its_default(begun: Path) -> None:
    settings = json.loads((begun / SETTINGS).read_text())
    del settings["teacher_weight"]
    (begun / SETTINGS).write_text(json.dumps(settings))
    with pytest.raises(RunError, match=r"was started with teacher_weight=0.7 but got teacher_weight=0.5"):
        resume(sweep_config(begun, teacher_weight=0.5), begun)
    study.LOCKS.pop().release()
    resume(sweep_config(begun), begun)


def test_a_study_without_scores_may_be_started_with_other_settings(tmp_path: Path) -> None:
    for epochs in (12, 2):
        resume(sweep_config(tmp_path, epochs=epochs), tmp_path)
        study.LOCKS.pop().release()
    assert json.loads((tmp_path / SETTINGS).read_text())["epochs"] == 2


def test_a_study_that_another_process_runs_is_refused(begun: Path) -> None:
    resume(sweep_config(begun), begun)
    with pytest.raises(RunError, match="another process is already running the study"):
        resume(sweep_config(begun), begun)


def test_a_missing_optuna_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(
        ConfigError, match=r"sweep=optuna needs Optuna; install it with: pip install 'facemask\[optuna\]'"
    ):
        resume(sweep_config(tmp_path), tmp_path)
