"""The commands of the README as users run them, in separate processes."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from commands import SMALL, assert_refused, call_command, type_fresh_command
from conftest import PROJECT, Run, write_faces
from facemask.runs.results import FoldResult, RunResult
from facemask.runs.run_folder import read_run

pytestmark = pytest.mark.slow


def result_of(folder: Path) -> RunResult:
    result = read_run(folder)
    assert result is not None
    return result


def fold_of(folder: Path) -> FoldResult:
    (fold,) = result_of(folder).folds
    return fold


def assert_same_run(one: Path, other: Path) -> None:
    timings = ["seconds", "data_seconds"]
    histories = [pd.read_csv(folder / "fold-0/metrics.csv").drop(columns=timings) for folder in (one, other)]
    pd.testing.assert_frame_equal(*histories, check_exact=True)
    tables = [pd.read_parquet(folder / "predictions.parquet") for folder in (one, other)]
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    assert result_of(one).metrics == result_of(other).metrics


def test_the_first_command_ends_in_a_table_and_a_run_folder(workdir: Path) -> None:
    done = type_fresh_command(PROJECT / "train.py", ["trainer=smoke"], workdir)
    assert done.code == 0, done.err
    for words in ("set", "split", "n", "accuracy", "macro F1", "AUROC", "demo", "validation", "160", "Ranges: 95 %"):
        assert words in done.out
    assert "epoch 1/1" in done.out
    assert "classes: mask 256 + 64 + 80, no_mask 256 + 64 + 80, wrong_mask 128 + 32 + 40\n" in done.out
    assert done.err.strip() == "" or "Decoding" in done.err
    folder = workdir / done.out.split("Run folder: ")[1].split()[0]
    for name in ("config.yaml", "result.json", "predictions.parquet", "fold-0/best.ckpt", "fold-0/learning_curves.png"):
        assert (folder / name).is_file()
    assert folder.parent.parent == workdir / "outputs"


def test_models_of_the_demo_set_say_so_at_every_door(workdir: Path, tmp_path: Path) -> None:
    caveat = "trained on the demo set, whose masks are drawn"
    done = call_command(PROJECT / "train.py", [*SMALL, f"hydra.run.dir={tmp_path}/run"], workdir, {})
    assert f"note: {caveat}" in done.out
    words = [f"run={tmp_path}/run", "n_bootstraps=100", f"hydra.run.dir={tmp_path}/report"]
    assert f"Note: CNN was {caveat}" in call_command(PROJECT / "evaluate.py", words, workdir, {}).out
    assert caveat in (tmp_path / "report/report.html").read_text()
    done = call_command(
        PROJECT / "export.py", [f"run={tmp_path}/run", "max_drop=null", f"hydra.run.dir={tmp_path}/export"], workdir, {}
    )
    assert f"Note: {caveat}" in done.out
    face = next((workdir / "data/demo/mask").glob("*.png"))
    words = [
        f"run={tmp_path}/export/CNN-fp32.onnx",
        f"source={face}",
        "sink=none",
        "detector=haar",
        f"hydra.run.dir={tmp_path}/video",
    ]
    assert f"note: the model was {caveat}" in call_command(PROJECT / "infer_video.py", words, workdir, {}).err


def test_a_run_can_be_a_teacher(workdir: Path) -> None:
    assert call_command(PROJECT / "train.py", [*SMALL, "hydra.run.dir=teacher"], workdir, {}).code == 0
    words = [*SMALL, "model.channels=[4]", "teacher=teacher"]
    done = call_command(PROJECT / "train.py", [*words, "hydra.run.dir=student"], workdir, {})
    assert done.code == 0, done.err
    fold = fold_of(workdir / "student")
    assert fold.teacher is not None
    assert fold.teacher.run == "teacher/fold-0"
    assert fold.teacher.parameters > fold.weights.parameters
    wrong = call_command(PROJECT / "train.py", [*words, "split_seed=1", "hydra.run.dir=wrong"], workdir, {})
    assert_refused(
        wrong, "teacher=teacher was trained with split_seed=0, so it may have seen the student's validation images"
    )
    assert not (workdir / "wrong").exists()


@pytest.mark.parametrize("where", ["store", "epoch", "checkpoint"])
def test_a_killed_run_resumes_and_equals_a_whole_run(train: Run, workdir: Path, tmp_path: Path, where: str) -> None:
    words = [*SMALL, f"data.store_dir={tmp_path}/store"]
    killed = train(where, *words, f"hydra.run.dir={tmp_path}/cut", script="tests/cli/sabotage.py")
    assert killed.code == -signal.SIGKILL, killed.err
    assert result_of(tmp_path / "cut").status == "running"
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


def test_control_c_prints_how_to_resume(workdir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bs=8,lr=1"
    words = ["model=cnn", "epochs=500", f"hydra.run.dir={folder}", "callbacks=none"]
    process = subprocess.Popen(
        [sys.executable, str(PROJECT / "train.py"), *words],
        cwd=workdir,
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
    assert f"interrupted; to resume, type: python train.py resume={folder}" in out
    assert "Traceback" not in out + err
    assert result_of(folder).status == "interrupted"


@pytest.fixture(scope="module")
def one_and_two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the same training by one process and by two."""
    folder = tmp_path_factory.mktemp("processes")
    root = write_faces(folder / "faces", {"mask": 18, "no_mask": 15})
    words = ["data=folder", f"data.root={root}", f"data.store_dir={folder}/store", "k=3", "bs=8", "epochs=2"]
    words += ["data.test_fraction=0", "logger=tensorboard"]
    # Batch norm sees other batches in each process, and dropout draws anew: here both rest.
    words += ["model.freeze=backbone", "augment.views=0", "model.dropout=0", "model.input_size=32", "lr=0.1"]
    ddp = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"]
    for name, trainer in (("one", ["trainer.accelerator=cpu"]), ("two", ddp)):
        line = [*words, *trainer, f"hydra.run.dir={folder}/{name}"]
        done = type_fresh_command(PROJECT / "train.py", line, folder)
        assert done.code == 0, done.err
        assert done.out.count("epoch 1/2") == 1
        assert "sync_dist" not in done.err
    return folder


