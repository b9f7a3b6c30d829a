"""torchrun starts one process on each of two machines, here both on this one, and they train one run together."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from commands import SMALL, TIMEOUT, Outcome, call_command, type_fresh_command
from conftest import PROJECT
from facemask.errors import ConfigError
from facemask.runs.run_folder import read_run
from facemask.training.processes import external_ranks

pytestmark = pytest.mark.slow

SRUN = {"SLURM_JOB_ID": "1", "SLURM_JOB_NAME": "big", "SLURM_NTASKS": "4", "SLURM_NNODES": "2", "SLURM_PROCID": "3"}
STEP = {"SLURM_STEP_NUM_TASKS": "4", "SLURM_NTASKS_PER_NODE": "2"}
TORCHRUN = {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "4", "RANK": "3", "LOCAL_WORLD_SIZE": "2"}

# Batch norm sees other batches in each process, and dropout draws anew: here both rest.
WORDS = ["trainer.accelerator=cpu", "fold=all", "k=2", "epochs=2", "bs=8", "data.test_fraction=0", "data.num_workers=0"]
WORDS += ["model.freeze=backbone", "augment.views=0", "model.dropout=0", "model.input_size=32", "lr=0.1"]


def type_on_two_machines(words: list[str], folder: Path) -> list[Outcome]:
    """Type a command on two machines."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = ["--nnodes=2", "--nproc-per-node=1", "--master-addr=127.0.0.1", f"--master-port={port}"]
    command = [sys.executable, "-m", "torch.distributed.run", *common]
    script = [str(PROJECT / "train.py"), *words]
    started = [
        subprocess.Popen(
            [*command, f"--node-rank={rank}", *script],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    texts = [process.communicate(timeout=TIMEOUT) for process in started]
    return [Outcome(process.returncode, *text) for process, text in zip(started, texts, strict=True)]


def test_two_machines_train_one_run_and_the_first_writes_it(faces: Path, tmp_path: Path) -> None:
    words = ["data=folder", f"data.root={faces}", f"data.store_dir={tmp_path}/store", *WORDS]
    one = type_fresh_command(PROJECT / "train.py", [*words, f"hydra.run.dir={tmp_path}/one"], tmp_path)
    assert one.code == 0, one.err
    first, second = type_on_two_machines([*words, "trainer=ddp", f"hydra.run.dir={tmp_path}/two"], tmp_path)
    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert first.out.count("epoch 1/2") == 2  # once a fold
    assert "Run folder: two " in first.out
    assert second.out == ""
    runs = [read_run(tmp_path / name) for name in ("one", "two")]
    assert all(run is not None and run.is_complete and len(run.folds) == 2 for run in runs)
    tables = [pd.read_parquet(tmp_path / f"{name}/predictions.parquet") for name in ("one", "two")]
    pd.testing.assert_frame_equal(*tables, check_exact=False, atol=1e-4)
    again = type_on_two_machines([f"resume={tmp_path}/two"], tmp_path)
    assert [done.code for done in again] == [0, 0], again[0].err
    assert "The run was complete already" in again[0].out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["hydra.run.dir=run"], "2 processes were started, but this run trains in one; add trainer=ddp"),
        (["-m", "lr=1e-3,1e-4"], "a sweep (-m) cannot run in 2 processes that torchrun or srun started; remove -m"),
    ],
)
def test_what_several_processes_cannot_do_is_refused(
    faces: Path, tmp_path: Path, words: list[str], expected: str
) -> None:
    own = [*SMALL, "data=folder", f"data.root={faces}", f"data.store_dir={tmp_path}/store", "trainer.accelerator=cpu"]
    two = TORCHRUN | {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_WORLD_SIZE": "1"}
    done = call_command(PROJECT / "train.py", [*own, *words], tmp_path, two)
    assert done.code == (1 if "-m" in words else 2)  # each job of a sweep says it
    assert f"error: {expected}" in done.err
    assert "Traceback" not in done.err


def test_a_failure_of_the_first_machine_ends_all(faces: Path, tmp_path: Path) -> None:
    words = [*SMALL, "data=folder", f"data.root={faces}", f"data.store_dir={tmp_path}/store", "trainer.accelerator=cpu"]
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/result.json").write_text("{}")
    done = type_on_two_machines([*words, "trainer=ddp", f"hydra.run.dir={tmp_path}/taken"], tmp_path)
    assert all(machine.code != 0 for machine in done)
    assert "error: " in done[0].err
    assert "Traceback" not in done[0].err.partition("ChildFailedError")[0].replace("Traceback (most recent call", "")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (SRUN | STEP, (3, 4, 2)),
        (SRUN, None),  # a batch script that may start tasks, but does not
        (SRUN | STEP | {"SLURM_JOB_NAME": "interactive"}, None),
        (TORCHRUN, (3, 4, 2)),
        (TORCHRUN | {"WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1"}, None),
        ({}, None),
        (SRUN | {"SLURM_STEP_NUM_TASKS": "4"}, "srun must set --ntasks-per-node instead of --ntasks"),
        (TORCHRUN | {"LOCAL_WORLD_SIZE": "3"}, "4 processes cannot be divided equally among machines"),
    ],
)
def test_ranks_are_those_that_torchrun_or_srun_started(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: tuple[int, int, int] | str | None
) -> None:
    for name in [*os.environ]:
        if name.startswith(("SLURM_", "TORCHELASTIC_")) or name in TORCHRUN:
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    if isinstance(expected, str):
        with pytest.raises(ConfigError, match=expected):
            external_ranks()
    else:
        ranks = external_ranks()
        assert (ranks and (ranks.rank, ranks.size, ranks.nodes)) == expected


def test_a_batch_script_of_slurm_trains_alone(faces: Path, tmp_path: Path) -> None:
    words = [*SMALL, "data=folder", f"data.root={faces}", f"data.store_dir={tmp_path}/store", "epochs=1", "k=3"]
    done = type_fresh_command(PROJECT / "train.py", [*words, "trainer.accelerator=cpu"], tmp_path, **SRUN)
    assert done.code == 0, done.err
