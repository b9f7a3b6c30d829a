"""``evaluate.py photos=…`` as users run it: detection and classification are evaluated together."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from skimage.data import astronaut

from commands import Outcome, assert_refused, call_command
from conftest import PROJECT, write_faces
from facemask.reports.photos import MISSED
from facemask.training.fit import fit_folds
from fits import configure

pytestmark = pytest.mark.slow

FACE = (181, 58, 270, 178)  # the astronaut's
VOC = """<annotation>{}</annotation>"""
OBJECT = "<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, and three annotated photos, on one of which it was trained."""
    place = tmp_path_factory.mktemp("photos")
    root = write_faces(place / "faces", {"mask": 20, "no_mask": 16})
    rows = [f"{path.relative_to(root)},{path.parent.name}{path.stem}" for path in sorted(root.rglob("*.png"))]
    (root / "manifest.csv").write_text("\n".join(["file,photo", *rows]))
    fit_folds(configure(root, place), place / "run")
    (place / "photos").mkdir()
    trained_on = pd.read_parquet(place / "run/predictions.parquet")["group"].iloc[0]  # its epoch was chosen by it
    for name in ("new_1", "new_2", trained_on):
        Image.fromarray(astronaut()).save(place / "photos" / f"{name}.png")
        boxes = OBJECT.format("without_mask", *FACE) + OBJECT.format("with_mask", 400, 400, 450, 450)
        (place / "photos" / f"{name}.xml").write_text(VOC.format(boxes))
    return place


def evaluate(place: Path, *words: str) -> Outcome:
    more = [f"data.store_dir={place}/store", "n_bootstraps=200", "classes=three"]
    return call_command(PROJECT / "evaluate.py", [*words, *more], place, {})


def test_detected_missed_and_correct_faces_and_training_photos_are_counted(place: Path) -> None:
    done = evaluate(place, "run=run", "photos=photos", "hydra.run.dir=report")
    assert done.code == 0, done.err
    report = json.loads((place / "report/report.json").read_text())
    outcome = {row["class"]: row for row in report["tables"]["outcome"]["outcome"]}
    assert (outcome["mask"]["detected"], outcome["no_mask"]["detected"]) == (0.0, 1.0)
    assert outcome["all"]["faces"] == 6
    of_new = {row["class"]: row for row in report["tables"]["outcome"]["outcome_of_new_photos"]}
    assert of_new["all"]["faces"] == 4
    assert "1 of the photos were trained on" in done.out
    assert not (place / "report/photos").exists()
    assert len(pd.read_csv(place / "report/tables/faces.csv")) >= 6


def test_without_a_run_the_ready_made_model_is_evaluated(place: Path) -> None:
    done = call_command(
        PROJECT / "evaluate.py", ["photos=photos", "n_bootstraps=100", "hydra.run.dir=ready"], place, {}
    )
    assert done.code == 0, done.err
    assert "note: no run= was given, so the ready-made model is used" in done.err
    assert "<h1>mask and CenterFace on photos</h1>" in (place / "ready/report.html").read_text()


def test_pictures_are_written_where_they_are_asked_for(place: Path) -> None:
    done = evaluate(place, "run=run/fold-0/best.ckpt", "photos=photos", "report.faces=true", "hydra.run.dir=shown")
    assert done.code == 0, done.err
    assert "1 of the photos were trained on" in done.out
    drawn = np.asarray(Image.open(place / "shown/photos/new_1.png"))
    assert drawn.shape == astronaut().shape
    assert (drawn[400, 400:450] == MISSED).all()  # the face that is none
    assert len(list((place / "shown/photos").iterdir())) == 3
    assert {path.name for path in (place / "shown/figures").iterdir()} >= {"photos.png", "precision_recall.svg"}
    page = (place / "shown/report.html").read_text()
    assert "<h1>CNN and CenterFace on photos</h1>" in page
    assert "3 of 3 photos with faces, most errors first" in page


def test_the_report_says_what_it_was_made_from(place: Path) -> None:
    words = ["run=run", "photos=photos", "unsure.min_side=150", "hydra.run.dir=unsure"]
    done = evaluate(place, *words)
    assert done.code == 0, done.err
    assert "answered 0.000" in (place / "unsure/report.html").read_text()
    report = json.loads((place / "unsure/report.json").read_text())
    made_from = {row["what"]: row["value"] for row in report["tables"]["provenance"]["provenance"]}
    assert made_from["model"] == "CNN, run"
    assert made_from["detector"].startswith("CenterFace, ")
    assert made_from["unsure"] == "crops below 150 px, probabilities below 0"
    assert "<h1>CNN and CenterFace on photos</h1>" in (place / "unsure/report.html").read_text()
    (detections,) = report["tables"]["detections"]["detections"]
    assert 0 < detections["AP50"] <= 1
    assert report["tables"]["sizes"]["face_size"][0]["shorter_side_px"] == "48–64"


@pytest.mark.parametrize(
    ("words", "expected_error"),
    [
        ("run=run run=run photos=photos", "photos= evaluates one model"),
        ("run=run photos=missing", "missing does not exist; give the folder of the annotated photos."),
        ("run=run photos=photos split=all", "remove them"),
        ("run=run photos=photos fold=all", "photos= evaluates one model; choose its fold with fold=NUMBER"),
        ("run=run photos=photos fold=1", "fold=1 of run is not complete; complete folds: 0."),
        ("run=run photos=photos device=gpu", "device=gpu is not available"),
        ("run=run photos=photos crop.min_side=5000", "has no faces of 5000 pixels or more"),
        ("run=run photos=photos crop.min_side=0", "crop.min_side must be at least 1, got 0."),
        ("run=run photos=", "photos has no value"),
        ("run=run photos=photos unsure.min_side=-1", "unsure.min_side must be at least 0 pixels, got -1."),
        ("run=run photos=photos unsure.min_probability=80", "unsure.min_probability must be between 0 and 1, got 80."),
        ("run=run unsure.min_side=9", "only applies to annotated photos"),
        ("run=run photos=photos crop.margin=-1", "crop.margin must be a fraction of the box"),
        ("run=run photos=photos boxes=photos/new_1.png", "contains no annotations that can be read"),
        ("run=run photos=photos classes=binary", "(mask, no_mask): type classes.with_mask=CLASS to count"),
        ("run=run photos=photos detector=none", "there is no such detector"),
    ],
)
def test_an_invalid_command_gets_one_sentence_and_exit_code_two(place: Path, words: str, expected_error: str) -> None:
    more = [f"data.store_dir={place}/store", "hydra.run.dir=refused"]
    done = call_command(PROJECT / "evaluate.py", [*words.split(), *more], place, {})
    assert_refused(done, expected_error)
    assert not (place / "refused").exists()
