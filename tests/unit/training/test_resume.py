"""An interrupted run resumes and ends with the numbers of an uninterrupted one."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule

from conftest import write_faces
from facemask.errors import RunError
from facemask.training.fit import fit_folds
from fits import CutAt, Fit, PowerCut, assert_same, configure, history

pytestmark = pytest.mark.slow


def cut_second_fold(self: Any, trainer: Any, pl_module: LightningModule, *_: Any) -> None:
    if trainer.datamodule.fold == 1:
        raise PowerCut


EMA, GROWING = "onecycle callbacks=[default,ema]", "onecycle callbacks=[default,growing] callbacks.growing.scale=0.75"


@pytest.mark.parametrize("schedule", ["onecycle", "plateau", "cosine", "none", EMA, GROWING])
def test_a_run_cut_off_in_an_epoch_ends_where_an_uninterrupted_one_ends(
    fit: Fit, monkeypatch: pytest.MonkeyPatch, schedule: str
) -> None:
    options = [*f"schedule={schedule}".split(), "augment.mixup=0.3"]
    if schedule == "plateau":  # one that does shrink the rate within the run
        options += ["schedule.patience=0", "monitor=val/accuracy", "schedule.factor=0.3", "lr=1e-5"]
    whole = fit(*options, name="whole")[1]
    if schedule == "plateau":
        assert history(whole)["lr"].nunique() > 1
    with monkeypatch.context() as patched:
        patched.setattr("facemask.models.epoch_seed.EpochSeed.on_train_batch_end", CutAt(2).on_train_batch_end)
        with pytest.raises(PowerCut):
            fit(*options, name="cut")
    cut = fit(*options, name="cut")[1]
    assert_same(whole, cut)


def test_an_interrupted_run_may_be_moved_and_resumes_from_its_best_epoch(
    fit: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fit(name="whole")[1]
    with monkeypatch.context() as patched:
        patched.setattr("facemask.models.epoch_seed.EpochSeed.on_train_batch_end", CutAt(3).on_train_batch_end)
        with pytest.raises(PowerCut):
            fit(name="cut")
    shutil.move(whole.parent / "cut", whole.parent / "moved")
    assert_same(whole, fit(name="moved")[1])


def test_worker_processes_use_the_order_of_the_resumed_epoch(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ["data.num_workers=1", "trainer.limit_train_batches=2"]
    whole = fit(*options, name="whole")[1]
    with monkeypatch.context() as patched:
        patched.setattr("facemask.models.epoch_seed.EpochSeed.on_train_batch_end", CutAt(1).on_train_batch_end)
        with pytest.raises(PowerCut):
            fit(*options, name="cut")
    assert_same(whole, fit(*options, name="cut")[1])


def test_a_run_that_stopped_early_does_not_train_further(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ["callbacks.early_stopping.patience=1", "lr=1e-9", "epochs=20", "schedule=none"]
    whole = fit(*options, name="whole")[1]
    assert len(history(whole)) < 20
    with monkeypatch.context() as patched:  # cut off after the last epoch, before the evaluation
        patched.setattr("facemask.training.fit.evaluate_best", lambda *_: (_ for _ in ()).throw(PowerCut()))
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
        patched.setattr("facemask.models.epoch_seed.EpochSeed.on_train_batch_end", cut_second_fold)
        with pytest.raises(PowerCut):
            fit("fold=all", "epochs=2", name="cut")
    first = whole.parent / "cut/fold-0/best.ckpt"
    written = first.stat().st_mtime_ns
    fit("fold=all", "epochs=2", name="cut")
    assert first.stat().st_mtime_ns == written
    for fold in range(3):
        assert_same(whole, whole.parent / "cut", fold)


def test_changed_images_prevent_resuming(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_faces(tmp_path / "set", {"mask": 20, "no_mask": 20})
    config = configure(root, tmp_path, "fold=all")
    with monkeypatch.context() as patched:
        patched.setattr("facemask.models.epoch_seed.EpochSeed.on_train_batch_end", cut_second_fold)
        with pytest.raises(PowerCut):
            fit_folds(config, tmp_path / "run")
    (root / "mask/004.png").unlink()
    with pytest.raises(RunError, match="changed since .*fold-0 was started .* delete .*run to start again"):
        fit_folds(config, tmp_path / "run")
    write_faces(root, {"mask": 20, "no_mask": 20})
    assert fit_folds(config, tmp_path / "run").is_complete
    (root / "mask/004.png").unlink()
    with pytest.raises(RunError, match="changed since"):  # nor is it taken for a run on the others
        fit_folds(config, tmp_path / "run")
    shutil.rmtree(root)
    assert fit_folds(config, tmp_path / "run").is_complete


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
        with pytest.raises(RunError, match=r"ckpt cannot be written .* free space, then type resume=.*cut"):
            fit(name="cut")
    assert not list((whole.parent / "cut").rglob("*.partial"))
    assert_same(whole, fit(name="cut")[1])
