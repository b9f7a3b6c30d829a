"""Boxes fit their photos, however those were turned, resized or annotated."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from facemask.annotations.fitting import CONFLICT, EMPTY, SCALED, SWAPPED, TURNED, TWICE, fit
from facemask.annotations.table import FRACTIONS, AnnotatedPhoto, Box

NAN = float("nan")


def photo(
    place: Path, width: int = 96, height: int = 64, orientation: int = 1, mark: tuple[int, int, int, int] | None = None
) -> Path:
    """Write a photo as it is stored, with a white rectangle."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.new("RGB", (96, 64))
    if mark:
        image.paste((255, 255, 255), mark)
    image.save(place / "a.png", exif=exif)
    return place / "a.png"


def marked(file: Path) -> list[int]:
    """Return the corners of the white rectangle in the photo as it is shown."""
    with Image.open(file) as image:
        y, x = np.nonzero(np.asarray(ImageOps.exif_transpose(image).convert("L")))
    return [x.min(), y.min(), x.max() + 1, y.max() + 1]


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_photo_annotated_as_stored_is_turned_with_its_boxes(tmp_path: Path, orientation: int) -> None:
    stored = (60, 4, 92, 20)
    file = photo(tmp_path, orientation=orientation, mark=stored)
    fitted, notes = fit(AnnotatedPhoto.of(file, [Box("mask", stored)], size=(96, 64)))
    assert fitted.boxes.tolist() == [marked(file)]
    assert +notes == {TURNED: 1}
    shown = marked(file)
    fitted, notes = fit(AnnotatedPhoto.of(file, [Box("mask", shown)], size=(64, 96)))  # annotated as shown
    assert fitted.boxes.tolist() == [shown]
    assert not +notes


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_resized_photo_has_its_boxes_scaled(tmp_path: Path, orientation: int) -> None:
    stored = (60, 4, 92, 20)
    file = photo(tmp_path, orientation=orientation, mark=stored)
    box = Box("mask", [3 * side for side in stored])
    fitted, notes = fit(AnnotatedPhoto.of(file, [box], size=(288, 191)))  # 192, but for rounding
    np.testing.assert_allclose(fitted.boxes, [marked(file)], atol=0.2)
    assert +notes == ({SCALED: 1} if orientation == 1 else {TURNED: 1})


def test_fractions_are_those_of_the_photo_as_shown(tmp_path: Path) -> None:
    file = photo(tmp_path, orientation=6)
    fitted, notes = fit(AnnotatedPhoto.of(file, [Box("mask", (0.25, 0.5, 0.5, 1))], size=FRACTIONS))
    assert fitted.boxes.tolist() == [[16, 48, 32, 96]]
    assert not +notes


def test_another_aspect_is_an_error(tmp_path: Path) -> None:
    file = photo(tmp_path)  # turned after annotation, without trace
    fitted, _ = fit(AnnotatedPhoto.of(file, [Box("mask", (1, 2, 3, 4))], size=(64, 96)))
    assert fitted.error == "its boxes were drawn on 64 x 96 pixels, but it has 96 x 64"


def test_an_unreadable_photo_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no picture")
    fitted, _ = fit(AnnotatedPhoto.of(tmp_path / "a.png", [Box("mask", (1, 2, 3, 4))], size=(64, 96)))
    assert fitted.error.startswith("cannot identify image file")


def test_certain_faults_are_mended_and_the_others_left_out() -> None:
    boxes = [
        Box("mask", (9, 8, 1, 2)),  # corners in another order
        Box("no_mask", (20, 20, 30, 30)),
        Box("no_mask", (20, 20, 30, 30)),  # drawn twice
        Box("mask", (40, 40, 50, 50)),
        Box("no_mask", (40, 40, 50, 50)),  # the same face, of two classes
        Box("mask", (5, 5, 5, 9)),  # without area
        Box("mask", (NAN, 1, 2, 3)),
        Box("mask", (0, 0, float("inf"), 3)),
        Box("mask", (20, 20, 30, 31)),
    ]
    fitted, notes = fit(AnnotatedPhoto.of(Path("a.png"), boxes))
    assert fitted.names == ["mask", "no_mask", "mask"]
    assert fitted.boxes.tolist() == [[1, 2, 9, 8], [20, 20, 30, 30], [20, 20, 30, 31]]
    assert +notes == {SWAPPED: 1, TWICE: 1, CONFLICT: 2, EMPTY: 3}
