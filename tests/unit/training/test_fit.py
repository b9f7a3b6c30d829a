"""The same configuration gives the same numbers, however it is run, and cut off, and continued."""

import gc
import multiprocessing
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from conftest import compose_settings, write_faces
from facemask.checks import check_targets
from facemask.config import Settings
from facemask.data.preprocessing import read_image
from facemask.errors import RunError
from facemask.evaluation.predict import predict_probabilities
from facemask.models.checkpoint import load_model
from facemask.runs.record import Result, read_result
from facemask.training.fit import fit_folds

Fit = Callable[..., tuple[Result, Path]]
FAST = [
    "model=cnn",
    "model.channels=[4,8]",
    "model.hidden=8",
    "model.input_size=16",
    "data.store_size=16",
    "bs=8",
    "k=3",
]


def configure(root: Path, folder: Path, *overrides: str) -> Settings:
    common = ["data=folder", f"data.root={root}", f"data.store_dir={folder}/store", "data.num_workers=0", "epochs=4"]
    settings = compose_settings(*common, *FAST, *overrides)
    check_targets(settings)
    return settings


@pytest.fixture
def fit(faces: Path, tmp_path: Path) -> Fit:
    def run(*overrides: str, name: str = "run") -> tuple[Result, Path]:
        return fit_folds(configure(faces, tmp_path, *overrides), tmp_path / name), tmp_path / name

    return run


def history(folder: Path, fold: int = 0) -> pd.DataFrame:
    return pd.read_csv(folder / f"fold-{fold}" / "metrics.csv").drop(columns=["seconds", "data_seconds"])


def weights(folder: Path, name: str = "best.ckpt", fold: int = 0) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(folder / f"fold-{fold}" / name, weights_only=True)["state_dict"]
    return state


