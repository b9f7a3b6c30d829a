"""Sweeps, races and studies as users run them: interrupted, resumed and ranked."""

import json
import re
import signal
from pathlib import Path

import pandas as pd
import pytest

from commands import SMALL, Outcome, assert_refused, type_command, type_fresh_command
from conftest import PROJECT, Run
from facemask.runs.results import RunResult
from facemask.runs.run_folder import read_history, read_run
from wandb_reader import read_records

pytestmark = pytest.mark.slow

CARD = "model=mobilenetv2 -m lr=1e-2,1e-3,1e-4,1e-5 bs=16,32,64"
VARYING = ["seconds", "peak_memory_bytes", "command"]  # what two equal sweeps may differ in


def result_of(run: Path) -> RunResult:
    result = read_run(run)
    assert result is not None
    return result


def test_the_cards_line_as_it_is_written(workdir: Path) -> None:
    done = type_command(PROJECT / "train.py", [*CARD.split(), "trainer=smoke", "name=card"], workdir, {})
    assert done.code == 0, done.err
    found = sorted(
        path.parent for path in (workdir / "outputs/sweeps/card").rglob("result.json") if "fold-" not in str(path)
    )
    assert len(found) == 12
    table = pd.read_csv(workdir / "outputs/sweeps/card/summary.csv")
    assert sorted(table["rank"]) == list(range(1, 13))
    assert {tuple(row) for row in table[["lr", "bs"]].to_numpy()} == {
        (lr, bs) for lr in (1e-2, 1e-3, 1e-4, 1e-5) for bs in (16, 32, 64)
    }
    assert "12 configurations" in done.out
    assert done.out.count("Best run: outputs/sweeps/card/mobilenetv2/bs=") == 1
    assert {folder.parent.name for folder in found} == {"mobilenetv2"}
    assert "bs=16,lr=0.0001,trainer=smoke" in {folder.name for folder in found}
    for folder in found:
        assert result_of(folder).is_complete
        values = dict(word.split("=") for word in folder.name.split(","))
        config = (folder / "config.yaml").read_text()
        assert f"\nbs: {values['bs']}\n" in config
        assert float(config.split("lr: ")[1].split()[0]) == float(values["lr"])


def test_a_failing_job_does_not_stop_a_sweep(train: Run, workdir: Path) -> None:
    done = train(*SMALL, "-m", "fold=0,9,1", "name=failing")
    assert done.code == 1
    assert "error: fold must be between 0 and 4 (k=5), or 'all', got 9." in done.err
    assert "error: some jobs of the sweep failed; their errors are printed above." in done.err
    assert "Traceback" not in done.err
    sweep = workdir / "outputs/sweeps/failing"
    complete = [path for path in sweep.glob("*/*/result.json") if result_of(path.parent).is_complete]
    assert len(complete) == 2
    assert "not complete: python train.py" in done.out
    assert "fold must be between 0 and 4" in done.out
    for name in ("summary.csv", "summary.md", "summary.html"):
        assert "fold must be between 0 and 4" in (sweep / name).read_text()


def test_failed_runs_are_named_and_the_others_are_ranked_here_and_in_wandb(train: Run, workdir: Path) -> None:
    words = [*SMALL, "optim=sgd", "schedule=none", "logger=wandb", "logger.wandb.mode=offline"]
    grid = ["-m", "lr=1e-3,1e30", "bs=7,8", "name=grid"]
    done = train("error", *words, *grid, script="tests/cli/sabotage.py", WANDB_MODE="offline")
    assert done.code == 1, done.err
    assert "ZeroDivisionError: nobody foresaw this" in done.err
    assert "warning: W&B" not in done.err
    sweep = workdir / "outputs/sweeps/grid"
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
    records = read_records(folder)
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


def test_fail_fast_starts_no_job_after_a_failure(train: Run, workdir: Path) -> None:
    line = [*SMALL, "trainer=smoke", "-m", "fold=0,9,1", "name=fast"]
    done = train(*line, "fail_fast=true")
    assert done.code == 1
    sweep = workdir / "outputs/sweeps/fast"
    results = [result_of(file.parent) for file in sweep.glob("*/*/result.json")]
    assert sorted(job.status for job in results) == ["complete", "failed"]
    assert len(list(sweep.glob("*/*"))) == 2
    assert "fold must be between 0 and 4" in done.out
    assert train(*line).code == 1
    assert len(list(sweep.glob("*/*/predictions.parquet"))) == 2


