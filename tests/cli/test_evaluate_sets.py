"""``evaluate.py sets=A sets=B``: every model on every set, on images that none was trained on."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

import facemask
from commands import Outcome, assert_refused, call_command
from conftest import PROJECT, write_faces
from facemask.training.fit import fit_folds
from fits import configure

pytestmark = pytest.mark.slow

QUICK = ["n_bootstraps=100", "data.store_dir=store"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of two and one of three classes, and a set of other names."""
    place = tmp_path_factory.mktemp("sets")
    two = write_faces(place / "two", {"mask": 40, "no_mask": 30}, side=14)
    three = write_faces(place / "three", {"mask": 30, "no_mask": 24, "wrong_mask": 20}, side=14, seed=1)
    for root, name in ((two, "run2"), (three, "run3")):
        fit_folds(configure(root, place, "epochs=2", "lr=4e-3", "schedule=none"), place / name)
    write_faces(place / "street/test", {"compliant": 20, "non-compliant": 16}, side=14, seed=2)
    write_faces(place / "street/train", {"compliant": 4, "non-compliant": 4}, side=14, seed=3)
    shutil.copytree(two / "mask", place / "seen/compliant")
    write_faces(place / "seen", {"non-compliant": 12}, side=14, seed=4)
    return place


def evaluate(place: Path, *words: str) -> Outcome:
    return call_command(PROJECT / "evaluate.py", [*words, *QUICK], place, {})


def test_every_model_is_evaluated_on_every_set_with_matched_classes(place: Path) -> None:
    done = evaluate(place, "run=run2", "run=run3", "data=[two,three,street]", "hydra.run.dir=matrix")
    assert done.code == 0, done.err
    scores = pd.read_csv(place / "matrix/tables/scores.csv")
    assert scores.groupby("model", sort=False)["set"].unique().map(list).tolist() == [["two", "three", "street"]] * 2
    parts = scores.drop_duplicates("set").set_index("set")
    assert parts["part"].to_dict() == dict.fromkeys(("two", "three", "street"), "test part")
    assert parts["n"].to_dict() == {"two": 14, "three": 15, "street": 36}
    first, second = dict.fromkeys(scores["model"])
    assert f"{first} on three counts wrong_mask as no_mask." in done.out
    assert f"{second} on two counts wrong_mask as no_mask." in done.out
    assert f"{second} on street counts wrong_mask as no_mask." in done.out
    own = evaluate(place, "run=run2", "hydra.run.dir=own")
    assert own.code == 0, own.err
    alone = json.loads((place / "own/report.json").read_text())["models"][0]["metrics"]
    cell = scores[(scores["model"] == first) & (scores["set"] == "two")].iloc[0]
    assert cell["accuracy"] == pytest.approx(alone["accuracy"])
    assert cell["AUROC"] == pytest.approx(alone["auroc"])
    assert {file.stem for file in (place / "matrix/figures").iterdir()} == {
        "accuracy_by_set",
        "f1_by_set",
        "auroc_by_set",
    }


def test_images_that_a_model_was_trained_on_are_left_out(place: Path) -> None:
    done = evaluate(place, "run=run2", "sets=seen", "sets=street", "hydra.run.dir=seen-sets")
    assert done.code == 0, done.err
    scores = pd.read_csv(place / "seen-sets/tables/scores.csv").set_index("set")
    n_trained_on = 40 - 8  # a fifth of them is the run's test part
    assert scores.loc["seen", "left_out"] == n_trained_on
    assert scores.loc["seen", "n"] == 52 - n_trained_on
    assert f"{n_trained_on} images of seen are left out" in done.out
    shutil.rmtree(place / "only", ignore_errors=True)
    shutil.copytree(place / "seen", place / "only")
    shutil.rmtree(place / "only/non-compliant")
    for path in (place / "only/compliant").iterdir():
        if path.name not in {Path(p).name for p in _trained_on(place)}:
            path.unlink()
    assert_refused(evaluate(place, "run=run2", "sets=only"), "was trained on images of every group of only")


def _trained_on(place: Path) -> list[str]:
    paths: list[str] = list(facemask.load_run(place / "run2").predictions["path"])
    data = facemask.FaceDataModule(place / "two", store_dir=place / "store", store_size=16, k=3)
    data.setup()
    assert data.samples is not None
    assert set(paths) <= set(data.samples["path"])
    return [path for path in data.samples["path"] if path.startswith("mask/")]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("run=run2 sets=missing", "missing does not exist"),
        ("run=run2 sets=two split=all", "split=all is not used with sets=; remove it."),
        ("run=run2 sets=two data.root=three", "data.root=three is not used with sets=; remove it."),
        ("run=run2 sets=two crop.margin=0.3", "crop.margin=0.3 is not used with sets=; remove it."),
        ("run=run2 sets=odd", "has no counterpart among the model's: mask, no_mask"),
        ("run=run2 run=run3", "they cannot be compared; evaluate them separately, or with sets=."),
    ],
)
def test_wrong_sets_get_one_sentence(place: Path, words: str, expected: str) -> None:
    if not (place / "odd").exists():
        write_faces(place / "odd", {"cats": 4, "dogs": 4})
    assert_refused(evaluate(place, *words.split()), expected)


def test_the_ready_made_model_and_python(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    found = facemask.evaluate(sets=["two", "street"], n_bootstraps=100, folder="ready")
    assert isinstance(found, facemask.evaluation.across_sets.SetsEvaluation)
    assert found.scores["set"].tolist() == ["two", "street"]
    assert found.page.is_file()
    assert "<td>street</td>" in found._repr_html_()
    assert "does not record what it was trained on" in " ".join(found.notes)
