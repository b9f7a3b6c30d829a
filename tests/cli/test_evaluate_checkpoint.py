"""``evaluate.py run=FILE.ckpt`` evaluates a checkpoint of any Trainer, as far as its records allow."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from PIL import Image
from skimage.data import astronaut

from commands import Outcome, assert_refused, call_command
from conftest import PROJECT, write_faces
from facemask.config.typed import to_plain
from facemask.runs.run_folder import read_config, read_fold
from facemask.training.fit import fit_folds
from fits import configure

pytestmark = pytest.mark.slow

LONE = "logs/epoch=1.ckpt"


def save_outside(run: Path, file: Path, has_data: bool = True) -> None:
    """Save the model of a run as another Trainer's callback would: the checkpoint alone."""
    content = torch.load(run / "fold-0/best.ckpt", weights_only=True)
    content = {key: content[key] for key in ("state_dict", "epoch", "preprocessing", "model")}
    if has_data:
        fold = read_fold(run / "fold-0")
        assert fold is not None
        data = read_config(run).data.without("augmentation").with_arguments(fold=0)
        content |= {"data": to_plain(data), "fingerprint": fold.facts.fingerprint}
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, file)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, its model in checkpoints outside of it, other faces, and photos."""
    place = tmp_path_factory.mktemp("checkpoints")
    faces = write_faces(place / "faces", {"mask": 60, "no_mask": 45}, side=14, is_hard=True)
    rows = [f"{path.relative_to(faces)},{path.parent.name}{int(path.stem) // 2}" for path in faces.rglob("*.png")]
    (faces / "manifest.csv").write_text("\n".join(["file,photo", *rows]))
    fit_folds(configure(faces, place, "epochs=2", "lr=4e-3", "schedule=none", "seed=3"), place / "run")
    save_outside(place / "run", place / LONE)
    save_outside(place / "run", place / "old.ckpt", has_data=False)
    write_faces(place / "others", {"mask": 6, "no_mask": 6}, side=14, seed=9)
    (place / "photos").mkdir()
    trained_on = pd.read_parquet(place / "run/predictions.parquet")["group"].iloc[0]
    box = "<xmin>181</xmin><ymin>58</ymin><xmax>270</xmax><ymax>178</ymax>"
    for name in ("new", trained_on):
        Image.fromarray(astronaut()).save(place / f"photos/{name}.png")
        face = f"<annotation><object><name>no_mask</name><bndbox>{box}</bndbox></object></annotation>"
        (place / f"photos/{name}.xml").write_text(face)
    return place


def evaluate(place: Path, *words: str) -> Outcome:
    return call_command(
        PROJECT / "evaluate.py", [*words, f"data.store_dir={place}/store", "n_bootstraps=200"], place, {}
    )


def report(place: Path, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((place / name / "report.json").read_text())
    return content


def test_a_checkpoint_and_the_run_of_the_same_model_have_equal_scores(place: Path) -> None:
    for run, folder in (("run", "of-run"), (LONE, "of-lone")):
        done = evaluate(place, f"run={run}", f"hydra.run.dir={folder}")
        assert done.code == 0, done.err
    of_run, of_lone = report(place, "of-run"), report(place, "of-lone")
    assert of_lone["data"] == of_run["data"]
    # The run is evaluated on ONNX Runtime, the checkpoint on torch.
    assert of_lone["models"][0]["metrics"] == pytest.approx(of_run["models"][0]["metrics"], abs=1e-6)
    assert of_lone["models"][0]["leaked"] == of_run["models"][0]["leaked"] == 0
    assert of_lone["models"][0]["folder"] == LONE
    # Its validation images are predicted now; those of the run, training has predicted.
    for section, table in (("calibration", "calibration"), ("thresholds", "thresholds")):
        for one, other in zip(of_run["tables"][section][table], of_lone["tables"][section][table], strict=True):
            numbers = [key for key, value in one.items() if isinstance(value, float)]
            assert [other[key] for key in numbers] == pytest.approx([one[key] for key in numbers], abs=1e-4)
    assert "training" not in of_lone["tables"]
    facts = {row["what"]: row["value"] for row in of_lone["tables"]["provenance"]["provenance"]}
    best = read_fold(place / "run/fold-0")
    assert best is not None
    assert facts["best epoch"] == f"not recorded; epoch {best.best_epoch}"
    assert facts["trained on"] == f"faces, fingerprint {best.facts.fingerprint}"
    assert facts["initial weights"] == facts["trained with"] == "not recorded"


def test_a_checkpoint_is_compared_with_a_run(place: Path) -> None:
    done = evaluate(place, "run=run", f"run={LONE}", "hydra.run.dir=both")
    assert done.code == 0, done.err
    content = report(place, "both")
    assert [model["label"] for model in content["models"]] == ["CNN fold-0", "CNN epoch=1.ckpt"]
    run, lone = content["tables"]["models"]["models"]
    assert run["accuracy"] == lone["accuracy"]
    assert run["training_s"] > 0
    assert lone["training_s"] is lone["validation_accuracy"] is lone["training_accuracy"] is None
    assert "over_folds" not in content["tables"]["models"]


def test_its_own_validation_part_and_fold(place: Path) -> None:
    done = evaluate(place, f"run={LONE}", "split=val", "hydra.run.dir=on-val")
    assert done.code == 0, done.err
    best = read_fold(place / "run/fold-0")
    assert best is not None
    accuracy = report(place, "on-val")["models"][0]["metrics"]["accuracy"]
    assert accuracy == pytest.approx(best.metrics["val"]["accuracy"])
    assert "best epoch was chosen" not in done.out
    done = evaluate(place, f"run={LONE}", "fold=0", "hydra.run.dir=refused")
    assert_refused(done, "fold=0 only applies to a run folder, but logs/epoch=1.ckpt is a checkpoint")


def test_the_best_checkpoint_of_a_fold_selects_that_fold(place: Path) -> None:
    done = evaluate(place, "run=run/fold-0/best.ckpt", "hydra.run.dir=best")
    assert done.code == 0, done.err
    assert report(place, "best")["models"][0]["folder"] == "run/fold-0"
    assert "training" in report(place, "best")["tables"]
    done = evaluate(place, "run=run", "run=run/fold-0/best.ckpt", "hydra.run.dir=refused")
    assert_refused(done, "a run is given twice")


def test_without_a_record_of_its_data_it_is_evaluated_on_another_folder(place: Path) -> None:
    done = evaluate(place, "run=old.ckpt", "hydra.run.dir=refused")
    assert_refused(
        done, "old.ckpt does not record what it was trained on; evaluate it on another folder: data.root=FOLDER"
    )
    assert not (place / "refused").exists()
    done = evaluate(place, "run=old.ckpt", "data.root=others", "split=all", "hydra.run.dir=old")
    assert done.code == 0, done.err
    assert (
        "Not checked for near-duplicates of training images: old.ckpt does not record what it was trained on."
        in done.out
    )
    content = report(place, "old")
    assert content["models"][0]["leaked"] is None
    assert not {"calibration", "thresholds", "training"} & content["tables"].keys()
    assert "validation images, which are not recorded" in (place / "old/report.html").read_text()


def test_on_photos_it_tells_which_it_was_trained_on(place: Path) -> None:
    for run, expected in (
        (LONE, "1 of the photos were trained on"),
        ("run/fold-0/best.ckpt", "1 of the photos were trained on"),
        (
            "old.ckpt",
            "It is unknown whether the model was trained on these photos: old.ckpt does not record what",
        ),
    ):
        done = evaluate(place, f"run={run}", "photos=photos", "hydra.run.dir=photos-report")
        assert done.code == 0, done.err
        assert expected in done.out


def test_an_exported_model_is_evaluated_and_compared_like_its_run(place: Path) -> None:
    done = call_command(PROJECT / "export.py", ["run=run", "n_bootstraps=100", "hydra.run.dir=exported"], place, {})
    assert done.code == 0, done.err
    file, faces = "run=exported/CNN-fp32.onnx", ["data.root=others", "split=all"]
    done = evaluate(place, file, *faces, "hydra.run.dir=report")
    assert done.code == 0, done.err
    assert "exported/CNN-fp32.onnx does not record what it was trained on" in done.out
    page = (place / "report/report.html").read_text()
    assert "Not available for exported models" in page
    alone, together = place / "alone", place / "together"
    assert evaluate(place, "run=run", *faces, "hydra.run.dir=alone").code == 0
    done = evaluate(place, "run=run", file, *faces, "hydra.run.dir=together")
    assert done.code == 0, done.err
    tables = [pd.read_parquet(next(folder.rglob("predictions.parquet"))) for folder in (place / "report", alone)]
    columns = ["probability_mask", "probability_no_mask"]
    assert abs(tables[0][columns] - tables[1][columns]).to_numpy().max() < 1e-4
    models = json.loads((together / "report.json").read_text())["models"]
    assert [model["label"] for model in models] == ["CNN", "CNN-fp32.onnx"]


def test_exported_models_of_one_name_are_told_apart(place: Path) -> None:
    for folder in ("exported", "again"):
        if not (place / folder).exists():
            call_command(PROJECT / "export.py", ["run=run", "n_bootstraps=100", f"hydra.run.dir={folder}"], place, {})
    files = ["run=exported/CNN-fp32.onnx", "run=again/CNN-fp32.onnx"]
    done = evaluate(place, *files, "sets=others", "hydra.run.dir=both")
    assert done.code == 0, done.err
    scores = pd.read_csv(place / "both/tables/scores.csv")
    assert scores["model"].tolist() == [file.partition("=")[2] for file in files]
    assert_refused(
        evaluate(place, files[0], files[0], "sets=others"), "is given twice; a comparison needs different models"
    )


def test_an_exported_model_has_no_test_part_of_its_own(place: Path) -> None:
    call_command(PROJECT / "export.py", ["run=run", "n_bootstraps=100", "hydra.run.dir=exported"], place, {})
    done = evaluate(place, "run=exported/CNN-fp32.onnx")
    assert_refused(done, "does not record what it was trained on; evaluate it on another folder")
