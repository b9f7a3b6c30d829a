"""Runs of format 0, written before results had a format number, are read, resumed and predicted with."""

import inspect
import shlex
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from conftest import compose_config
from facemask.config.keys import differing_keys
from facemask.config.schemas import TrainConfig
from facemask.config.typed import from_plain, to_plain
from facemask.data import datamodule
from facemask.data.demo import make_demo
from facemask.data.pictures import read_image
from facemask.errors import RunError
from facemask.inference.run import load_run
from facemask.models.checkpoint import load_model
from facemask.runs.results import FORMAT, RunResult, SampleCounts
from facemask.runs.run_folder import read_config, read_fold, read_run
from facemask.runs.trained import open_models
from facemask.training.fit import fit_folds
from fits import history, weights

pytestmark = pytest.mark.slow

FIXTURES = Path(__file__).parents[2] / "fixtures" / "format-0"
COMPLETE, CUT_OFF = Path("complete"), Path("cut-off")


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the demo set of that time, which had near-duplicates, where the runs' configurations have it."""
    folder = tmp_path_factory.mktemp("format-0")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("facemask.data.demo._is_repeated", lambda *_: False)
        make_demo(folder / "data/demo")
    return folder


@pytest.fixture(autouse=True)
def _beside_the_runs(demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder with the demo set and a copy of the runs, which name their data by relative paths."""
    shutil.copytree(FIXTURES, tmp_path, dirs_exist_ok=True)
    (tmp_path / "data").symlink_to(demo / "data")
    monkeypatch.chdir(tmp_path)


def result_of(folder: Path) -> RunResult:
    result = read_run(folder)
    assert result is not None
    return result


def as_typed_today(folder: Path) -> TrainConfig:
    """Compose the command that a run repeats."""
    return compose_config(*shlex.split(result_of(folder).command)[2:])


def assert_resumed(config: TrainConfig) -> None:
    """Resume the cut-off run, and compare every number with those of the complete one.

    The last digits of float32 are those of a processor and its threads, so they are left out.
    """
    result, expected = fit_folds(config, CUT_OFF), result_of(COMPLETE)
    assert result.is_complete
    assert result == read_run(CUT_OFF)
    assert result.format == FORMAT
    pd.testing.assert_frame_equal(history(CUT_OFF), history(COMPLETE), rtol=1e-4, atol=1e-6)
    for name in ("best.ckpt", "last.ckpt"):
        torch.testing.assert_close(weights(CUT_OFF, name), weights(COMPLETE, name), rtol=1e-3, atol=1e-5)
    tables = [pd.read_parquet(folder / "predictions.parquet") for folder in (CUT_OFF, COMPLETE)]
    pd.testing.assert_frame_equal(*tables, rtol=1e-3, atol=1e-5)
    assert result.folds[0].best_epoch == expected.folds[0].best_epoch
    later = {"store_size": None, "samples": ""}  # facts that format 0 does not have
    assert replace(result.folds[0].facts, **later) == expected.folds[0].facts
    for metric, spread in expected.metrics["val"].items():
        assert result.metrics["val"][metric].mean == pytest.approx(spread.mean, rel=1e-4), metric
    assert result.folds[0].intervals.keys() == expected.folds[0].intervals.keys()


needs_cpu = pytest.mark.skipif(torch.cuda.is_available(), reason="the digits of these runs are a CPU's")


def test_the_result_of_a_run_is_read() -> None:
    result = result_of(COMPLETE)
    assert result.format == 0
    assert result.is_complete
    assert (result.model, result.monitor, result.k, result.seed) == ("CNN", "val/auroc", 3, 0)
    (fold,) = result.folds
    assert fold == read_fold(COMPLETE / "fold-0")
    assert fold.n == SampleCounts(train=530, val=270, val_groups=27)
    assert fold.best_epoch == 3
    assert result.score == fold.score == fold.metrics["val"]["auroc"] == result.metrics["val"]["auroc"].mean
    assert fold.intervals["precision_wrong_mask"] == (None, None)
    assert fold.facts.classes == ["mask", "no_mask", "wrong_mask"]
    assert fold.teacher is None
    cut_off = result_of(CUT_OFF)
    assert (cut_off.status, cut_off.folds, cut_off.score) == ("running", [], None)


def test_the_configuration_of_a_run_is_that_of_its_command_today() -> None:
    for folder in (COMPLETE, CUT_OFF):
        config = read_config(folder)
        assert config.lr == 0.01
        assert config.model.get("channels") == [4, 8]
        assert differing_keys(config, as_typed_today(folder)) == {}
    assert differing_keys(read_config(COMPLETE), compose_config("model=cnn")).keys() >= {"lr", "epochs", "model.hidden"}


@needs_cpu
def test_an_interrupted_run_resumes_and_equals_an_uninterrupted_one() -> None:
    assert_resumed(as_typed_today(CUT_OFF))


@needs_cpu
def test_it_is_the_same_run_after_a_key_was_added_to_the_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass
    class Newer(TrainConfig):
        patience_of_saints: int = 3

    plain = to_plain(as_typed_today(CUT_OFF))
    monkeypatch.setattr("facemask.runs.run_folder.TrainConfig", Newer)
    other = from_plain(Newer, plain | {"patience_of_saints": 4})
    with pytest.raises(RunError, match="another configuration: patience_of_saints=3 there, patience_of_saints=4 here"):
        fit_folds(other, CUT_OFF)
    assert_resumed(from_plain(Newer, plain))
    assert "patience_of_saints: 3" in (CUT_OFF / "config.yaml").read_text()


_OWN = inspect.signature(datamodule.FaceDataModule)


class NewerData(datamodule.FaceDataModule):
    """The data module with an argument that it does not have yet."""

    __signature__ = _OWN.replace(
        parameters=[*_OWN.parameters.values(), inspect.Parameter("jitter", inspect.Parameter.KEYWORD_ONLY, default=0.5)]
    )

    def __init__(self, root: str, jitter: float = 0.5, **others: object) -> None:
        super().__init__(root, **others)  # type: ignore[arg-type]


@needs_cpu
def test_it_is_the_same_run_after_an_argument_was_added_to_a_target(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datamodule, "FaceDataModule", NewerData)
    config = as_typed_today(CUT_OFF)
    for jitter in (0.0, 0.5):
        config.data = config.data.with_arguments(jitter=jitter)
        if jitter == 0.0:
            with pytest.raises(RunError, match=r"data\.jitter=0\.5 there, data\.jitter=0 here"):
                fit_folds(config, CUT_OFF)
        else:
            assert_resumed(config)


def test_a_complete_run_is_not_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facemask.training.fit.build_trainer", lambda *_: pytest.fail("trained again"))
    before = (COMPLETE / "result.json").read_text()
    assert fit_folds(as_typed_today(COMPLETE), COMPLETE) == result_of(COMPLETE)
    assert (COMPLETE / "result.json").read_text() == before


def test_a_run_is_a_table_of_metrics_predictions_and_epochs() -> None:
    run = load_run(COMPLETE)
    assert run.metrics["auroc"] == run.result.score
    assert run.metrics["accuracy"] == pytest.approx(150 / 270)
    assert len(run.predictions) == 270
    assert run.history["epoch"].tolist() == [1, 2, 3, 4]
    assert run.history.drop(columns=["fold", "seconds", "data_seconds"]).equals(history(COMPLETE))
    page = run._repr_html_()
    assert "CNN on demo, validation, complete: complete" in page
    assert "<td>0.556 (0.493–0.607)</td>" in page
    assert "<img" not in page  # its learning curves are missing here
    unfinished = load_run(CUT_OFF)
    assert unfinished.metrics == {}
    assert unfinished.history.empty
    assert "CNN on no data yet, validation, running" in unfinished._repr_html_()
    with pytest.raises(RunError, match="cut-off has no complete fold, so there are no predictions"):
        _ = unfinished.predictions


def test_its_model_predicts_what_it_predicted() -> None:
    run = load_run(COMPLETE)
    crops = [read_image(Path("data/demo") / path) for path in run.predictions["path"]]
    columns = [f"probability_{name}" for name in ("mask", "no_mask", "wrong_mask")]
    found = run.predictor().predict(crops)
    np.testing.assert_allclose(found, run.predictions[columns].to_numpy(), atol=1e-5)


def test_its_checkpoint_is_opened_as_a_trained_model() -> None:
    (model,) = open_models([COMPLETE])
    assert model.class_names == ["mask", "no_mask", "wrong_mask"]
    assert (model.preprocessing.input_size, model.preprocessing.store_size) == (24, 24)
    pd.testing.assert_frame_equal(model.history(), pd.read_csv(COMPLETE / "fold-0/metrics.csv"))
    module, _ = load_model(COMPLETE / "fold-0/last.ckpt")
    state = module.state_dict()
    assert all(torch.equal(state[name], value) for name, value in weights(COMPLETE, "last.ckpt").items())
