"""``prepare_data.py task=import`` as users run it."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from commands import Outcome, assert_refused, call_command
from conftest import PROJECT

pytestmark = pytest.mark.slow

BOX = "<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"


def prepare(place: Path, *words: str) -> Outcome:
    return call_command(PROJECT / "prepare_data.py", ["task=import", *words], place, {})


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve photos, each of a masked face, a bare one and a hat, described as VOC and as COCO files."""
    root = tmp_path_factory.mktemp("set") / "photos"
    root.mkdir()
    rng, images, boxes = np.random.default_rng(0), [], []
    for i in range(12):
        Image.fromarray(rng.integers(0, 256, (40, 60, 3)).astype(np.uint8)).save(root / f"{i}.png")
        corners = [("with_mask", 2, 3, 20, 30), ("Without Mask", 30, 5, 50, 25), ("hat", 0, 0, 60, 9)]
        (root / f"{i}.xml").write_text(f"<annotation>{''.join(BOX.format(*c) for c in corners)}</annotation>")
        images.append({"id": i, "file_name": f"{i}.png"})
        for name, left, top, right, bottom in corners[:2]:
            category = 1 if name == "with_mask" else 2
            boxes.append({"image_id": i, "category_id": category, "bbox": [left, top, right - left, bottom - top]})
    categories = [{"id": 1, "name": "mask"}, {"id": 2, "name": "no mask"}]
    coco = {"images": images, "annotations": boxes, "categories": categories}
    (root.parent / "coco.json").write_text(json.dumps(coco))
    return root


def test_boxes_become_faces_that_can_be_trained_on(photos: Path, tmp_path: Path) -> None:
    words = [f"photos={photos}", "out=faces", "+classes.hat=null", "crop.margin=0"]
    done = prepare(tmp_path, *words)
    assert done.code == 0, done.err
    assert "faces: 24 faces of 12 photos" in done.out
    manifest = pd.read_csv(tmp_path / "faces/manifest.csv").set_index("file")
    assert manifest["label"].value_counts().to_dict() == {"mask": 12, "no_mask": 12}
    assert manifest.loc["no_mask/3.png_001.png", ["left", "top", "right", "bottom"]].tolist() == [30, 5, 50, 25]
    crop = np.asarray(Image.open(tmp_path / "faces/no_mask/3.png_001.png"))
    assert (crop == np.asarray(Image.open(photos / "3.png"))[5:25, 30:50]).all()
    fitted = call_command(
        PROJECT / "train.py",
        ["data=folder", "data.root=faces", "model=cnn", "trainer=smoke", "data.num_workers=0"],
        tmp_path,
        {},
    )
    assert fitted.code == 0, fitted.err
    coco = [f"boxes={photos.parent}/coco.json", "classes=binary", "crop.margin=0"]
    done = prepare(tmp_path, f"photos={photos}", "out=binary", *coco)
    assert done.code == 0, done.err
    assert pd.read_csv(tmp_path / "binary/manifest.csv")["label"].value_counts().to_dict() == {
        "compliant": 12,
        "non-compliant": 12,
    }
    again = (tmp_path / "binary/compliant/5.png_000.png").read_bytes()
    assert again == (tmp_path / "faces/mask/5.png_000.png").read_bytes()


