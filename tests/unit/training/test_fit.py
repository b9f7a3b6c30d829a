"""The same configuration gives the same numbers in every launch mode, and the run folder records how the fit ended."""

import gc
import multiprocessing
import os
import re
import shutil
import signal
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from conftest import write_faces
from facemask.data.pictures import read_image
from facemask.errors import RunError
from facemask.models.checkpoint import load_model
from facemask.models.predict import predict_probabilities
from facemask.runs.results import FORMAT, FoldResult, RunResult, SampleCounts, Status
from facemask.runs.run_folder import read_fold, read_run
from facemask.training.callbacks import AtomicCheckpointIO
from facemask.training.fit import fit_folds
from facemask.training.rounds import is_settled
from fits import Fit, assert_same, configure, history

pytestmark = pytest.mark.slow


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


def test_a_fold_gives_the_same_result_alone_and_with_others(fit: Fit) -> None:
    together, folder = fit("fold=all", "epochs=2", name="all")
    for fold in range(3):
        alone, its = fit(f"fold={fold}", "epochs=2", name=f"fold{fold}")
        assert_same(folder, its, fold)
        assert alone.score == together.folds[fold].score
    scores = [fold.score for fold in together.folds]
    assert together.score == pytest.approx(np.mean(scores))
    assert together.score_std == pytest.approx(np.std(scores, ddof=1))
    table = pd.read_parquet(folder / "predictions.parquet")
    assert table["path"].is_unique
    assert sorted(table["fold"].unique()) == [0, 1, 2]
    assert together.data is not None
    assert len(table) == sum(together.data.n["train"].values())


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
    assert result == read_run(folder)
    assert result.status == "complete"
    assert result.format == FORMAT
    assert result.monitor == "val/auroc"
    assert result.score == result.metrics["val"]["auroc"].mean == result.folds[0].score
    assert result.score_std is None
    fold = result.folds[0]
    log = history(folder).set_index("epoch")
    assert log["val/auroc"].max() == log["val/auroc"][fold.best_epoch]
    logged = [name.removeprefix("val/") for name in log if name.startswith("val/")]
    assert len(logged) == 8
    for name in logged:  # the saved predictions are those of the best epoch
        assert log[f"val/{name}"][fold.best_epoch] == pytest.approx(fold.metrics["val"][name], abs=1e-5)
    assert fold.n == SampleCounts(train=21, val=11, val_groups=11)
    assert fold.facts.n["test"] == {"mask": 5, "no_mask": 3}
    assert result.weights.source == "random"
    assert (folder / "fold-0/learning_curves.png").stat().st_size > 10_000
    checkpoint = torch.load(folder / "fold-0/last.ckpt", weights_only=True)
    assert checkpoint["epoch"] == 3
    assert checkpoint["preprocessing"]["class_names"] == ["mask", "no_mask"]


def test_divergence_is_recorded_and_named(fit: Fit, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"training diverged: .* is nan in epoch \d; try a smaller lr"):
        fit("lr=1e30", "optim=sgd", "schedule=none")
    for result in (read_run(tmp_path / "run"), read_fold(tmp_path / "run/fold-0")):
        assert result is not None
        assert result.status == "failed"
        assert result.error is not None
        assert "training diverged" in result.error


def test_a_folder_of_a_run_without_results_can_be_reused(fit: Fit) -> None:
    with pytest.raises(RunError, match="training diverged"):
        fit("lr=1e30", "optim=sgd", "schedule=none", "epochs=1")
    assert fit("epochs=1")[0].is_complete
    with pytest.raises(RunError, match="holds a run of another configuration: epochs=1 there, epochs=2 here; "):
        fit("epochs=2")


@pytest.mark.parametrize("steps", [1, 3, 4, 8])
def test_the_default_schedule_takes_any_number_of_steps(fit: Fit, steps: int) -> None:
    result, _ = fit("epochs=1", "bs=2", f"trainer.limit_train_batches={steps}", name=str(steps))
    assert result.is_complete