def test_a_race_goes_fold_by_fold_and_without_race_the_rest_is_trained(train: Run, workdir: Path) -> None:
    words = [*SMALL, "k=3", "fold=all", "monitor=val/loss", "-m", "lr=1e-3,30,2e-3", "name=by-fold"]
    done = train(*words, "race=true", "race_margin=1")
    assert done.code == 0, done.err
    jobs = re.findall(r"#\d : race_folds=(\w+) .* lr=(\S+)", done.out)
    assert jobs == [(n, lr) for n in ("1", "2", "null") for lr in ("0.001", "30", "0.002")]
    assert done.out.count("waits for the other configurations of its sweep.") >= 4
    runs = {
        result.parent.name: result_of(result.parent)
        for result in (workdir / "outputs/sweeps/by-fold").glob("*/*/result.json")
    }
    assert len(runs) == 3
    pruned = next(run for name, run in runs.items() if "lr=30" in name)
    assert pruned.status == "pruned"
    assert len(pruned.folds) < 3
    assert sum(run.is_complete for run in runs.values()) >= 1
    done = train(*words)
    assert done.code == 0, done.err
    for result in (workdir / "outputs/sweeps/by-fold").glob("*/*/result.json"):
        assert len(result_of(result.parent).folds) == 3
        assert "race_folds" not in result_of(result.parent).command


def test_halving_completes_the_best_third_with_the_same_scores_as_a_whole_grid(train: Run, workdir: Path) -> None:
    words = [*SMALL, "callbacks=[default,growing]", "-m", "lr=1e-3,1e-5,3e-2,1e-4"]
    done = train(*words, "halving=true", "name=halved")
    assert done.code == 0, done.err
    jobs = re.findall(r"#\d : race_folds=(\w+) .* lr=(\S+)", done.out)
    assert jobs == [(part, lr) for part in ("0", "null") for lr in ("0.001", "1e-05", "0.03", "0.0001")]
    assert done.out.count("waits for the other configurations of its sweep.") == 4
    assert done.out.count("halving=true continues with the best third") >= 2
    assert "Halving stopped 2 of 4 configurations early; the same command without halving=true" in done.out
    assert train(*words, "name=not-halved").code == 0
    halved, whole = (
        pd.read_csv(workdir / f"outputs/sweeps/{name}/summary.csv").set_index("lr").drop(columns=VARYING)
        for name in ("halved", "not-halved")
    )
    runs = {lr: next((workdir / "outputs/sweeps/not-halved/cnn").glob(f"*lr={lr},*")) for lr in whole.index}
    first = {lr: read_history(run / "fold-0")["val/auroc"][0] for lr, run in runs.items()}
    survivors = sorted(first, key=first.__getitem__)[-2:]  # a third of four, rounded up
    assert set(halved.index[halved["rank"].notna()]) == set(survivors)
    tables = (table.loc[survivors].drop(columns=["rank", "problems"]) for table in (halved, whole))
    pd.testing.assert_frame_equal(*tables, check_exact=True, check_dtype=False)
    again = train(*words, "halving=true", "name=halved")  # nothing is left to train
    assert again.code == 0, again.err
    assert "epoch 1" not in again.out
    assert train(*words, "name=halved").code == 0  # without halving, the rest is trained
    table = pd.read_csv(workdir / "outputs/sweeps/halved/summary.csv").set_index("lr").drop(columns=VARYING)
    pd.testing.assert_frame_equal(table, whole, check_exact=True)


def test_a_halved_sweep_resumes_and_names_a_failed_job_once(train: Run, workdir: Path) -> None:
    words = [*SMALL, "optim=sgd", "schedule=none", "-m", "lr=1e-3,1e30,1e-4", "halving=true", "name=failing-halved"]
    killed = train("epoch", *words, script="tests/cli/sabotage.py")
    assert killed.code == -signal.SIGKILL, killed.err
    done = train(*words)
    assert done.code == 1
    assert done.err.count("training diverged") == 1
    runs = [result_of(file.parent) for file in (workdir / "outputs/sweeps/failing-halved").glob("*/*/result.json")]
    assert sorted(run.status for run in runs) == ["complete", "failed", "pruned"]


def test_a_sweep_cannot_rank_by_scores_that_the_teacher_makes_too_high(train: Run) -> None:
    expected = (
        "a sweep ranks by validation scores, which teacher_unseen=true makes too high; remove teacher_unseen=true"
    )
    words = [*SMALL, "teacher=run", "-m", "lr=1e-3,1e-4"]
    assert_refused(train(*words, "teacher_unseen=true", "name=taught"), expected)
    assert_refused(train(*words, "teacher_unseen=false,true", "name=taught"), expected)
    swept = train(*words, "teacher_unseen=yes,on", "name=taught-swept")
    assert swept.code == 1
    assert expected in swept.err


@pytest.mark.parametrize(
    ("words", "expected_error"),
    [
        (
            ["sweep=optuna"],
            "halving=true needs a grid, but sweep=optuna chooses configurations one by one; use sweep=grid",
        ),
        (
            ["sweep=grid", "launcher=joblib"],
            "two rounds, so it needs launcher=local; remove launcher=, or remove halving=true.",
        ),
        (["sweep=cv"], "use fold=all instead of sweep=cv or several folds."),
        (["sweep=grid", "epochs=2"], "halving=true needs at least 3 epochs, got epochs=2"),
        ([], "halving=true compares the configurations of a sweep, but this is a single run; add -m"),
    ],
)
def test_halving_needs_a_grid(train: Run, words: list[str], expected_error: str) -> None:
    assert_refused(train(*SMALL, "halving=true", *words), expected_error)