def assert_same(one: Path, other: Path, fold: int = 0) -> None:
    """Compare every number of two folds, to the last digit."""
    pd.testing.assert_frame_equal(history(one, fold), history(other, fold), check_exact=True)
    for name in ("best.ckpt", "last.ckpt"):
        pairs = zip(weights(one, name, fold).values(), weights(other, name, fold).values(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
    tables = [pd.read_parquet(folder / f"fold-{fold}" / "predictions.parquet") for folder in (one, other)]
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    results = [read_result(folder / f"fold-{fold}") for folder in (one, other)]
    for key in ("metrics", "intervals", "best_epoch", "score", "epochs", "weights", "data"):
        assert results[0][key] == results[1][key], key


@pytest.mark.parametrize("mixing", [[], ["augment.mixup=0.3", "augment.cutmix=1.0"]])
def test_same_seed_same_numbers_whatever_the_number_of_workers(fit: Fit, mixing: list[str]) -> None:
    first = fit(*mixing, name="first")[1]
    assert_same(first, fit(*mixing, name="second")[1])
    assert_same(first, fit(*mixing, "data.num_workers=2", name="workers")[1])


def test_seed_zero_is_a_seed_and_another_differs(fit: Fit) -> None:
    zero, one = fit("seed=0", name="zero")[1], fit("seed=1", name="one")[1]
    assert not history(zero).equals(history(one))
    paths = [pd.read_parquet(folder / "predictions.parquet")["path"].tolist() for folder in (zero, one)]
    assert paths[0] == paths[1]


def test_a_fold_comes_out_the_same_alone_and_among_others(fit: Fit) -> None:
    together, folder = fit("fold=all", "epochs=2", name="all")
    for fold in range(3):
        alone, its = fit(f"fold={fold}", "epochs=2", name=f"fold{fold}")
        assert_same(folder, its, fold)
        assert alone["score"] == together["folds"][fold]["score"]
    scores = [fold["score"] for fold in together["folds"]]
    assert together["score"] == pytest.approx(np.mean(scores))
    assert together["score_std"] == pytest.approx(np.std(scores, ddof=1))
    table = pd.read_parquet(folder / "predictions.parquet")
    assert table["path"].is_unique
    assert sorted(table["fold"].unique()) == [0, 1, 2]
    assert len(table) == sum(together["data"]["n"]["train"].values())


class PowerCut(BaseException):
    """What no code catches."""


class CutAt(Callback):
    """Cut the power in the middle of an epoch."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if trainer.current_epoch == self.epoch:
            raise PowerCut


def cut_second_fold(self: Any, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
    if self.fold == 1:
        raise PowerCut


@pytest.mark.parametrize("schedule", ["onecycle", "plateau", "cosine", "none"])
def test_a_run_cut_off_in_an_epoch_ends_where_an_uninterrupted_one_ends(
    fit: Fit, monkeypatch: pytest.MonkeyPatch, schedule: str
) -> None:
    options = [f"schedule={schedule}", "augment.mixup=0.3"]
    if schedule == "plateau":  # one that does shrink the rate within the run
        options += ["schedule.patience=0", "monitor=val/accuracy", "schedule.factor=0.3", "lr=1e-5"]
    whole = fit(*options, name="whole")[1]
    if schedule == "plateau":
        assert history(whole)["lr"].nunique() > 1
    with monkeypatch.context() as patched:
        patched.setattr("facemask.training.parts.EpochSeed.on_train_batch_end", CutAt(2).on_train_batch_end)
        with pytest.raises(PowerCut):
            fit(*options, name="cut")
    cut = fit(*options, name="cut")[1]
    assert_same(whole, cut)


def test_a_cut_off_run_may_be_moved_and_goes_on_from_its_best(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fit(name="whole")[1]
    with monkeypatch.context() as patched:
        patched.setattr("facemask.training.parts.EpochSeed.on_train_batch_end", CutAt(3).on_train_batch_end)
        with pytest.raises(PowerCut):
            fit(name="cut")
    shutil.move(whole.parent / "cut", whole.parent / "moved")
    assert_same(whole, fit(name="moved")[1])


def test_a_resumed_epoch_is_fetched_in_its_own_order_by_workers_too(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ["data.num_workers=1", "trainer.limit_train_batches=2"]
    whole = fit(*options, name="whole")[1]
    with monkeypatch.context() as patched:
        patched.setattr("facemask.training.parts.EpochSeed.on_train_batch_end", CutAt(1).on_train_batch_end)
        with pytest.raises(PowerCut):
            fit(*options, name="cut")
    assert_same(whole, fit(*options, name="cut")[1])


def test_a_run_that_early_stopping_had_ended_does_not_train_on(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ["callbacks.early_stopping.patience=1", "lr=1e-9", "epochs=20", "schedule=none"]
    whole = fit(*options, name="whole")[1]
    assert len(history(whole)) < 20
    with monkeypatch.context() as patched:  # cut off after the last epoch, before the evaluation
        patched.setattr("facemask.training.fit._evaluate", lambda *_: (_ for _ in ()).throw(PowerCut()))
        with pytest.raises(PowerCut):
            fit(*options, name="cut")
    assert_same(whole, fit(*options, name="cut")[1])


def test_a_complete_run_is_not_run_again(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    result, folder = fit(name="done")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name not in (".lock", "config.yaml")}
    monkeypatch.setattr("facemask.training.fit.build_trainer", lambda *_: pytest.fail("trained again"))
    assert fit(name="done")[0] == result
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_complete_folds_are_kept_when_a_later_one_was_cut_off(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fit("fold=all", "epochs=2", name="whole")[1]
    with monkeypatch.context() as patched:
        patched.setattr("facemask.training.parts.EpochSeed.on_train_batch_end", cut_second_fold)
        with pytest.raises(PowerCut):
            fit("fold=all", "epochs=2", name="cut")
    first = whole.parent / "cut/fold-0/best.ckpt"
    written = first.stat().st_mtime_ns
    fit("fold=all", "epochs=2", name="cut")
    assert first.stat().st_mtime_ns == written
    for fold in range(3):
        assert_same(whole, whole.parent / "cut", fold)


def test_the_checkpoint_alone_reproduces_the_saved_probabilities_from_the_files(fit: Fit, faces: Path) -> None:
    _, folder = fit()
    model, record = load_model(folder / "fold-0/best.ckpt")
    table = pd.read_parquet(folder / "predictions.parquet")
    squares = np.stack([record.square(read_image(faces / path)) for path in table["path"]])
    found = predict_probabilities(model, record, squares, batch_size=5)
    saved = table[[f"probability_{name}" for name in record.class_names]].to_numpy()
    np.testing.assert_allclose(found, saved, atol=1e-5)
    assert list(table.columns[:5]) == ["path", "group", "label", "width", "height"]


def test_the_result_tells_what_a_reader_needs(fit: Fit) -> None:
    result, folder = fit()
    assert result == read_result(folder)
    assert result["status"] == "complete"
    assert result["monitor"] == "val/auroc"
    assert result["score"] == result["metrics"]["val"]["auroc"]["mean"] == result["folds"][0]["score"]
    assert result["score_std"] is None
    fold = result["folds"][0]
    log = history(folder).set_index("epoch")
    assert log["val/auroc"].max() == log["val/auroc"][fold["best_epoch"]]
    for name, value in fold["metrics"]["val"].items():  # the saved predictions are those of the best epoch
        assert log[f"val/{name}"][fold["best_epoch"]] == pytest.approx(value, abs=1e-5)
    assert fold["n"] == {"train": 21, "val": 11, "val_groups": 11}
    assert result["data"]["n"]["test"] == {"mask": 5, "no_mask": 3}
    assert result["weights"]["source"] == "random"
    assert (folder / "fold-0/learning_curves.png").stat().st_size > 10_000
    checkpoint = torch.load(folder / "fold-0/last.ckpt", weights_only=True)
    assert checkpoint["epoch"] == 3
    assert checkpoint["preprocessing"]["class_names"] == ["mask", "no_mask"]


def test_divergence_is_recorded_and_named(fit: Fit, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"training diverged: .* is nan in epoch \d; try a smaller lr"):
        fit("lr=1e30", "optim=sgd", "schedule=none")
    for folder in (tmp_path / "run", tmp_path / "run/fold-0"):
        result = read_result(folder)
        assert result is not None
        assert result["status"] == "failed"
        assert "training diverged" in result["error"]


def test_a_folder_whose_run_came_to_nothing_may_be_used_again(fit: Fit) -> None:
    with pytest.raises(RunError, match="training diverged"):
        fit("lr=1e30", "optim=sgd", "schedule=none", "epochs=1")
    assert fit("epochs=1")[0]["status"] == "complete"
    with pytest.raises(RunError, match="holds a run of another configuration"):
        fit("epochs=2")


def test_a_run_does_not_go_on_over_changed_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_faces(tmp_path / "set", {"mask": 20, "no_mask": 20})
    settings = configure(root, tmp_path, "fold=all")
    with monkeypatch.context() as patched:
        patched.setattr("facemask.training.parts.EpochSeed.on_train_batch_end", cut_second_fold)
        with pytest.raises(PowerCut):
            fit_folds(settings, tmp_path / "run")
    (root / "mask/004.png").unlink()
    with pytest.raises(RunError, match="have changed since .*fold-0 was begun .* delete .*run to begin anew"):
        fit_folds(settings, tmp_path / "run")
    write_faces(root, {"mask": 20, "no_mask": 20})
    assert fit_folds(settings, tmp_path / "run")["status"] == "complete"


def test_a_full_disk_is_one_sentence_and_the_run_goes_on_from_there(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fit(name="whole")[1]
    save = torch.save

    def full(content: dict[str, Any], stream: Any) -> None:
        if content["epoch"] == 2:
            stream.write(b"the first bytes")
            raise RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0")
        save(content, stream)

    with monkeypatch.context() as patched:
        patched.setattr("facemask.training.callbacks.torch.save", full)
        with pytest.raises(RunError, match=r"ckpt cannot be written .* make room, then type resume=.*cut"):
            fit(name="cut")
    assert not list((whole.parent / "cut").rglob("*.partial"))
    assert_same(whole, fit(name="cut")[1])


@pytest.mark.parametrize("steps", [1, 3, 4, 8])
def test_the_default_schedule_takes_any_number_of_steps(fit: Fit, steps: int) -> None:
    result, _ = fit("epochs=1", "bs=2", f"trainer.limit_train_batches={steps}", name=str(steps))
    assert result["status"] == "complete"


def test_an_interrupted_run_says_so(fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("facemask.training.parts.EpochSeed.on_train_batch_end", interrupt)
    with pytest.raises(SystemExit):
        fit()
    for folder in (tmp_path / "run", tmp_path / "run/fold-0"):
        result = read_result(folder)
        assert result is not None
        assert result["status"] == "interrupted"


def test_unreadable_files_are_warned_of_once_and_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_faces(tmp_path / "set", {"mask": 12, "no_mask": 12})
    (root / "mask/004.png").write_text("not a picture")
    settings = configure(root, tmp_path, "data.max_unreadable=0.1", "epochs=1", "fold=all", "data.test_fraction=0")
    result = fit_folds(settings, tmp_path / "run")
    listed = pd.read_csv(tmp_path / "run/unreadable.csv")
    assert listed["path"].tolist() == ["mask/004.png"]
    assert result["data"]["unreadable"] == 1
    assert capsys.readouterr().err.count("1 of 24 images cannot be read and are left out") == 1


def test_every_augmentation_optimiser_and_balance_trains(fit: Fit) -> None:
    for number, options in enumerate(
        (["augment=keras", "optim=sgd"], ["augment=strong", "optim=adam"], ["data.balance=weighted"])
    ):
        result, _ = fit(*options, "epochs=1", name=str(number))
        assert result["status"] == "complete"


@pytest.mark.skipif(sys.platform != "linux", reason="open files are counted in /proc")
def test_fits_leave_no_process_no_open_file_and_no_temporary_folder(faces: Path, tmp_path: Path) -> None:
    def left() -> tuple[int, int, set[str]]:
        gc.collect()
        temporary = {name for name in os.listdir(tempfile.gettempdir()) if not name.startswith("pytest")}
        return len(multiprocessing.active_children()), len(os.listdir("/proc/self/fd")), temporary

    configured = configure(faces, tmp_path, "fold=all", "data.num_workers=1", "epochs=1")
    fit_folds(configured, tmp_path / "first")
    before = left()
    for i in range(2):
        fit_folds(configured, tmp_path / f"run{i}")
    assert left() == before


def test_a_race_ends_what_is_clearly_behind_and_a_call_without_it_goes_on(faces: Path, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"

    def run(name: str, *overrides: str) -> Result:
        words = ["fold=all", "monitor=val/loss", "race_margin=0", *overrides]
        return fit_folds(configure(faces, tmp_path, *words), sweep / name, sweep)

    assert run("good", "race=true", "lr=1e-3")["status"] == "complete"
    pruned = run("bad", "race=true", "lr=30", "epochs=1")
    assert pruned["status"] == "pruned"
    assert len(pruned["folds"]) == 2
    assert read_result(sweep / "bad") == pruned
    assert len(pd.read_parquet(sweep / "bad/predictions.parquet")["fold"].unique()) == 2
    assert run("bad", "race=true", "lr=30", "epochs=1") == pruned
    whole = run("bad", "lr=30", "epochs=1")
    assert whole["status"] == "complete"
    assert whole["folds"][:2] == pruned["folds"]
