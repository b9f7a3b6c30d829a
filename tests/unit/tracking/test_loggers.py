"""The logs of Weights & Biases and TensorBoard, read back with independent readers."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lightning.pytorch import Trainer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from conftest import compose_config
from facemask.config.schemas import TrainConfig
from facemask.errors import ConfigError
from facemask.tracking.loggers import SAMPLES, _pick
from facemask.training.fit import fit_folds
from wandb_reader import read_records

pytestmark = pytest.mark.slow

TINY = ["model=cnn", "model.channels=[4]", "model.input_size=16", "data.store_size=16", "k=3", "epochs=2"]


def configure(faces: Path, folder: Path, *overrides: str) -> TrainConfig:
    common = ["data=folder", f"data.root={faces}", f"data.store_dir={folder}/store", "data.num_workers=0"]
    return compose_config(*common, *TINY, *overrides)


def test_wandb_keeps_group_job_type_curves_pictures_and_exit_code(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_MODE")
    settings = configure(faces, tmp_path, "logger=wandb", "logger.wandb.mode=offline", "name=search", "fold=all")
    fit_folds(settings, tmp_path / "good")
    runs = [next((tmp_path / f"good/fold-{fold}/wandb").glob("offline-run-*")) for fold in range(3)]
    for fold, folder in enumerate(runs):
        records = read_records(folder)
        run = next(record.run for record in records if record.WhichOneof("record_type") == "run")
        assert (run.run_group, run.job_type, run.display_name) == (
            "search",
            "fold",
            f"{tmp_path.name}/good fold {fold}",
        )
        assert run.run_id == (folder.parent.parent / "wandb_id").read_text()
        configured = {item.key for record in records for item in record.config.update}
        assert {"lr", "seed", "fold"} <= configured
        history = Counter(item.key or "/".join(item.nested_key) for record in records for item in record.history.item)
        for metric in ("train/loss", "val/auroc", "val/precision_mask", "lr"):
            assert history[metric] == 2, metric
        assert history["best/auroc"] == 1
        assert [record.exit.exit_code for record in records if record.WhichOneof("record_type") == "exit"] == [0]
        files = [entry.path for record in records for entry in record.artifact.manifest.contents]
        assert len([path for path in files if path.endswith(".png")]) > 3
        assert any("confusion_matrix" in path for path in files)


def test_a_crashed_run_is_shown_as_crashed(faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_MODE")

    def crash(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Trainer, "fit", crash)
    settings = configure(faces, tmp_path, "logger=wandb", "logger.wandb.mode=offline")
    with pytest.raises(ZeroDivisionError):
        fit_folds(settings, tmp_path / "bad")
    (folder,) = (tmp_path / "bad/fold-0/wandb").glob("offline-run-*")
    codes = [record.exit.exit_code for record in read_records(folder) if record.WhichOneof("record_type") == "exit"]
    assert codes == [1]


def test_wandb_without_an_account_names_the_way_out(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    with pytest.raises(ConfigError, match=r"'wandb login', or log locally with logger\.wandb\.mode=off"):
        fit_folds(configure(faces, tmp_path, "logger=wandb"), tmp_path / "run")


def test_tensorboard_and_wandb_together(faces: Path, tmp_path: Path) -> None:
    settings = configure(faces, tmp_path, "logger=[tensorboard,wandb]", "logger.wandb.mode=disabled")
    fit_folds(settings, tmp_path / "run")
    events = EventAccumulator(str(tmp_path / "run/fold-0/tensorboard")).Reload()
    assert {"train/loss", "val/auroc", "lr", "seconds", "best/auroc"} <= set(events.Tags()["scalars"])
    assert len(events.Scalars("val/auroc")) == 2


def test_half_of_the_pictures_are_the_most_confident_mistakes() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 200)
    probabilities = rng.dirichlet([1, 1], 200)
    picked = _pick(truth, probabilities, seed=0)
    assert len(picked) == len(set(picked)) == SAMPLES
    wrong = probabilities.argmax(axis=1) != truth
    confidence = probabilities.max(axis=1)
    shown = picked[: SAMPLES // 2]
    assert wrong[shown].all()
    assert confidence[shown].min() >= np.sort(confidence[wrong])[-SAMPLES // 2]
    assert _pick(truth[:5], probabilities[:5], seed=0) != []


def test_mlflow_keeps_curves_tags_and_status_and_a_resumed_fold_its_run(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.tracking import MlflowClient

    monkeypatch.chdir(tmp_path)
    config = configure(faces, tmp_path, "logger=mlflow", "name=search")
    with monkeypatch.context() as patched:
        patched.setattr("facemask.training.fit.evaluate_best", lambda *_: (_ for _ in ()).throw(ZeroDivisionError()))
        with pytest.raises(ZeroDivisionError):
            fit_folds(config, tmp_path / "run")
    client = MlflowClient(f"sqlite:///{tmp_path}/outputs/mlruns/mlflow.db")
    (experiment,) = [one for one in client.search_experiments() if one.name == "facemask"]
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FAILED"
    seen = []
    train = Trainer.fit

    def watch(*args: Any, **options: Any) -> None:
        seen.extend(run.info.status for run in client.search_runs([experiment.experiment_id]))
        train(*args, **options)

    monkeypatch.setattr(Trainer, "fit", watch)
    workers = configure(faces, tmp_path, "logger=mlflow", "name=search", "data.num_workers=1")
    fit_folds(workers, tmp_path / "run")
    assert seen == ["RUNNING"]
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["data/num_workers"] == "0"  # as it began
    assert (run.data.tags["sweep"], run.data.tags["fold"]) == ("search", "0")
    assert {"val/auroc", "train/loss", "best/auroc"} <= set(run.data.metrics)
    assert len(client.get_metric_history(run.info.run_id, "val/auroc")) == 2


def test_a_run_missing_in_mlflow_raises_one_sentence(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run/fold-0").mkdir(parents=True)
    (tmp_path / "run/fold-0/mlflow_id").write_text("0" * 32)
    with pytest.raises(
        ConfigError, match=r"MLflow could not start .* delete .*fold-0/mlflow_id to start a new MLflow run"
    ):
        fit_folds(configure(faces, tmp_path, "logger=mlflow"), tmp_path / "run")