def test_one_run_of_a_race_can_be_resumed_alone(train: Run, workdir: Path) -> None:
    words = [*SMALL, "-m", "fold=0", "race=true", "name=race"]
    assert train("epoch", *words, script="tests/cli/sabotage.py").code == -signal.SIGKILL
    (run,) = (workdir / "outputs/sweeps/race").glob("*/*/")
    done = train(f"resume={run}")
    assert done.code == 0, done.err
    assert result_of(run).is_complete
    assert result_of(run).command.endswith("fold=0 name=race")  # by itself it is no race


def test_a_killed_sweep_resumes_when_its_command_is_repeated(train: Run, workdir: Path) -> None:
    line = [*SMALL, "-m", "fold=0,1"]
    assert train(*line, "name=whole").code == 0
    assert train("-m", *SMALL, "fold=0", "name=cut").code == 0
    done = {file: file.stat().st_mtime_ns for file in (workdir / "outputs/sweeps/cut").rglob("*.ckpt")}
    assert len(done) == 2
    assert train("epoch", *line, "name=cut", script="tests/cli/sabotage.py").code == -signal.SIGKILL
    assert train(*line, "name=cut").code == 0
    assert done == {file: file.stat().st_mtime_ns for file in done}
    tables = [pd.read_csv(workdir / f"outputs/sweeps/{name}/summary.csv") for name in ("whole", "cut")]
    pd.testing.assert_frame_equal(*(table.drop(columns=VARYING) for table in tables), check_exact=True)


def test_parallel_jobs_equal_sequential_jobs(workdir: Path) -> None:
    words = [*SMALL, "trainer=smoke", "k=2", "fold=all", "-m", "lr=1e-2,1e-3"]
    slurm = ["launcher=slurm", "hydra/launcher=submitit_local", "hydra.launcher.cpus_per_task=1"]
    launchers = {"local": ["launcher=local"], "joblib": ["launcher=joblib"], "slurm": slurm}
    for name, launcher in launchers.items():
        line = [*words, *launcher, f"name={name}"]
        if name == "local":
            done = type_command(PROJECT / "train.py", line, workdir, {"OMP_NUM_THREADS": "1"})
        else:  # joblib waits for ever in a process that multiprocessing has forked
            done = type_fresh_command(PROJECT / "train.py", line, workdir, OMP_NUM_THREADS="1")
        assert done.code == 0, done.err
        assert "2 of 2" in done.out
    table, *others = (pd.read_csv(workdir / f"outputs/sweeps/{name}/summary.csv") for name in launchers)
    for other in others:
        pd.testing.assert_frame_equal(table.drop(columns=VARYING), other.drop(columns=VARYING), check_exact=True)


def search(workdir: Path, *words: str) -> Outcome:
    """Run a study in a process of its own, which holds the study's lock until it ends."""
    return type_command(PROJECT / "train.py", [*SMALL, "sweep=optuna", *words], workdir, {})


def test_a_study_without_a_successful_trial_ends_in_its_summary(workdir: Path) -> None:
    done = search(workdir, "hydra.sweeper.n_trials=2", "data.fraction=0.001", "name=hopeless")
    assert done.code == 1
    assert "error: the sweep stopped early (" in done.err
    assert "Traceback" not in done.err
    assert "2 configurations by val/auroc" in done.out
    assert "No configuration is complete" in done.out


def test_a_killed_study_resumes(train: Run, workdir: Path) -> None:
    line = ["fold=0", "name=study"]
    killed = train("epoch", *SMALL, "sweep=optuna", *line, "hydra.sweeper.n_trials=1", script="tests/cli/sabotage.py")
    assert killed.code == -signal.SIGKILL, killed.err
    for trials, expected in ((2, "0 trials are complete, 2 are left"), (3, "2 trials are complete, 1 are left")):
        done = search(workdir, *line, f"hydra.sweeper.n_trials={trials}")
        assert done.code == 0, done.err
        assert f"Resuming the study study: {expected}." in done.out
        assert f"{trials} configurations by val/auroc" in done.out  # the first is the one that was cut off
    done = search(workdir, *line, "hydra.sweeper.n_trials=3")
    assert "3 trials are complete, 0 are left" in done.out
    assert "epoch 1" not in done.out
    other = search(workdir, *line, "hydra.sweeper.n_trials=4", "epochs=2")
    assert_refused(other, "was started with epochs=3 but got epochs=2; use the original value, or a new name=.")
    fixed = search(workdir, *line, "hydra.sweeper.n_trials=4", "lr=1e-3")
    assert_refused(fixed, "was started with lr=searched but got lr=0.001; use the original value")


def test_a_study_without_scores_may_be_started_with_other_settings(workdir: Path) -> None:
    line = ["fold=0", "name=typo", "hydra.sweeper.n_trials=1"]
    assert search(workdir, *line, "data.fraction=0.001").code == 1
    assert search(workdir, *line).code == 0
