"""``evaluate.py`` as users run it: its numbers equal scikit-learn's, and nothing is fitted on the reported part."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    classification_report,
    confusion_matrix,
    f1_score,
    log_loss,
    roc_auc_score,
)

from commands import Outcome, assert_refused, call_command, type_command
from conftest import PROJECT, write_faces
from facemask.training.fit import fit_folds
from fits import configure
from wandb_reader import read_records

pytestmark = pytest.mark.slow

WEAK = ["epochs=2", "lr=4e-3", "schedule=none", "seed=3"]  # so that there are mistakes to report


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two sets of faces and runs on them."""
    place = tmp_path_factory.mktemp("evaluation")
    two = write_faces(place / "two", {"mask": 60, "no_mask": 45}, side=14, is_hard=True)
    three = write_faces(place / "three", {"mask": 40, "no_mask": 30, "wrong_mask": 25}, is_hard=True)
    rows = [f"{path.relative_to(two)},{path.parent.name}{int(path.stem) // 2}" for path in sorted(two.rglob("*.png"))]
    (two / "manifest.csv").write_text("\n".join(["file,photo", *rows]))
    for name, root, words in (
        ("a", two, WEAK),
        ("b", two, [*WEAK, "lr=1e-2", "epochs=6"]),
        ("folds", two, [*WEAK, "fold=all"]),
        ("c", three, WEAK),
    ):
        fit_folds(configure(root, place, *words), place / name)
    return place


def evaluate(place: Path, *words: str, **environment: str) -> Outcome:
    more = [f"data.store_dir={place}/store", "n_bootstraps=200"]
    return call_command(PROJECT / "evaluate.py", [*words, *more], place, environment)


@pytest.fixture(scope="module")
def reported(place: Path) -> Path:
    """The report on a run, made by the command in a process of its own."""
    words = ["run=a", "hydra.run.dir=report", f"data.store_dir={place}/store", "n_bootstraps=200"]
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in (place / "a").rglob("*")}
    done = type_command(PROJECT / "evaluate.py", words, place, {})
    assert done.code == 0, done.err
    assert "Report: report/report.html" in done.out
    assert "two" not in done.err
    assert before == {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in (place / "a").rglob("*")}
    return place / "report"


