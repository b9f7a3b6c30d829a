"""The commands of the README, as a user types them, in processes of their own."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from commands import type_command, type_fresh_command
from conftest import PROJECT, Run, write_faces
from wandb_reader import read_records

CARD = "model=mobilenetv2 -m lr=1e-2,1e-3,1e-4,1e-5 bs=16,32,64"
VARYING = ["seconds", "peak_memory_bytes", "command"]  # what two equal sweeps may differ in
SMALL = ["model=cnn", "model.channels=[4,8]", "model.input_size=24", "epochs=3", "trainer.limit_train_batches=4"]


def result(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return content


def assert_same_run(one: Path, other: Path) -> None:
    timings = ["seconds", "data_seconds"]
    histories = [pd.read_csv(folder / "fold-0/metrics.csv").drop(columns=timings) for folder in (one, other)]
    pd.testing.assert_frame_equal(*histories, check_exact=True)
    tables = [pd.read_parquet(folder / "predictions.parquet") for folder in (one, other)]
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    assert result(one)["metrics"] == result(other)["metrics"]


def test_the_first_command_ends_in_a_table_and_a_run_folder(shop: Path) -> None:
    done = type_fresh_command(PROJECT / "train.py", ["trainer=smoke"], shop)
    assert done.code == 0, done.err
    for words in ("set", "split", "n", "accuracy", "macro F1", "AUROC", "demo", "validation", "160", "Ranges: 95 %"):
        assert words in done.out
    assert "epoch 1/1" in done.out
    assert done.err.strip() == "" or "Decoding" in done.err
    folder = shop / done.out.split("Run folder: ")[1].split()[0]
    for name in ("config.yaml", "result.json", "predictions.parquet", "fold-0/best.ckpt", "fold-0/learning_curves.png"):
        assert (folder / name).is_file()
    assert folder.parent.parent == shop / "outputs"


def test_a_student_is_taught_by_a_run(shop: Path) -> None:
    assert type_command(PROJECT / "train.py", [*SMALL, "hydra.run.dir=teacher"], shop, {}).code == 0
    words = [*SMALL, "model.channels=[4]", "teacher=teacher"]
    done = type_command(PROJECT / "train.py", [*words, "hydra.run.dir=student"], shop, {})
    assert done.code == 0, done.err
    (fold,) = result(shop / "student")["folds"]
    assert fold["teacher"]["run"] == "teacher/fold-0"
    assert fold["teacher"]["parameters"] > fold["weights"]["parameters"]
    wrong = type_command(PROJECT / "train.py", [*words, "split_seed=1", "hydra.run.dir=wrong"], shop, {})
    assert wrong.code == 2
    assert "teacher=teacher was trained with split_seed=0, so it may have seen the images" in wrong.err
    assert not (shop / "wrong").exists()


def test_the_cards_line_as_it_is_written(shop: Path) -> None:
    done = type_fresh_command(PROJECT / "train.py", [*CARD.split(), "trainer=smoke", "name=card"], shop)
    assert done.code == 0, done.err
    found = sorted(
        path.parent for path in (shop / "outputs/sweeps/card").rglob("result.json") if "fold-" not in str(path)
    )
    assert len(found) == 12
    table = pd.read_csv(shop / "outputs/sweeps/card/summary.csv")
    assert sorted(table["rank"]) == list(range(1, 13))
    assert {tuple(row) for row in table[["lr", "bs"]].to_numpy()} == {
        (lr, bs) for lr in (1e-2, 1e-3, 1e-4, 1e-5) for bs in (16, 32, 64)
    }
    assert "12 configurations" in done.out
    assert done.out.count("First place: outputs/sweeps/card/mobilenetv2/bs=") == 1
    assert {folder.parent.name for folder in found} == {"mobilenetv2"}
    assert "bs=16,lr=0.0001,trainer=smoke" in {folder.name for folder in found}
    for folder in found:
        assert result(folder)["status"] == "complete"
        values = dict(word.split("=") for word in folder.name.split(","))
        config = (folder / "config.yaml").read_text()
        assert f"\nbs: {values['bs']}\n" in config
        assert float(config.split("lr: ")[1].split()[0]) == float(values["lr"])


@pytest.mark.parametrize("where", ["store", "epoch", "checkpoint"])
def test_after_a_kill_the_next_start_works_and_ends_where_a_whole_run_ends(
    train: Run, shop: Path, tmp_path: Path, where: str
) -> None:
    words = [*SMALL, f"data.store_dir={tmp_path}/store"]
    killed = train(where, *words, f"hydra.run.dir={tmp_path}/cut", script="tests/cli/sabotage.py")
    assert killed.code == -signal.SIGKILL, killed.err
    assert result(tmp_path / "cut")["status"] == "running"
    if where == "checkpoint":
        assert (tmp_path / "cut/fold-0/best.ckpt.partial").exists() or (
            tmp_path / "cut/fold-0/last.ckpt.partial"
        ).exists()
    resumed = train(f"resume={tmp_path}/cut")
    assert resumed.code == 0, resumed.err
    whole = train(*words, f"hydra.run.dir={tmp_path}/whole")
    assert whole.code == 0, whole.err
    assert_same_run(tmp_path / "cut", tmp_path / "whole")
    assert not list((tmp_path / "cut").rglob("*.partial"))


def test_control_c_tells_how_to_go_on(shop: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bs=8,lr=1"
    words = ["model=cnn", "epochs=500", f"hydra.run.dir={folder}", "callbacks=none"]
    process = subprocess.Popen(
        [sys.executable, str(PROJECT / "train.py"), *words],
        cwd=shop,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored in what a script runs behind itself
    )
    deadline = time.monotonic() + 120
    while not (folder / "fold-0/last.ckpt").is_file():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert f"interrupted; go on with: python train.py resume={folder}" in out
    assert "Traceback" not in out + err
    assert result(folder)["status"] == "interrupted"


def test_a_failing_job_does_not_stop_a_sweep(train: Run, shop: Path) -> None:
    done = train(*SMALL, "-m", "fold=0,9,1", "name=failing")
    assert done.code == 1
    assert "error: fold=9 does not exist with k=5" in done.err
    assert "error: not every job of the sweep succeeded; the reasons are above." in done.err
    assert "Traceback" not in done.err
    sweep = shop / "outputs/sweeps/failing"
    complete = [path for path in sweep.glob("*/*/result.json") if result(path.parent)["status"] == "complete"]
    assert len(complete) == 2
    assert "not complete: python train.py" in done.out
    assert "fold=9 does not exist" in done.out
    for name in ("summary.csv", "summary.md", "summary.html"):
        assert "fold=9 does not exist" in (sweep / name).read_text()


def test_what_diverges_and_what_raises_is_named_and_the_rest_is_ranked_here_and_at_wandb(
    train: Run, shop: Path
) -> None:
    words = [*SMALL, "optim=sgd", "schedule=none", "logger=wandb", "logger.wandb.mode=offline"]
    grid = ["-m", "lr=1e-3,1e30", "bs=7,8", "name=grid"]
    done = train("error", *words, *grid, script="tests/cli/sabotage.py", WANDB_MODE="offline")
    assert done.code == 1, done.err
    assert "ZeroDivisionError: nobody foresaw this" in done.err
    sweep = shop / "outputs/sweeps/grid"
    table = pd.read_csv(sweep / "summary.csv").set_index(["lr", "bs"])
    assert table["rank"].notna().sum() == 1
    assert table.loc[(1e-3, 8), "rank"] == 1
    for bs in (7, 8):
        reason = table.loc[(1e30, bs), "problems"]
        assert reason == "ZeroDivisionError: nobody foresaw this" if bs == 7 else "training diverged" in reason
    page = (sweep / "summary.html").read_text()
    assert "nobody foresaw this" in page
    assert "training diverged" in page

    (folder,) = (sweep / "wandb").glob("offline-run-*")
    records = list(read_records(folder))
    run = next(record.run for record in records if record.WhichOneof("record_type") == "run")
    assert (run.run_group, run.job_type, run.display_name) == ("grid", "summary", "grid summary")
    assert [r.exit.exit_code for r in records if r.WhichOneof("record_type") == "exit"] == [1]
    logged = {item.key or "/".join(item.nested_key) for record in records for item in record.history.item}
    assert {"ranking/nrows", "Scores of the folds/format"} <= logged
    figures = {item.key: item.value_json for record in records for item in record.summary.update}
    assert json.loads(figures["best/val/auroc_mean"]) == pytest.approx(table.loc[(1e-3, 8), "score_mean"])
    codes = {}
    for fold in sweep.glob("*/*/fold-0"):
        (folder,) = (fold / "wandb").glob("offline-run-*")
        exits = [r.exit.exit_code for r in read_records(folder) if r.WhichOneof("record_type") == "exit"]
        codes[fold.parent.name.partition(",model")[0]] = exits
    names = {(bs, lr): f"bs={bs},epochs=3,lr={lr}" for bs in (7, 8) for lr in ("0.001", "1e+30")}
    assert codes == {name: [0 if values == (8, "0.001") else 1] for values, name in names.items()}


def test_fail_fast_begins_no_job_after_one_has_failed(train: Run, shop: Path) -> None:
    line = [*SMALL, "trainer=smoke", "-m", "fold=0,9,1", "name=fast"]
    done = train(*line, "fail_fast=true")
    assert done.code == 1
    sweep = shop / "outputs/sweeps/fast"
    results = [result(file.parent) for file in sweep.glob("*/*/result.json")]
    assert sorted(job["status"] for job in results) == ["complete", "failed"]
    assert len(list(sweep.glob("*/*"))) == 2
    assert "fold=9 does not exist" in done.out
    assert train(*line).code == 1
    assert len(list(sweep.glob("*/*/predictions.parquet"))) == 2


def test_one_run_of_a_race_can_be_gone_on_with_alone(train: Run, shop: Path) -> None:
    words = [*SMALL, "-m", "fold=0", "race=true", "name=race"]
    assert train("epoch", *words, script="tests/cli/sabotage.py").code == -signal.SIGKILL
    (run,) = (shop / "outputs/sweeps/race").glob("*/*/")
    done = train(f"resume={run}")
    assert done.code == 0, done.err
    assert result(run)["status"] == "complete"
    assert result(run)["command"].endswith("fold=0 name=race")  # by itself it is no race


def test_a_sweep_that_was_killed_goes_on_when_its_line_is_typed_again(train: Run, shop: Path) -> None:
    line = [*SMALL, "-m", "fold=0,1"]
    assert train(*line, "name=whole").code == 0
    assert train("-m", *SMALL, "fold=0", "name=cut").code == 0
    done = {file: file.stat().st_mtime_ns for file in (shop / "outputs/sweeps/cut").rglob("*.ckpt")}
    assert len(done) == 2
    assert train("epoch", *line, "name=cut", script="tests/cli/sabotage.py").code == -signal.SIGKILL
    assert train(*line, "name=cut").code == 0
    assert done == {file: file.stat().st_mtime_ns for file in done}
    tables = [pd.read_csv(shop / f"outputs/sweeps/{name}/summary.csv") for name in ("whole", "cut")]
    pd.testing.assert_frame_equal(*(table.drop(columns=VARYING) for table in tables), check_exact=True)


def test_jobs_side_by_side_come_out_as_one_after_the_other(shop: Path) -> None:
    words = [*SMALL, "trainer=smoke", "k=2", "fold=all", "-m", "lr=1e-2,1e-3"]
    slurm = ["launcher=slurm", "hydra/launcher=submitit_local", "hydra.launcher.cpus_per_task=1"]
    launchers = {"local": ["launcher=local"], "joblib": ["launcher=joblib"], "slurm": slurm}
    for name, launcher in launchers.items():
        line = [*words, *launcher, f"name={name}"]
        done = type_fresh_command(PROJECT / "train.py", line, shop, OMP_NUM_THREADS="1")
        assert done.code == 0, done.err
        assert "2 of 2" in done.out
    table, *others = (pd.read_csv(shop / f"outputs/sweeps/{name}/summary.csv") for name in launchers)
    for other in others:
        pd.testing.assert_frame_equal(table.drop(columns=VARYING), other.drop(columns=VARYING), check_exact=True)


def test_two_processes_come_out_as_one(shop: Path, tmp_path: Path) -> None:
    root = write_faces(tmp_path / "faces", {"mask": 18, "no_mask": 15})
    words = ["data=folder", f"data.root={root}", f"data.store_dir={tmp_path}/store", "k=3", "bs=8", "epochs=2"]
    words += ["data.test_fraction=0"]
    # Batch norm sees other batches in each process, and dropout draws anew: here both rest.
    words += ["model.freeze=backbone", "augment.views=0", "model.dropout=0", "model.input_size=32", "lr=0.1"]
    ddp = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"]
    for name, trainer in (("one", ["trainer.accelerator=cpu"]), ("two", ddp)):
        done = type_fresh_command(PROJECT / "train.py", [*words, *trainer, f"hydra.run.dir={tmp_path}/{name}"], shop)
        assert done.code == 0, done.err
        assert done.out.count("epoch 1/2") == 1
        assert "sync_dist" not in done.err
    assert result(tmp_path / "two")["folds"][0]["n"]["val"] % 2 == 1
    histories = [pd.read_csv(tmp_path / f"{name}/fold-0/metrics.csv").filter(like="/") for name in ("one", "two")]
    pd.testing.assert_frame_equal(*histories, check_exact=False, atol=1e-4)
    tables = [pd.read_parquet(tmp_path / f"{name}/predictions.parquet") for name in ("one", "two")]
    pd.testing.assert_frame_equal(*tables, check_exact=False, atol=1e-4)


def test_the_checkpoint_of_two_processes_is_what_they_validated(shop: Path, tmp_path: Path) -> None:
    ddp = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", f"hydra.run.dir={tmp_path}/run"]
    done = type_fresh_command(PROJECT / "train.py", [*SMALL, *ddp, "logger=tensorboard"], shop)
    assert done.code == 0, done.err
    fold = result(tmp_path / "run")["folds"][0]
    history = pd.read_csv(tmp_path / "run/fold-0/metrics.csv").set_index("epoch")
    for name in ("loss", "accuracy", "auroc"):  # logged by both, each with half of the images; and read back by one
        assert fold["metrics"]["val"][name] == pytest.approx(history.loc[fold["best_epoch"], f"val/{name}"], abs=1e-4)
    assert list((tmp_path / "run/fold-0/tensorboard").iterdir())


def test_two_processes_tell_a_user_what_one_would(shop: Path, tmp_path: Path) -> None:
    ddp = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"]
    diverging = ["lr=1e30", "optim=sgd", "schedule=none", f"hydra.run.dir={tmp_path}/run"]
    done = type_fresh_command(PROJECT / "train.py", [*SMALL, *ddp, *diverging], shop)
    assert done.code == 2, done.err
    assert "error: training diverged: " in done.err
    assert result(tmp_path / "run")["status"] == "failed"


def test_a_search_without_one_success_ends_in_its_summary(train: Run, shop: Path) -> None:
    done = train(*SMALL, "sweep=optuna", "hydra.sweeper.n_trials=2", "data.fraction=0.001", "name=hopeless")
    assert done.code == 1
    assert "error: the sweep broke off (" in done.err
    assert "Traceback" not in done.err
    assert "2 configurations by val/auroc" in done.out
    assert "No configuration is complete" in done.out


def test_a_study_goes_on_where_it_was_killed(train: Run, shop: Path) -> None:
    line = [*SMALL, "sweep=optuna", "fold=0", "name=study"]
    killed = train("epoch", *line, "hydra.sweeper.n_trials=1", script="tests/cli/sabotage.py")
    assert killed.code == -signal.SIGKILL, killed.err
    for trials, said in ((2, "0 trials are done, 2 are left"), (3, "2 trials are done, 1 are left")):
        done = train(*line, f"hydra.sweeper.n_trials={trials}")
        assert done.code == 0, done.err
        assert f"Going on with the study study: {said}." in done.out
        assert f"{trials} configurations by val/auroc" in done.out  # the first is the one that was cut off
    done = train(*line, "hydra.sweeper.n_trials=3")
    assert "3 trials are done, 0 are left" in done.out
    assert "epoch 1" not in done.out
    other = train(*line, "hydra.sweeper.n_trials=4", "epochs=2")
    assert other.code == 2
    assert "was begun with epochs=3, and here it is 2; type it as it was, or give another name=." in other.err
    fixed = train(*line, "hydra.sweeper.n_trials=4", "lr=1e-3")
    assert fixed.code == 2
    assert "was begun with lr=searched, and here it is 0.001; type it as it was" in fixed.err


def test_a_study_that_came_to_nothing_may_be_begun_otherwise(train: Run) -> None:
    line = [*SMALL, "sweep=optuna", "fold=0", "name=typo", "hydra.sweeper.n_trials=1"]
    assert train(*line, "data.fraction=0.001").code == 1
    assert train(*line).code == 0


def test_a_folder_of_ones_own_with_ones_own_module(shop: Path, tmp_path: Path, faces: Path) -> None:
    shutil.copytree(faces, tmp_path / "my faces/für alle")
    (tmp_path / "mine.py").write_text(
        """