def test_an_interrupted_run_says_so(fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("facemask.models.epoch_seed.EpochSeed.on_train_batch_end", interrupt)
    with pytest.raises(SystemExit):
        fit()
    for result in (read_run(tmp_path / "run"), read_fold(tmp_path / "run/fold-0")):
        assert result is not None
        assert result.status == "interrupted"


class _InterruptsWhenPickled:
    def __reduce__(self) -> tuple[type, tuple[()]]:
        os.kill(os.getpid(), signal.SIGINT)
        return _InterruptsWhenPickled, ()


def test_an_interruption_waits_until_the_checkpoint_is_written(tmp_path: Path) -> None:
    file = tmp_path / "run/fold-0/last.ckpt"
    file.parent.mkdir(parents=True)
    content = {"before": torch.ones(1000), "signal": _InterruptsWhenPickled(), "after": torch.zeros(1000)}
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # pytest-xdist ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            AtomicCheckpointIO().save_checkpoint(content, file)
    finally:
        signal.signal(signal.SIGINT, before)
    assert torch.load(file, weights_only=False)["after"].shape == (1000,)


def test_unreadable_files_are_warned_of_once_and_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_faces(tmp_path / "set", {"mask": 12, "no_mask": 12})
    (root / "mask/004.png").write_text("not a picture")
    config = configure(root, tmp_path, "data.max_unreadable=0.1", "epochs=1", "fold=all", "data.test_fraction=0")
    result = fit_folds(config, tmp_path / "run")
    listed = pd.read_csv(tmp_path / "run/unreadable.csv")
    assert listed["path"].tolist() == ["mask/004.png"]
    assert result.data is not None
    assert result.data.unreadable == 1
    assert capsys.readouterr().err.count("1 of 24 images cannot be read and are skipped") == 1


def test_averaged_weights_are_validated_and_saved(fit: Fit) -> None:
    _, plain = fit(name="plain")
    result, folder = fit("callbacks=[default,ema]", "callbacks.ema.decay=0.9", name="ema")
    assert history(folder)["train/loss"].tolist() == history(plain)["train/loss"].tolist()  # trained without them
    assert history(folder)["val/loss"].tolist() != history(plain)["val/loss"].tolist()
    content = torch.load(folder / "fold-0/best.ckpt", weights_only=True)
    averaged, current = content["state_dict"], content["current_model_state"]
    assert any(not torch.equal(averaged[name], current[name]) for name in averaged)
    # The saved predictions are those of the weights that were validated.
    assert result.folds[0].score == pytest.approx(history(folder)["val/auroc"].max(), abs=1e-6)


def test_every_augmentation_optimiser_and_balance_trains(fit: Fit) -> None:
    for number, options in enumerate(
        (["augment=keras", "optim=sgd"], ["augment=strong", "optim=adam"], ["data.balance=weighted"])
    ):
        result, _ = fit(*options, "epochs=1", name=str(number))
        assert result.is_complete


@pytest.mark.skipif(sys.platform != "linux", reason="open files are counted in /proc")
def test_fits_leave_no_process_no_open_file_and_no_temporary_folder(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    # A separate folder, because other programs use the system's; a short path, because workers put sockets there.
    temporary = Path(tempfile.mkdtemp())
    request.addfinalizer(lambda: shutil.rmtree(temporary))
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", None)

    def left() -> tuple[int, int, set[str]]:
        gc.collect()
        return len(multiprocessing.active_children()), len(os.listdir("/proc/self/fd")), set(os.listdir(temporary))

    configured = configure(faces, tmp_path, "fold=all", "data.num_workers=1", "epochs=1")
    fit_folds(configured, tmp_path / "first")
    before = left()
    for i in range(2):
        fit_folds(configured, tmp_path / f"run{i}")
    assert left() == before


def test_a_race_prunes_clear_losers_and_a_call_without_race_trains_them(faces: Path, tmp_path: Path) -> None:
    sweep = tmp_path / "sweep"

    def run(name: str, *overrides: str) -> RunResult:
        words = ["fold=all", "monitor=val/loss", "race_margin=0", *overrides]
        return fit_folds(configure(faces, tmp_path, *words), sweep / name, sweep)

    assert run("good", "race=true", "lr=1e-3").is_complete
    pruned = run("bad", "race=true", "lr=30", "epochs=1")
    assert pruned.status == "pruned"
    assert len(pruned.folds) == 1
    assert read_run(sweep / "bad") == pruned
    assert len(pd.read_parquet(sweep / "bad/predictions.parquet")["fold"].unique()) == 1
    assert run("bad", "race=true", "lr=30", "epochs=1") == pruned
    whole = run("bad", "lr=30", "epochs=1")
    assert whole.is_complete
    assert whole.folds[:1] == pruned.folds


@pytest.mark.parametrize(
    ("status", "n_folds", "race_folds", "is_over"),
    [
        ("complete", 3, 1, True),
        ("pruned", 1, 3, True),
        ("pruned", 1, None, True),
        ("waiting", 2, 2, True),
        ("waiting", 2, 3, False),
        ("waiting", 2, None, False),  # the last round
        ("failed", 0, 2, True),  # it failed in the first round, and is not trained again in the second
        ("failed", 0, 1, False),  # the command was typed again
        ("failed", 1, 2, False),
        ("failed", 0, None, False),  # a race that does not go fold by fold, such as Optuna's, typed again
        ("interrupted", 0, 2, False),
    ],
)
def test_a_round_of_a_race_is_over_for_a_run(
    status: Status, n_folds: int, race_folds: int | None, is_over: bool, faces: Path, tmp_path: Path
) -> None:
    config = replace(configure(faces, tmp_path, "fold=all", "race=true"), race_folds=race_folds)
    result = RunResult(status, folds=[FoldResult(fold, "complete") for fold in range(n_folds)])
    assert is_settled(result, config, tmp_path) == is_over
    assert is_settled(result, config, None) == (status == "complete")  # resumed on its own, it is in no race


def test_training_states_data_groups_model_and_device(
    faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = fit_folds(configure(faces, tmp_path, "epochs=1", "fold=all"), tmp_path / "run")
    lines = capsys.readouterr().out.splitlines()
    found = {line.partition(": ")[0]: line.partition(": ")[2] for line in lines if ": " in line}
    assert result.data is not None
    total = {name: result.data.n["train"][name] + result.data.n["test"][name] for name in result.data.classes}
    counts = re.findall(r"(\w+) (\d+) \+ (\d+) \+ (\d+)", found["classes"])
    assert {name: sum(map(int, numbers)) for name, *numbers in counts} == total
    assert found["data"].endswith("images for training + validation + test (fold 0 of 3)")
    assert found["groups"] == "none known: images of one photo or person may be on both sides of a split"
    assert found["model"].startswith("CNN, input 16 pixels (images stored at 16), initial weights: random; cpu, ")
    assert sum(line.startswith("classes: ") for line in lines) == 1  # once a run
    assert not {"warning", "note"} & found.keys()


def test_near_duplicates_in_different_folds_are_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_faces(tmp_path / "set", {"a": 9, "b": 9})
    for i in range(6):
        shutil.copy(root / "a/000.png", root / f"a/copy{i}.png")
    fit_folds(configure(root, tmp_path, "epochs=1", "data.test_fraction=0"), tmp_path / "run")
    assert re.search(
        r"warning: \d+ of 21 pairs of near-duplicates lie in different folds, .* task=audit data.root=.* group=true",
        capsys.readouterr().out,
    )