def report(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return content


def assert_equal_to_scikit_learn(folder: Path, names: list[str]) -> None:
    table = pd.read_parquet(folder / "predictions.parquet")
    labels = np.array([names.index(label) for label in table["label"]])
    probabilities = table[[f"probability_{name}" for name in names]].to_numpy(dtype=float)
    guess = probabilities.argmax(axis=1)
    tables = report(folder)["tables"]
    headline = {row["metric"]: row["value"] for row in tables["scores"]["scores"]}
    scores = probabilities[:, 1] if len(names) == 2 else probabilities / probabilities.sum(axis=1, keepdims=True)
    assert headline == pytest.approx(
        {
            "accuracy": accuracy_score(labels, guess),
            "macro F1": f1_score(labels, guess, average="macro"),
            "weighted F1": f1_score(labels, guess, average="weighted"),
            "AUROC": np.mean([roc_auc_score(labels == c, probabilities[:, c]) for c in range(len(names))])
            if len(names) > 2
            else roc_auc_score(labels, scores),
            "average precision": average_precision_score(labels, scores),
            "negative log-likelihood": log_loss(labels, probabilities),
        },
        abs=1e-9,
    )
    theirs = classification_report(labels, guess, target_names=names, output_dict=True, zero_division=0)
    for row in tables["scores"]["classification_report"]:
        if row["class"] == "accuracy":
            assert row["f1"] == pytest.approx(theirs["accuracy"], abs=1e-9)
            continue
        for ours, name in (
            ("precision", "precision"),
            ("recall", "recall"),
            ("f1", "f1-score"),
            ("support", "support"),
        ):
            assert row[ours] == pytest.approx(theirs[row["class"]][name], abs=1e-9), (row["class"], ours)
    for c, row in enumerate(tables["scores"]["one_against_rest"]):
        assert row["AUROC"] == pytest.approx(roc_auc_score(labels == c, probabilities[:, c]), abs=1e-9)
        expected = average_precision_score(labels == c, probabilities[:, c])
        assert row["average_precision"] == pytest.approx(expected, abs=1e-9)
    matrix = confusion_matrix(labels, guess)
    counts = pd.DataFrame(tables["confusion"]["confusion_matrix"])[[f"predicted {name}" for name in names]]
    assert np.array_equal(counts.to_numpy(), matrix)
    assert len(tables["mistakes"]["mistakes"]) == (guess != labels).sum()
    for row in tables["sizes"]["face_size"]:
        assert row["accuracy"] == pytest.approx(accuracy_score(labels, guess))  # all of these are of one size


def test_the_numbers_of_a_report_equal_scikit_learns_and_the_run_is_unchanged(place: Path, reported: Path) -> None:
    assert_equal_to_scikit_learn(reported, ["mask", "no_mask"])
    content = report(reported)
    assert content["data"]["part"] == "test part"
    assert sum(content["data"]["n"].values()) == len(pd.read_parquet(place / "report/predictions.parquet")) == 22
    assert content["data"]["groups"] == 11
    trained_on = set(pd.read_parquet(place / "folds/predictions.parquet")["path"])
    assert not trained_on & set(pd.read_parquet(place / "report/predictions.parquet")["path"])
    for name, values in content["models"][0]["metrics"].items():
        low, high = content["models"][0]["intervals"][name]
        if low is not None:  # None of what too few groups have a say in, such as the precision of what is never called
            assert low <= values <= high, name
    for name in ("accuracy", "f1", "auroc", "recall_mask", "recall_no_mask"):
        assert content["models"][0]["intervals"][name][0] is not None
    csv = pd.read_csv(place / "report/tables/scores.csv")
    assert csv["value"].tolist() == [row["value"] for row in content["tables"]["scores"]["scores"]]


def test_three_classes(place: Path) -> None:
    done = evaluate(place, "run=c", "hydra.run.dir=three-report")
    assert done.code == 0, done.err
    assert_equal_to_scikit_learn(place / "three-report", ["mask", "no_mask", "wrong_mask"])
    assert "thresholds" not in report(place / "three-report")["tables"]


def test_the_page_is_self_contained_and_shows_no_face_by_default(place: Path) -> None:
    for words, faces in (([], False), (["report.faces=true"], True)):
        folder = place / f"faces-{faces}"
        assert evaluate(place, "run=a", f"hydra.run.dir={folder}", *words).code == 0
        page = (folder / "report.html").read_text()
        assert set(re.findall(r'(?:src|href)="(data:image/[a-z+]+|#|[^"]{0,20})', page)) <= {
            "data:image/svg+xml",
            "data:image/png",
            "data:,",
            "#",
            *re.findall(r'href="(#[^"]{0,19})', page),
        }
        assert not re.search(r"https?://", re.sub(r"data:[^\"]*", "", page))
        pictures = {file.stem for file in (folder / "figures").glob("*.png")}
        assert pictures == {file.stem for file in (folder / "figures").glob("*.svg")}
        shown = {"mistakes", "random_predictions", "grad_cam_faces"}
        assert pictures & shown == (shown if faces else set())
        assert page.count("data:image/png") == (4 if faces else 1)  # the mean map shows no one
        listed = pd.read_csv(folder / "tables/mistakes.csv")["file"]
        assert len(listed)
        assert all(file in page for file in listed.head(5))


def test_thresholds_and_temperature_do_not_depend_on_test_labels(place: Path, reported: Path) -> None:
    """The labels of the faces that are reported on are dealt anew; what was fitted must not notice."""
    rng = np.random.default_rng(0)
    files = pd.read_parquet(reported / "predictions.parquet")["path"].to_numpy()
    labels = [path.partition("/")[0] for path in files]
    for name, dealt in (("true", labels), ("permuted", rng.permutation(labels))):
        for path, label in zip(files, dealt, strict=True):
            target = place / name / label / path.replace("/", "-")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(place / "two" / path, target)
        words = [f"data.root={place / name}", "split=all", f"hydra.run.dir={place}/on-{name}"]
        assert evaluate(place, "run=b", *words).code == 0
    true, permuted = (report(place / f"on-{name}") for name in ("true", "permuted"))
    fitted = ("operating_point", "threshold", "recall_on_validation", "false_alarm_rate_on_validation")
    for one, other in zip(
        true["tables"]["thresholds"]["thresholds"], permuted["tables"]["thresholds"]["thresholds"], strict=True
    ):
        assert [one[key] for key in fitted] == [other[key] for key in fitted]
    rows = [content["tables"]["calibration"]["calibration"] for content in (true, permuted)]
    assert [row["temperature"] for row in rows[0]] == [row["temperature"] for row in rows[1]]
    assert rows[0][1]["NLL_validation"] <= rows[0][0]["NLL_validation"]
    assert rows[0][1]["accuracy_here"] == rows[0][0]["accuracy_here"]
    assert true["models"][0]["metrics"]["accuracy"] != permuted["models"][0]["metrics"]["accuracy"]
    validation = pd.read_parquet(place / "b/fold-0/predictions.parquet")
    cheapest = true["tables"]["thresholds"]["thresholds"][1]
    called = validation["probability_no_mask"] >= cheapest["threshold"]
    assert cheapest["recall_on_validation"] == pytest.approx(called[validation["label"] == "no_mask"].mean())


def test_two_runs_are_compared_on_the_same_images(place: Path) -> None:
    done = evaluate(place, "run=a", "run=b", "hydra.run.dir=both")
    assert done.code == 0, done.err
    folders = sorted(path.parent for path in (place / "both").glob("*/predictions.parquet"))
    tables = [pd.read_parquet(folder / "predictions.parquet") for folder in folders]
    assert tables[0]["path"].equals(tables[1]["path"])
    content = report(place / "both")
    labels = [model["label"] for model in content["models"]]
    assert labels == ["CNN epochs=2 lr=0.004", "CNN epochs=6 lr=0.01"]
    right = {
        model["label"]: table[["probability_mask", "probability_no_mask"]].to_numpy().argmax(axis=1)
        == (table["label"] == "no_mask")
        for model, table in zip(content["models"], tables, strict=True)
    }
    row = content["tables"]["differences"]["mcnemar"][0]
    only = [int((right[a] & ~right[b]).sum()) for a, b in (labels, labels[::-1])]
    assert [row["only_first_correct"], row["only_second_correct"]] == only
    assert row["p"] == pytest.approx(binomtest(only[0], sum(only)).pvalue)
    difference = content["tables"]["differences"]["differences"][0]
    assert difference["metric"] == "accuracy"
    assert difference["difference"] == pytest.approx(right[labels[0]].mean() - right[labels[1]].mean())
    assert difference["difference_low"] <= difference["difference"] <= difference["difference_high"]
    page = (place / "both/report.html").read_text()
    assert all(f'href="{folder.name}/report.html"' in page for folder in folders)
    assert {"roc", "differences", "agreement", "pareto", "learning_curves"} <= {
        file.stem for file in (place / "both/figures").glob("*.svg")
    }


def test_the_winner_of_a_sweep_and_all_folds_of_it(place: Path) -> None:
    sweep = place / "sweep"
    for name in ("a", "b"):
        shutil.copytree(place / name, sweep / name)
    done = evaluate(place, f"sweep={sweep}", "hydra.run.dir=winner")
    assert done.code == 0, done.err
    scores = {name: json.loads((place / name / "result.json").read_text())["score"] for name in ("a", "b")}
    assert report(place / "winner")["models"][0]["folder"] == str(
        sweep / max(scores, key=scores.__getitem__) / "fold-0"
    )
    assert evaluate(place, f"sweep={sweep}", "top=all", "hydra.run.dir=ranked").code == 0
    assert len(report(place / "ranked")["models"]) == 2
    done = evaluate(place, "run=folds", "fold=all", "hydra.run.dir=all-folds")
    assert done.code == 0, done.err
    content = report(place / "all-folds")
    spread = content["tables"]["models"]["over_folds"][0]
    values = [model["metrics"]["accuracy"] for model in content["models"]]
    assert len(values) == spread["folds"] == 3
    assert spread["accuracy_mean"] == pytest.approx(np.mean(values))
    assert spread["accuracy_std"] == pytest.approx(np.std(values, ddof=1))


def test_training_images_among_the_evaluated_ones_are_found(place: Path) -> None:
    trained_on = pd.read_parquet(place / "a/fold-0/predictions.parquet")["path"].head(3)
    root = write_faces(place / "leaky", {"mask": 6, "no_mask": 6}, side=14, seed=9)
    for i, path in enumerate(trained_on):
        shutil.copy(place / "two" / path, root / path.partition("/")[0] / f"again{i}.png")
    done = evaluate(place, "run=a", f"data.root={root}", "split=all", "hydra.run.dir=leaks")
    assert done.code == 0, done.err
    assert "3 images are near-duplicates of training images" in done.out
    content = report(place / "leaks")
    assert content["models"][0]["leaked"] == 3
    pairs = content["tables"]["leakage"]["near_duplicates"]
    assert {row["trained_on"] for row in pairs} == set(trained_on)
    assert [row["n"] for row in content["tables"]["leakage"]["scores_without_leaked"]] == [15, 12]


def test_missing_class_single_sample_and_unreadable_file_are_reported(place: Path) -> None:
    only = write_faces(place / "only", {"mask": 5}, side=14, seed=5)
    done = evaluate(place, "run=a", f"data.root={only}", "split=all", "hydra.run.dir=missing")
    assert done.code == 0, done.err
    assert "There are no images of no_mask" in done.out
    assert report(place / "missing")["models"][0]["metrics"]["auroc"] is None
    assert "There is only one class" in (place / "missing/report.html").read_text()
    single = write_faces(place / "single", {"no_mask": 1}, side=14, seed=6)
    done = evaluate(place, "run=a", f"data.root={single}", "split=all", "hydra.run.dir=one")
    assert done.code == 0, done.err
    assert "There are no confidence intervals, because there is only one group of samples" in done.out
    (only / "mask/000.png").write_bytes(b"not a picture")
    words = ["run=a", f"data.root={only}", "split=all", "hydra.run.dir=broken"]
    done = evaluate(place, *words)
    assert_refused(done, "1 of 5 images (20.0%) cannot be read")
    done = evaluate(place, *words, "data.max_unreadable=0.5")
    assert done.code == 0, done.err
    assert "n = 4 (1 more cannot be read)" in done.out
    assert "mask/000.png" in (place / "broken/unreadable.csv").read_text()


def unfinished(place: Path) -> None:
    shutil.copytree(place / "a", place / "unfinished")
    for file in (place / "unfinished/result.json", place / "unfinished/fold-0/result.json"):
        content = json.loads(file.read_text()) | {"status": "interrupted", "folds": []}
        file.write_text(json.dumps(content))


def without_checkpoint(place: Path) -> None:
    shutil.copytree(place / "a", place / "lost")
    (place / "lost/fold-0/best.ckpt").unlink()


def changed_images(place: Path) -> None:
    shutil.copytree(place / "two", place / "changing")
    settings = configure(place / "changing", place, *WEAK)
    fit_folds(settings, place / "stale")
    next(iter((place / "changing/mask").glob("*.png"))).unlink()
    (place / "changing/manifest.csv").unlink()


def nothing(place: Path) -> None:
    """No preparation is needed."""


def test_merged_classes_are_scored_with_summed_probabilities(place: Path) -> None:
    names = ["mask", "no_mask"]
    done = evaluate(place, "run=c", "merge={wrong_mask: no_mask}", "hydra.run.dir=merged")
    assert done.code == 0, done.err
    assert "Counted, with summed probabilities: wrong_mask as no_mask." in done.out
    assert evaluate(place, "run=c", "hydra.run.dir=unmerged").code == 0
    merged, whole = (pd.read_parquet(place / f"{name}/predictions.parquet") for name in ("merged", "unmerged"))
    assert_equal_to_scikit_learn(place / "merged", names)
    summed = whole["probability_no_mask"] + whole["probability_wrong_mask"]
    np.testing.assert_allclose(merged["probability_no_mask"], summed, atol=1e-6)
    assert merged["label"].tolist() == whole["label"].replace("wrong_mask", "no_mask").tolist()
    # On a set that has only two of the classes, the merge is offered.
    words = ["run=c", "data.root=two", "split=all"]
    done = evaluate(place, *words, "hydra.run.dir=offered")
    assert "To count wrong_mask as no_mask, whose probabilities are then summed, add 'merge={wrong_mask" in done.out
    done = evaluate(place, *words, "merge={wrong_mask: no_mask}", "positive=no_mask", "hydra.run.dir=taken")
    assert done.code == 0, done.err
    assert "There are no images of" not in done.out
    assert_equal_to_scikit_learn(place / "taken", names)


WRONG = [
    ("", nothing, "name what to evaluate: run=FOLDER (several: run=A run=B), or sweep=FOLDER"),
    ("run=a sweep=sweep", nothing, "run= and sweep= cannot be combined; remove one of them"),
    (
        "run=nowhere",
        nothing,
        "run=nowhere does not exist; give the folder that a run printed, one of its checkpoints, or",
    ),
    ("sweep=nowhere", nothing, "nowhere does not exist; give the folder of a sweep"),
    ("run=a run=a", nothing, "a run is given twice"),
    ("run=a run=c", nothing, "they cannot be compared; evaluate them separately, or with sets=."),
    ("run=a fold=2", nothing, "fold=2 of a is not complete; complete folds: 0."),
    ("run=a fold=two", nothing, "fold must be an integer or 'all', got two."),
    ("run=unfinished", unfinished, "unfinished has no complete fold"),
    ("run=lost", without_checkpoint, "lost/fold-0/best.ckpt is not a file"),
    ("run=stale", changed_images, "have changed since stale/fold-0 was trained"),
    ("run=a split=train", nothing, "split must be one of test, val, all, got train."),
    ("run=a split=all", nothing, "split=all would include the training images"),
    ("run=a data.root=three split=all", nothing, "the class 'wrong_mask' of the images is unknown to the model"),
    ("run=a data.root=two", nothing, "data.root=two has no test part; use split=all to evaluate on all images."),
    ("run=a data.root=nowhere split=all", nothing, "data.root=nowhere does not exist"),
    ("run=a positive=masked", nothing, "positive=masked is not a class of the model; did you mean mask?"),
    ("run=c positive=mask", nothing, "positive=mask only applies to two classes; this model has mask, no_mask"),
    ("run=c merge={wrong:mask}", nothing, "merge names 'wrong', which is not a class of the model; did you mean"),
    ("run=a recalls=0.9", nothing, "recalls must be a list in brackets, such as [A,B], got 0.9."),
    ("a", nothing, "'a' has no key; did you mean run=a? --help lists the keys."),
    ("run=a n_bootstraps=1000000", nothing, "n_bootstraps must be at least 100 and at most 100,000, got 1000000."),
    ("run=a recalls=[2]", nothing, "recalls must be numbers greater than 0 and at most 1, got 2.0."),
    ("run=a costs.missed=0", nothing, "costs.missed must be a positive number, got 0.0."),
    ("run=a n_bootstraps=1", nothing, "n_bootstraps must be at least 100 and at most 100,000, got 1."),
    ("run=a data.labels={mask:no_mask}", nothing, "data.labels only applies to another folder"),
    ("run=a hydra.run.dir=b/fold-0", nothing, "b/fold-0 is a run folder, which must not be changed"),
    ("run=two/manifest.csv", nothing, "two/manifest.csv is a file; give the folder of a run, or a checkpoint (.ckpt)."),
    ("run=a device=meta", nothing, "device=meta is not available"),
    ("run=a device=abc", nothing, "device=abc is not available"),
    ("run=a report.face=true", nothing, "report.face is not a key; did you mean report.faces?"),
    ("-m run=a", nothing, "-m is only supported by train.py; remove it. To pass several values: run=A run=B"),
]


@pytest.mark.parametrize(
    ("typed", "prepare", "expected_error"), WRONG, ids=[words or "nothing" for words, _, _ in WRONG]
)
def test_one_sentence_and_exit_code_two(place: Path, typed: str, prepare: Any, expected_error: str) -> None:
    prepare(place)
    words = [word for word in typed.split() if not word.startswith("n_bootstraps")]
    own = [word for word in typed.split() if word.startswith("n_bootstraps")]
    more = [
        f"data.store_dir={place}/store",
        *(own or ["n_bootstraps=200"]),
        *([] if "run.dir" in typed else ["hydra.run.dir=wrong"]),
    ]
    done = call_command(PROJECT / "evaluate.py", [*words, *more], place, {})
    assert_refused(done, expected_error)
    assert not (place / "wrong").exists()


def test_classes_of_other_names_can_be_told_apart(place: Path) -> None:
    root = write_faces(place / "named", {"compliant": 6, "non-compliant": 6}, side=14, seed=7)
    labels = "data.labels={compliant: mask, non-compliant: no_mask}"
    done = evaluate(place, "run=a", f"data.root={root}", "split=all", labels, "hydra.run.dir=renamed")
    assert done.code == 0, done.err
    assert report(place / "renamed")["data"]["n"] == {"mask": 6, "no_mask": 6}


def test_a_new_report_replaces_the_old_one_completely(place: Path) -> None:
    again = ["hydra.run.dir=again", f"data.root={place}/two", "split=all"]
    assert evaluate(place, "run=a", "run=b", "report.faces=true", "report.pictures=1", *again).code == 0
    assert list((place / "again").glob("*/figures/mistakes.png"))
    done = evaluate(place, "run=a", *again)
    assert done.code == 0, done.err
    assert "All of these images were trained on" not in done.out  # a fifth of them is the test part
    assert not list((place / "again").rglob("mistakes.png"))
    assert not [
        folder for folder in (place / "again").iterdir() if folder.is_dir() and (folder / "report.html").exists()
    ]
    assert len(report(place / "again")["data"]["fingerprint"]) == 16


def test_thresholds_are_not_reported_on_the_images_they_are_fitted_on(place: Path) -> None:
    done = evaluate(place, "run=a", "split=val", "hydra.run.dir=on-val")
    assert done.code == 0, done.err
    assert not {"thresholds", "calibration"} & report(place / "on-val")["tables"].keys()
    expected = json.loads((place / "a/fold-0/result.json").read_text())["metrics"]["val"]["accuracy"]
    assert report(place / "on-val")["models"][0]["metrics"]["accuracy"] == pytest.approx(expected)


def test_everything_goes_to_wandb_where_that_logger_is_on(place: Path) -> None:
    words = ["run=a", "logger=[csv,wandb]", "logger.wandb.mode=offline", "hydra.run.dir=logged"]
    done = evaluate(place, *words, WANDB_MODE="offline")
    assert done.code == 0, done.err
    assert "warning" not in done.err
    (folder,) = (place / "logged/wandb").glob("offline-run-*")
    records = read_records(folder)
    assert next(record.run.job_type for record in records if record.WhichOneof("record_type") == "run") == "evaluation"
    assert [record.exit.exit_code for record in records if record.WhichOneof("record_type") == "exit"] == [0]
    updates = [item for record in records for item in record.summary.update]
    summary = {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in updates}
    assert summary["accuracy"] == report(place / "logged")["models"][0]["metrics"]["accuracy"]
    logged = {item.key or "/".join(item.nested_key) for record in records for item in record.history.item}
    for key in ("scores/scores", "curves/roc_figure", "thresholds/thresholds"):
        assert any(name.startswith(key) for name in logged), key
