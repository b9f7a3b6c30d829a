"""Crops are complete, written once, and the same after any interruption."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from facemask.config.preparation_schemas import CropConfig
from facemask.config.schemas import Crop
from facemask.data.index import index
from facemask.data.preprocessing import Pixels
from facemask.errors import ConfigError, DataError
from facemask.preparation.crops import Found, crop_photos
from facemask.preparation.journal import JOURNAL, open_journal
from facemask.preparation.photos import Photo, list_photos

Boxes = dict[str, list[list[float]]]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(6):
        Image.fromarray(rng.integers(0, 256, (30, 40, 3)).astype(np.uint8)).save(folder / f"{i}.png")
    return folder


class Finder:
    """Finds boxes that it is told, and can fail at a photo."""

    def __init__(self, boxes: Boxes | None = None, dies_at: str = "") -> None:
        self.boxes, self.dies_at = boxes or {}, dies_at
        self.asked: list[str] = []

    def __call__(self, photo: Photo, image: Pixels) -> Found:
        if photo.name == self.dies_at:
            raise KeyboardInterrupt
        self.asked.append(photo.name)
        boxes = np.array(self.boxes.get(photo.name, [[1, 2, 11, 22], [20, 5, 35, 25]]), np.float32).reshape(-1, 4)
        return Found(boxes, ["mask", "no_mask"][: len(boxes)], [0.9] * len(boxes))


def run(photos: Path, out: Path, find: Finder, **changed: Any) -> None:
    shape = Crop(margin=0.0, min_side=4)
    config = replace(CropConfig(crop=shape, workers=2, max_unreadable=0.2), **changed)
    with open_journal(out, {"crop.margin": config.crop.margin}) as journal:
        crop_photos([(photo, photo.stamp) for photo in list_photos([str(photos)])], find, config, journal)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in (".lock", JOURNAL))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_crop_equals_the_photos_pixels_in_the_manifests_box(photos: Path, tmp_path: Path) -> None:
    run(photos, tmp_path / "out", Finder({"3.png": []}))
    manifest = pd.read_csv(tmp_path / "out/manifest.csv")
    assert len(manifest) == 10
    row = manifest.set_index("file").loc["no_mask/2.png_001.png"]
    assert row[["photo", "label", "left", "top", "right", "bottom", "score"]].tolist() == [
        "2.png", "no_mask", 20, 5, 35, 25, 0.9,
    ]  # fmt: skip
    crop = np.asarray(Image.open(tmp_path / "out/no_mask/2.png_001.png"))
    assert (crop == np.asarray(Image.open(photos / "2.png"))[5:25, 20:35]).all()
    done = pd.read_csv(tmp_path / "out/photos.csv").set_index("photo")["faces"]
    assert done.to_dict() == {f"{i}.png": 0 if i == 3 else 2 for i in range(6)}
    table = index(tmp_path / "out")
    assert table["group"].nunique() == 5


def test_an_interrupted_import_repeated_gives_the_same_files(photos: Path, tmp_path: Path) -> None:
    run(photos, tmp_path / "whole", Finder())
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run(photos, out, Finder(dies_at="4.png"))
    with pytest.raises(DataError, match="has no row for"):  # the crops alone are not to be trained on
        index(out)
    lines = (out / JOURNAL).read_text().splitlines()
    (out / JOURNAL).write_text("\n".join(lines[:3]) + "\n" + lines[3][:20])  # the last line only half written
    again = Finder()
    run(photos, out, again)
    assert sorted(again.asked) == [f"{i}.png" for i in range(2, 6)]
    assert contents(out) == contents(tmp_path / "whole")
    once_more = Finder()
    run(photos, out, once_more)
    assert once_more.asked == []
    assert contents(out) == contents(tmp_path / "whole")


def test_a_changed_photo_is_processed_again_and_its_old_crops_are_removed(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(photos, out, Finder())
    Image.new("RGB", (50, 60)).save(photos / "1.png")
    Image.new("RGB", (50, 60)).save(photos / "7.png")
    again = Finder({"1.png": [[3, 3, 20, 20]]})
    run(photos, out, again)
    assert sorted(again.asked) == ["1.png", "7.png"]
    assert sorted(path.name for path in out.rglob("1.png_*")) == ["1.png_000.png"]
    assert len(index(out)) == len(pd.read_csv(out / "manifest.csv")) == 6 * 2 + 1


def test_other_settings_or_other_files_are_refused(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(photos, out, Finder())
    before = contents(out)
    with pytest.raises(ConfigError, match="made with crop.margin=0.0, not 0.5"):
        run(photos, out, Finder(), crop=Crop(margin=0.5, min_side=4))
    assert contents(out) == before
    with open_journal(out, {"crop.margin": 0.0}), pytest.raises(DataError, match="being written by another command"):
        run(photos, out, Finder())
    with pytest.raises(DataError, match="already contains other files"):
        run(photos, photos, Finder())
    (out / JOURNAL).write_text("{}\n")
    with pytest.raises(DataError, match="is damaged"):
        run(photos, out, Finder())
    (out / JOURNAL).write_text(json.dumps({"format": 0, "settings": {}}) + "\n")
    with pytest.raises(DataError, match="another version"):
        run(photos, out, Finder())


def test_a_journal_with_the_detectors_former_package_is_continued(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(photos, out, Finder())
    head, *rest = (out / JOURNAL).read_text().splitlines()
    settings = json.loads(head)["settings"] | {"detector._target_": "facemask.faces.detectors.Haar"}
    (out / JOURNAL).write_text("\n".join([json.dumps({"format": 1, "settings": settings}), *rest]) + "\n")
    made = {"crop.margin": 0.0, "detector._target_": "facemask.detection.detectors.Haar"}
    with open_journal(out, made) as journal:
        assert len(journal.done) == 6
    with pytest.raises(ConfigError, match="made with detector._target_"):
        open_journal(out, made | {"detector._target_": "facemask.detection.detectors.Mtcnn"}).__enter__()


def test_unreadable_photos_are_tolerated_up_to_a_fraction(photos: Path, tmp_path: Path) -> None:
    (photos / "9.jpg").write_text("no images")
    run(photos, tmp_path / "out", Finder())
    errors = pd.read_csv(tmp_path / "out/photos.csv").set_index("photo")["error"].dropna()
    assert list(errors.index) == ["9.jpg"]
    (photos / "8.jpg").write_text("nor this")
    with pytest.raises(DataError, match=r"2 of 8 photos \(25.0%\) cannot be read.*the first is 8.jpg"):
        run(photos, tmp_path / "out", Finder())
    run(photos, tmp_path / "out", Finder(), max_unreadable=1.0)
    (photos / "8.jpg").unlink()  # as the message says
    Image.new("RGB", (40, 30)).save(photos / "9.jpg")
    run(photos, tmp_path / "out", Finder(), max_unreadable=0.0)
    (photos / "link.jpg").symlink_to("nowhere.jpg")
    run(photos, tmp_path / "out", Finder())
    done = pd.read_csv(tmp_path / "out/photos.csv").set_index("photo")
    assert done["faces"].sum() == 14
    assert "No such file" in done.loc["link.jpg", "error"]


def test_splits_and_columns_added_by_hand_are_kept(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(photos, out, Finder())
    manifest = pd.read_csv(out / "manifest.csv", dtype=str, keep_default_na=False)
    manifest.assign(split=["train", "test"] * 6, who="me").to_csv(out / "manifest.csv", index=False)
    Image.new("RGB", (40, 30)).save(photos / "7.png")
    run(photos, out, Finder())
    table = pd.read_csv(out / "manifest.csv", dtype=str, keep_default_na=False)
    assert table["split"].tolist() == ["train", "test"] * 6 + ["", ""]
    assert table["who"].tolist() == ["me"] * 12 + ["", ""]


def test_the_manifest_follows_faces_that_are_sorted_by_hand(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(photos, out, Finder())
    (out / "wrong").mkdir()
    (out / "mask/0.png_000.png").rename(out / "wrong/0.png_000.png")
    (out / "mask/1.png_000.png").unlink()
    for _ in range(2):
        again = Finder()
        run(photos, out, again)
        assert again.asked == []
        table = index(out).set_index("path")
        assert len(table) == 11
        assert table.loc["wrong/0.png_000.png", ["label", "group"]].tolist() == ["wrong", "0.png"]
        manifest = pd.read_csv(out / "manifest.csv", dtype=str)
        assert len(manifest) == 11
        manifest.assign(split="train").to_csv(out / "manifest.csv", index=False)
    run(photos, out, Finder())
    assert set(index(out)["split"]) == {"train"}


def test_a_face_may_be_moved_to_another_class_repeatedly(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(photos, out, Finder())
    for place in ("wrong", "no_mask"):
        manifest = pd.read_csv(out / "manifest.csv", dtype=str).assign(split="test", group="someone")
        manifest.to_csv(out / "manifest.csv", index=False)
        (out / place).mkdir(exist_ok=True)
        next(out.glob("*/0.png_000.png")).rename(out / place / "0.png_000.png")
        run(photos, out, Finder())
        table = pd.read_csv(out / "manifest.csv", dtype=str).set_index("file")
        assert table.loc[f"{place}/0.png_000.png", ["label", "split", "group"]].tolist() == [place, "test", "someone"]


def test_crops_of_deleted_photos_are_kept(photos: Path, tmp_path: Path) -> None:
    run(photos, tmp_path / "out", Finder())
    before = contents(tmp_path / "out")
    (photos / "0.png").unlink()
    run(photos, tmp_path / "out", Finder())
    assert contents(tmp_path / "out") == before


def test_small_faces_and_faces_outside_are_left_out(photos: Path, tmp_path: Path) -> None:
    boxes = {"0.png": [[0, 0, 3, 30], [39, 0, 60, 20]], "1.png": [[50, 50, 70, 70]], "2.png": [[9, 9, 5, 20]]}
    run(photos, tmp_path / "out", Finder(boxes))
    done = pd.read_csv(tmp_path / "out/photos.csv").set_index("photo")
    assert done.loc["0.png", ["faces", "left_out"]].tolist() == [0, 2]
    assert done.loc["1.png", ["faces", "left_out"]].tolist() == [0, 1]
    assert done["faces"].sum() == 6