def test_two_processes_equal_one(one_and_two: Path) -> None:
    assert fold_of(one_and_two / "two").n.val % 2 == 1
    histories = [pd.read_csv(one_and_two / f"{name}/fold-0/metrics.csv").filter(like="/") for name in ("one", "two")]
    pd.testing.assert_frame_equal(*histories, check_exact=False, atol=1e-4)
    tables = [pd.read_parquet(one_and_two / f"{name}/predictions.parquet") for name in ("one", "two")]
    pd.testing.assert_frame_equal(*tables, check_exact=False, atol=1e-4)


def test_the_checkpoint_of_two_processes_has_the_validated_weights(one_and_two: Path) -> None:
    run = one_and_two / "two"
    fold = fold_of(run)
    history = pd.read_csv(run / "fold-0/metrics.csv").set_index("epoch")
    for name in ("loss", "accuracy", "auroc"):  # logged by both, each with half of the images; and read back by one
        assert fold.metrics["val"][name] == pytest.approx(history.loc[fold.best_epoch, f"val/{name}"], abs=1e-4)
    assert list((run / "fold-0/tensorboard").iterdir())


def test_errors_in_two_processes_equal_those_in_one(workdir: Path, tmp_path: Path) -> None:
    ddp = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"]
    diverging = ["lr=1e30", "optim=sgd", "schedule=none", f"hydra.run.dir={tmp_path}/run"]
    done = type_fresh_command(PROJECT / "train.py", [*SMALL, *ddp, *diverging], workdir)
    assert_refused(done, "training diverged: ")
    assert result_of(tmp_path / "run").status == "failed"


