"""Every picture that Pillow reads becomes the right RGB array, and every crop the right network input."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from facemask.data import pictures
from facemask.data.index import index
from facemask.data.pictures import read_image
from facemask.data.preprocessing import Preprocessing, square, unpadded
from facemask.errors import DataError

RED = (200, 30, 40)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("RGB", "png"), ("RGB", "bmp"), ("P", "gif"), ("P", "png"), ("CMYK", "tif"), ("RGB", "webp"), ("RGBA", "png")],
)
def test_formats_and_modes_are_read_as_rgb(tmp_path: Path, mode: str, suffix: str) -> None:
    image = Image.new("RGB", (5, 3), RED)
    image = image.quantize(4) if mode == "P" else image.convert(mode)
    options = {"lossless": True} if suffix == "webp" else {}
    image.save(tmp_path / f"x.{suffix}", **options)
    pixels = read_image(tmp_path / f"x.{suffix}")
    assert pixels.shape == (3, 5, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - RED).max() <= 3


def test_a_wrong_suffix_does_not_matter(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4), RED).save(tmp_path / "x.png")
    (tmp_path / "x.png").rename(tmp_path / "x.jpg")
    assert tuple(read_image(tmp_path / "x.jpg")[0, 0]) == RED


def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 257 * 100, 65535]], np.uint16)).save(tmp_path / "x.png")
    assert read_image(tmp_path / "x.png")[0, :, 0].tolist() == [0, 100, 255]


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_fewer_bits_in_a_deep_file_are_scaled_by_their_own_range(tmp_path: Path, bits: int) -> None:
    largest = 2**bits - 1
    Image.fromarray(np.array([[0, round(largest * 0.4), largest]], np.uint16)).save(tmp_path / "x.png")
    assert read_image(tmp_path / "x.png")[0, :, 0].tolist() == pytest.approx([0, 102, 255], abs=1)


def test_padding_is_taken_away_again() -> None:
    for height, width in ((10, 40), (40, 10), (64, 64), (200, 3), (3, 200), (1, 1)):
        image = np.full((height, width, 3), 200, np.uint8)
        inner = unpadded(square(image, 64), width, height)
        assert inner.min() == 200
        assert np.count_nonzero(square(image, 64)) == inner.size
    assert unpadded(np.zeros((64, 64, 3), np.uint8), 0, 0).size == 0


def test_transparent_pixels_are_black(tmp_path: Path) -> None:
    Image.new("RGBA", (2, 2), (255, 255, 255, 0)).save(tmp_path / "x.png")
    assert read_image(tmp_path / "x.png").max() == 0


def test_the_camera_rotation_is_applied(tmp_path: Path) -> None:
    image = Image.new("RGB", (4, 2), "black")
    image.putpixel((0, 0), (255, 255, 255))
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees clockwise to see it upright
    image.save(tmp_path / "x.png", exif=exif)
    pixels = read_image(tmp_path / "x.png")
    assert pixels.shape == (4, 2, 3)
    assert pixels[0, 1].tolist() == [255, 255, 255]


@pytest.mark.parametrize("content", [b"", b"plain text", b"\x89PNG\r\n\x1a\n cut off", b"\xff\xd8\xff\xe0 cut off"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.jpg").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.jpg cannot be read as an image"):
        read_image(tmp_path / "x.jpg")


def test_a_truncated_picture_is_damaged(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(tmp_path / "x.jpg")
    (tmp_path / "x.jpg").write_bytes((tmp_path / "x.jpg").read_bytes()[:900])
    with pytest.raises(DataError, match="truncated"):
        read_image(tmp_path / "x.jpg")


@pytest.mark.parametrize(("height", "width"), [(7, 7), (10, 20), (64, 64), (300, 120), (1, 500)])
def test_square_keeps_the_aspect_and_centres_on_black(height: int, width: int) -> None:
    boxed = square(np.full((height, width, 3), 200, np.uint8), 64)
    assert boxed.shape == (64, 64, 3)
    rows, columns = np.flatnonzero(boxed.any(axis=(1, 2))), np.flatnonzero(boxed.any(axis=(0, 2)))
    scale = 64 / max(height, width)
    assert len(rows) == max(1, round(height * scale))
    assert len(columns) == max(1, round(width * scale))
    assert abs(rows[0] - (63 - rows[-1])) <= 1
    assert abs(columns[0] - (63 - columns[-1])) <= 1
    assert boxed[rows[0], columns[0]].tolist() == [200, 200, 200]


@pytest.mark.parametrize("size", [32, 48, 64, 96])
def test_normalise_gives_the_mean_and_std_asked_for(size: int) -> None:
    record = Preprocessing(("a", "b"), size, 48, mean=(0.5, 0.4, 0.3), std=(0.1, 0.2, 0.4))
    images = torch.full((2, 48, 48, 3), 153, dtype=torch.uint8)  # 0.6
    batch = record.normalise(images)
    assert batch.shape == (2, 3, size, size)
    assert batch.dtype == torch.float32
    expected = torch.tensor([1.0, 1.0, 0.75]).view(1, 3, 1, 1).expand_as(batch)
    torch.testing.assert_close(batch, expected, atol=1e-5, rtol=0)


def test_normalise_upsamples_as_torch_does() -> None:
    images = torch.randint(0, 256, (1, 8, 8, 3), dtype=torch.uint8)
    record = Preprocessing(("a", "b"), 16, 8, mean=(0, 0, 0), std=(1, 1, 1))
    expected = torch.nn.functional.interpolate(images.permute(0, 3, 1, 2) / 255, (16, 16), mode="bilinear")
    torch.testing.assert_close(record.normalise(images), expected)


def test_the_record_survives_plain_types() -> None:
    record = Preprocessing(("a", "b"), 96, 64)
    assert Preprocessing.from_dict(record.to_dict()) == record
    assert all(isinstance(value, list | str | int) for value in record.to_dict().values())


def test_a_caveat_is_kept_and_absent_without_one() -> None:
    plain = Preprocessing(("a", "b"), 16, 16)
    assert "caveat" not in plain.to_dict()  # so that older versions read it
    warned = replace(plain, caveat="trained on drawings.")
    assert Preprocessing.from_dict(warned.to_dict()) == warned
    with pytest.raises(ValueError, match="caveat is not a sentence"):
        Preprocessing.from_dict(plain.to_dict() | {"caveat": 3})


def test_photos_of_phones_are_read_where_their_package_is_installed(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif", reason="the package pillow-heif is not installed")
    heif.register_heif_opener()
    Image.new("RGB", (32, 24), RED).save(tmp_path / "x.HEIC", format="HEIF", quality=100)
    assert read_image(tmp_path / "x.HEIC").shape == (24, 32, 3)
    assert tuple(read_image(tmp_path / "x.HEIC")[9, 9]) == pytest.approx(RED, abs=4)


def test_without_their_package_the_way_to_install_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setattr(pictures, "_has_heif", pictures._has_heif.__wrapped__)
    (tmp_path / "a").mkdir()
    (tmp_path / "a/x.heic").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(DataError, match="x.heic cannot be read as an image: HEIC images need the package pillow-heif"):
        read_image(tmp_path / "a/x.heic")
    assert index(tmp_path, for_training=False)["path"].tolist() == ["a/x.heic"]  # named as unreadable, not overlooked