import torch
from lightning.pytorch import LightningModule

class Mine(LightningModule):
    def __init__(self, num_classes, width):
        super().__init__()
        pool = torch.nn.AdaptiveAvgPool2d(1)
        last = torch.nn.Linear(width, num_classes)
        self.layers = torch.nn.Sequential(torch.nn.Conv2d(3, width, 3), pool, torch.nn.Flatten(), last)
    def forward(self, images):
        return self.layers(images)
    def training_step(self, batch, batch_idx):
        return torch.nn.functional.cross_entropy(self(batch[0]), batch[1])
    def validation_step(self, batch, batch_idx):
        self.log("val/error", (self(batch[0]).argmax(1) != batch[1]).float().mean())
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)
"""
    )
    conf = tmp_path / "conf/model"
    conf.mkdir(parents=True)
    (conf / "mine.yaml").write_text("_target_: mine.Mine\nwidth: 4\n")
    words = [
        "--config-dir",
        str(tmp_path / "conf"),
        "model=mine",
        "data=folder",
        f"data.root={tmp_path}/my faces/für alle",
    ]
    words += ["epochs=2", "monitor=val/error", f"hydra.run.dir={tmp_path}/run"]
    done = type_fresh_command(PROJECT / "train.py", words, shop, PYTHONPATH=str(tmp_path))
    assert done.code == 0, done.err
    assert result(tmp_path / "run")["model"] == "Mine"
    assert 0 <= result(tmp_path / "run")["score"] <= 1