def test_a_custom_folder_and_a_custom_module_work_together(workdir: Path, tmp_path: Path, faces: Path) -> None:
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
    done = call_command(PROJECT / "train.py", words, workdir, {"PYTHONPATH": str(tmp_path)})
    assert done.code == 0, done.err
    result = result_of(tmp_path / "run")
    assert result.model == "Mine"
    assert result.score is not None
    assert 0 <= result.score <= 1


def test_an_archive_is_trained_on_evaluated_and_audited_like_its_folder(train: Run, tmp_path: Path) -> None:
    write_faces(tmp_path / "set/faces", {"mask": 24, "no_mask": 20}, side=24)
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "set")
    words = [*SMALL, f"data.root={archive}", "data.num_workers=0", f"data.store_dir={tmp_path}/store"]
    done = train(*words, f"hydra.run.dir={tmp_path}/run")
    assert done.code == 0, done.err
    assert "CNN on packed" in done.out
    same = train(*[word.replace(archive, f"{tmp_path}/set/faces") for word in words], f"hydra.run.dir={tmp_path}/other")
    assert same.code == 0, same.err
    one, other = (result_of(tmp_path / name) for name in ("run", "other"))
    assert one.score == other.score
    assert one.data is not None
    assert other.data is not None
    assert one.data.fingerprint == other.data.fingerprint
    report = call_command(
        PROJECT / "evaluate.py", [f"run={tmp_path}/run", "n_bootstraps=100", "hydra.run.dir=report"], tmp_path, {}
    )
    assert report.code == 0, report.err
    for words in (["task=audit", "group=true"], ["task=split"]):
        done = call_command(PROJECT / "prepare_data.py", [*words, f"data.root={archive}"], tmp_path, {})
        assert_refused(done, "is not a folder, so no manifest can be written into it; unpack it")


def test_several_folders_are_trained_on_evaluated_and_split_as_one_set(train: Run, tmp_path: Path) -> None:
    first = write_faces(tmp_path / "first", {"mask": 24, "no_mask": 20}, side=24)
    second = write_faces(tmp_path / "second", {"mask": 9, "no_mask": 9, "other": 12}, side=24, seed=1)
    roots = [f"data.root={first}", f"data.root={second}"]
    store = f"data.store_dir={tmp_path}/store"
    done = train(*SMALL, *roots, "data.num_workers=0", store, f"hydra.run.dir={tmp_path}/run")
    assert done.code == 0, done.err
    assert "CNN on first+second" in done.out
    assert f"data: first+second ({first}, {second})" in done.out
    assert "note: only second contains images of other; a class has one name in all places" in done.out
    evaluate = [f"run={tmp_path}/run", "n_bootstraps=100", "hydra.run.dir=report"]
    done = call_command(PROJECT / "evaluate.py", evaluate, tmp_path, {})
    assert done.code == 0, done.err
    done = call_command(PROJECT / "evaluate.py", [*evaluate, *roots, "split=all"], tmp_path, {})
    assert done.code == 0, done.err
    assert "first+second, all images, n = 74" in done.out
    prepare = PROJECT / "prepare_data.py"
    done = call_command(prepare, ["task=split", *roots, f"out={tmp_path}/parts"], tmp_path, {})
    assert done.code == 0, done.err
    table = pd.read_csv(tmp_path / "parts/manifest.csv")
    assert table["source"].value_counts().to_dict() == {"first": 44, "second": 30}
    assert all((tmp_path / "parts" / file).is_file() for file in table["file"])
    assert_refused(call_command(prepare, ["task=split", *roots], tmp_path, {}), "are several places; a manifest is")
    done = call_command(prepare, ["task=split", *roots, f"out={second}/parts"], tmp_path, {})
    assert_refused(done, f"is inside data.root={second}; choose a folder outside it")
