"""Decode image files with Pillow."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from facemask.data.preprocessing import Pixels
from facemask.errors import DataError

PHOTOS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")  # suffixes of photos


def read_image(path: Path) -> Pixels:
    """Decode an image file: palette, alpha (over black), CMYK, 16 bit, EXIF orientation.

    Returns:
        uint8[h, w, 3], RGB.

    Raises:
        DataError: the file is not an image, or damaged.
    """
    try:
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened)
            return np.asarray(_to_rgb(image))
    except Exception as error:  # Pillow's plugins raise many types of errors for damaged files
        raise DataError(f"{path} cannot be read as an image: {error}") from error


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode == "I":  # Pillow would clip 16-bit values to 255 instead of scaling
        deep = np.asarray(image).astype(np.int64)
        return Image.fromarray((deep.clip(0, 65535) // 257).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:  # colours under transparent pixels are arbitrary
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image).convert("RGB")
    return image.convert("RGB")
