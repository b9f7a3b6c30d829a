"""The Python functions run the same checks as the commands and return typed results."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import facemask
from facemask.config.schemas import TrainConfig
from facemask.errors import ConfigError, FaceMaskError
from fits import FAST, history

TINY = [*FAST, "data.num_workers=0", "epochs=2"]


def test_import_is_fast_and_provides_every_public_name() -> None:
    code = (
        "import sys, time; start = time.perf_counter(); import facemask; seconds = time.perf_counter() - start\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules\n"
        "assert set(facemask.__all__) <= set(dir(facemask)); print(seconds)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.1
    for name in facemask.__all__:
        assert callable(getattr(facemask, name)), name
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = facemask.trian  # type: ignore[attr-defined]


def test_compose_equals_the_command_line_configuration(tmp_path: Path) -> None:
    config = facemask.compose("train", "model=cnn", f"data.root={tmp_path}", epochs=3, lr=0.5)
    assert isinstance(config, TrainConfig)
    assert (config.epochs, config.lr, config.trainer.get("max_epochs")) == (3, 0.5, 3)
    assert config.data.get("root") == str(tmp_path)
    assert config.data.get("create") is None  # data=folder was selected, not the demo set


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["lrr=1"], "lrr is not a key; did you mean lr"),
        (["bs=abc"], "bs must be an integer, got abc"),
        (["model=mobilnet"], "there is no such model; did you mean mobilenet"),
        (["lr=1,2"], "has several comma-separated values"),
        (["hydra.run.dir=x"], "in Python, pass folder="),
        (["schedule=null"], "a config group cannot be null; choose one of its files"),
        (["k=1"], "k must be at least 2, got 1"),
    ],
)
def test_invalid_input_raises_one_sentence(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        facemask.compose("train", *overrides)


@pytest.mark.slow
def test_train_returns_a_run_that_load_run_reproduces(faces: Path, tmp_path: Path) -> None:
    words = [*TINY, f"data.root={faces}", f"data.store_dir={tmp_path}/store"]
    run = facemask.train(*words, folder=tmp_path / "run", seed=3)
    assert run.folder == tmp_path / "run"
    assert run.result.is_complete
    assert run.config.seed == 3
    assert run.metrics["auroc"] == run.result.folds[0].metrics["val"]["auroc"]
    assert set(run.predictions["label"]) == {"mask", "no_mask"}
    pd.testing.assert_frame_equal(run.history[["epoch", "val/auroc"]], history(run.folder)[["epoch", "val/auroc"]])
    page = run._repr_html_()
    assert f"{run.metrics['accuracy']:.3f}" in page
    assert "data:image/png;base64," in page
    again = facemask.load_run(run.folder)
    assert again.result == run.result
    assert again.config == run.config


@pytest.mark.slow
def test_same_folder_resumes_and_rejects_another_configuration(faces: Path, tmp_path: Path) -> None:
    words = [*TINY, f"data.root={faces}", f"data.store_dir={tmp_path}/store"]
    first = facemask.train(*words, folder=tmp_path / "run")
    assert facemask.train(*words, folder=tmp_path / "run").result == first.result
    assert facemask.train(resume=tmp_path / "run").result == first.result
    with pytest.raises(FaceMaskError, match=r"another configuration: lr=0\.001 there, lr=0\.5 here"):
        facemask.train(*words, folder=tmp_path / "run", lr=0.5)


@pytest.mark.slow
def test_runs_started_in_the_same_second_get_different_folders(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [*TINY, f"data.root={faces}", f"data.store_dir={tmp_path}/store", "epochs=1"]
    folders = {facemask.train(*words, seed=seed).folder for seed in range(3)}
    assert len(folders) == 3
    assert {folder.parts[0] for folder in folders} == {"outputs"}
