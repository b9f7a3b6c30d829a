"""Decode image files with Pillow."""

import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from facemask.data.preprocessing import Pixels
from facemask.errors import DataError

# The only formats that are decoded. Pillow knows others that start programs (PostScript) or open further files.
FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM", "AVIF", "JPEG2000", "TGA", "ICO")
HEIC = (".heic", ".heif", ".hif")  # formats of phones, which the package pillow-heif decodes
ORIENTATION = 0x0112  # EXIF tag
UPRIGHT = 1  # its value for a picture that is stored as it is shown
MAX_PIXELS = 120_000_000  # the largest photos of phones have 108 million
MAX_PIXELS_VARIABLE = "FACEMASK_MAX_PIXELS"

warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # open_image has a limit of its own


def max_pixels() -> int:
    """Return the maximum size of an image, pixels.

    A small file can describe a huge image. The limit is 120 million, or the environment variable
    ``FACEMASK_MAX_PIXELS``.

    Raises:
        DataError: the variable is not a positive integer.
    """
    value = os.environ.get(MAX_PIXELS_VARIABLE, str(MAX_PIXELS))
    if not (value.isdecimal() and int(value)):
        raise DataError(f"{MAX_PIXELS_VARIABLE} must be a number of pixels greater than 0, got {value!r}.")
    return int(value)


@cache
def picture_suffixes() -> frozenset[str]:
    """Return the suffixes of image files, such as ``.jpg``."""
    return frozenset(suffix for suffix, name in Image.registered_extensions().items() if name in FORMATS).union(HEIC)


def is_picture_name(name: str) -> bool:
    """Return whether a file name has the suffix of an image, in any case of letters."""
    return os.path.splitext(name)[1].lower() in picture_suffixes()


@cache
def _has_heif() -> bool:
    """Let Pillow decode HEIC, and return whether it can."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True


@contextmanager
def open_image(path: str | Path) -> Iterator[Image.Image]:
    """Open an image file without decoding it.

    Raises:
        OSError: the file is missing, is not a regular file (reading a pipe would block), or has another format.
        ValueError: the image is too large.
        Exception: Pillow's plugins raise many types of errors for damaged files.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError("it is not a regular file")
    formats = (*FORMATS, "HEIF") if str(path).lower().endswith(HEIC) else FORMATS
    if formats is not FORMATS and not _has_heif():
        raise ValueError("HEIC images need the package pillow-heif; type: pip install pillow-heif")
    limit = max_pixels()
    Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, limit // 2)  # Pillow refuses more than twice as many
    with Image.open(path, formats=formats) as image:
        if (pixels := image.width * image.height) > limit:
            raise ValueError(
                f"it has {image.width:,} x {image.height:,} pixels; to allow more than {limit:,}, set "
                f"{MAX_PIXELS_VARIABLE}={pixels}"
            )
        yield image


def stored_size(path: Path) -> tuple[int, int, int]:
    """Return width, height and EXIF orientation (1 to 8) of an image as it is stored, without decoding it.

    Raises:
        DataError: as :func:`read_image`.
    """
    with _opened(path) as image:
        orientation = image.getexif().get(ORIENTATION, UPRIGHT)
        return image.width, image.height, orientation if orientation in range(1, 9) else UPRIGHT


def read_image(path: Path) -> Pixels:
    """Decode an image file: palette, alpha (over black), CMYK, EXIF orientation; 10 to 16 bits by their own range.

    Returns:
        uint8[h, w, 3], RGB.

    Raises:
        DataError: the file is not an image, is too large, or damaged.
    """
    with _opened(path) as image:
        ImageOps.exif_transpose(image, in_place=True)  # which does not copy the image
        return np.asarray(_to_rgb(image))


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open an image, and raise what goes wrong until it is closed as a DataError."""
    try:
        with open_image(path) as image:
            yield image
    except DataError:
        raise
    except Exception as error:  # Pillow's plugins raise many types of errors for damaged files
        raise DataError(f"{path} cannot be read as an image: {error}") from error


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode == "I":  # Pillow would clip 16-bit values to 255 instead of scaling
        deep = np.asarray(image)
        deep = deep if deep.dtype == np.uint16 else deep.clip(0, 65535)
        # Cameras store 10, 12 or 14 bits in 16: by the range that the file could have, they would be almost black.
        bits = max(8, int(deep.max()).bit_length())
        return Image.fromarray((deep.astype(np.uint32) * 255 // (2**bits - 1)).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:  # colours under transparent pixels are arbitrary
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image).convert("RGB")
    return image.convert("RGB")