@pytest.mark.parametrize(
    ("words", "expected_error"),
    [
        ("photos={}", "unknown names of faces: hat (12 faces); map each to a class"),
        ("photos={} +classes.hat=train", "classes.hat=train: train, val and test are reserved"),
        ("photos={} +classes.hat=../x", "classes.hat=../x is not a valid class name"),
        ("photos={} classes=four", "classes=four: there is no such classes; choose from: binary, three."),
        (
            "photos={} boxes=none.json",
            "boxes=none.json does not exist; give an annotation file, the folder",
        ),
        ("photos={}/..", "is inside photos="),
        ("photos=nowhere", "nowhere does not exist; give the folder of the annotated photos."),
        ("photos={} photos={}", "two folders of photos= have the same name; give the sets names: +sources.A.photos"),
        ("photos={} boxes=yolo", "contains no annotations that can be read: YOLO;"),
        ("photos={} +sources.other.boxes=voc", "sources.other has no photos; give it a folder: +sources.other.photos"),
        ("photos={} +sources.photos.labels=x", "sources.photos takes the keys photos, boxes, classes, not labels."),
        ("photos={} detector=haar", "detector is not a config group of this command or task; remove it."),
        ("photos={} labels=folder", "labels is not a key"),
    ],
)
def test_invalid_arguments_raise_one_sentence(photos: Path, tmp_path: Path, words: str, expected_error: str) -> None:
    place = tmp_path / "place"
    place.mkdir()
    out = f"{photos}/../new" if words.endswith("..") else "new"
    done = prepare(place, f"out={out}", *words.replace("{}", str(photos)).split())
    assert_refused(done, expected_error)
    assert not list(place.iterdir())


def test_names_in_any_script_can_be_typed_as_the_message_says(photos: Path, tmp_path: Path) -> None:
    place = tmp_path / "photos"
    place.mkdir()
    for i, name in enumerate(("\u043c\u0430\u0441\u043a\u0430", "0_mask", "\u6234\u53e3\u7f69")):
        Image.open(photos / f"{i}.png").save(place / f"{i}.png")
        (place / f"{i}.xml").write_text(f"<annotation>{BOX.format(name, 2, 3, 20, 30)}</annotation>", encoding="utf-8")
    done = prepare(tmp_path, f"photos={place}", "out=faces")
    assert_refused(done, "for example +classes.0_mask=mask, or leave its faces out: +classes.0_mask=null")
    words = [
        "+classes.0_mask=mask",
        "+classes.\u043c\u0430\u0441\u043a\u0430=no_mask",
        "classes.\u6234\u53e3\u7f69=null",
    ]
    done = prepare(tmp_path, f"photos={place}", "out=faces", *words)
    assert done.code == 0, done.err
    assert sorted(pd.read_csv(tmp_path / "faces/manifest.csv")["label"]) == ["mask", "no_mask"]


def test_several_sets_have_their_own_names_and_a_source(photos: Path, tmp_path: Path) -> None:
    street = tmp_path / "street/train"
    street.mkdir(parents=True)
    Image.open(photos / "0.png").save(street / "0.png")
    (street / "0.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    words = [f"photos={photos}", f"photos={tmp_path}/street", "out=faces", "+classes.hat=null"]
    done = prepare(tmp_path, *words, "+sources.street.classes.0=wrong_mask", "+sources.photos.boxes=voc")
    assert done.code == 0, done.err
    assert "photos: Pascal VOC, 12 photos, 36 boxes (Without Mask 12, hat 12, with_mask 12)." in done.out
    assert "street: YOLO, 1 photo, 1 box (0 1)." in done.out
    manifest = pd.read_csv(tmp_path / "faces/manifest.csv", keep_default_na=False)
    assert manifest["source"].value_counts().to_dict() == {"photos": 24, "street": 1}
    (row,) = manifest[manifest["source"] == "street"].to_dict(orient="records")
    assert (row["photo"], row["label"], row["split"]) == ("street/train/0.png", "wrong_mask", "train")
    done = prepare(tmp_path, *words)
    assert_refused(done, "unknown names of faces: 0 (1 faces)")


def test_real_photos(real_data: Path, tmp_path: Path) -> None:
    done = prepare(tmp_path, f"photos={real_data}/photos", "out=faces", "crop.min_side=24")
    assert done.code == 0, done.err
    manifest = pd.read_csv(tmp_path / "faces/manifest.csv")
    assert manifest["photo"].nunique() > 30
    assert set(manifest["label"]) == {"mask", "no_mask", "wrong_mask"}
    assert (manifest["right"] - manifest["left"]).min() >= 24
