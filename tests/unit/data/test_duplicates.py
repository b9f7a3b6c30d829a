"""Copies are found after scaling and compression; pictures that only look alike are not reported."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facemask.data.demo import make_demo
from facemask.data.duplicates import near_duplicates
from facemask.data.index import index
from facemask.data.pictures import read_image
from facemask.data.preprocessing import Pixels, square


def again(picture: Pixels, quality: int, scale: float) -> Pixels:
    """Save a picture as someone else's JPEG of another size."""
    image = Image.fromarray(picture)
    image = image.resize((max(8, round(image.width * scale)), max(8, round(image.height * scale))))
    image.save(stream := io.BytesIO(), "jpeg", quality=quality)
    return np.asarray(Image.open(stream))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Pixels]:
    root = tmp_path_factory.mktemp("sets") / "demo"
    make_demo(root)
    found = [read_image(root / path) for path in index(root)["path"]]
    return [picture for picture in found if min(picture.shape[:2]) >= 24][:120]


def test_a_copy_is_found_and_different_pictures_are_not(pictures: list[Pixels]) -> None:
    originals = np.stack([square(picture, 64) for picture in pictures])
    copies = np.stack([square(again(picture, 90, 0.9), 64) for picture in pictures[:20]])
    found = near_duplicates(copies, originals)
    hits = {(row.first, row.second) for row in found.itertuples()}
    assert len(hits & {(i, i) for i in range(20)}) >= 18
    assert len(found) <= 22  # one face drawn on twice may pass for another
    assert (found["correlation"].diff().dropna() <= 0).all()


def test_each_pair_of_duplicates_is_reported_once(pictures: list[Pixels], monkeypatch: pytest.MonkeyPatch) -> None:
    copies = [square(again(picture, 90, 0.9), 64) for picture in pictures[:20]]
    both = np.stack([*(square(picture, 64) for picture in pictures), *copies])
    monkeypatch.setattr("facemask.data.duplicates.CHUNK_SIZE", 7)
    within, whole = near_duplicates(both), near_duplicates(both, both)
    pairs = set(zip(within["first"], within["second"], strict=True))
    assert len(pairs & {(i, len(pictures) + i) for i in range(20)}) >= 18
    assert len(within) == len(pairs)
    assert pairs == {(i, j) for i, j in zip(whole["first"], whole["second"], strict=True) if i < j}


def test_flat_pictures_do_not_pass_for_one_another() -> None:
    flat = np.full((2, 64, 64, 3), 7, np.uint8)
    assert near_duplicates(flat, flat).empty


def test_real_faces(real_data: Path) -> None:
    """A tenth of the test faces, compressed anew, are found among the originals; the training part holds none."""
    root = real_data / "sfmask_small"
    table = index(root)
    test = [read_image(root / path) for path in table["path"][table["split"] == "test"][::10]]
    train = [read_image(root / path) for path in table["path"][table["split"] == "train"][:600]]
    originals = np.stack([square(picture, 64) for picture in [*test, *train]])
    copies = np.stack([square(again(picture, 80, 1.0), 64) for picture in test])
    found = near_duplicates(copies, originals)
    assert set(found["first"][found["first"] == found["second"]]) >= set(range(len(test))) - set(
        range(0, len(test), 20)
    )
    assert (found["first"] == found["second"]).mean() > 0.95
