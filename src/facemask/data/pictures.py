"""From a file to pixels, whatever Pillow reads."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from facemask.data.preprocessing import Pixels
from facemask.errors import DataError

PHOTOS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")  # files that are taken for photos by name


def read_image(path: Path) -> Pixels:
    """Decode any picture Pillow reads: palette, alpha (over black), CMYK, 16 bit, EXIF-rotated, whatever its suffix.

    Returns:
        uint8[h, w, 3], RGB.

    Raises:
        DataError: the file is no picture, or a damaged one.
    """
    try:
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened)
            return np.asarray(_to_rgb(image))
    except Exception as error:  # Pillow's plugins raise whatever they come upon in a damaged file
        raise DataError(f"{path} cannot be read as a picture: {error}") from error


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode == "I":  # Pillow would clip 16 bit to 255, not scale it
        deep = np.asarray(image).astype(np.int64)
        return Image.fromarray((deep.clip(0, 65535) // 257).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:  # colours under transparent pixels are arbitrary
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image).convert("RGB")
    return image.convert("RGB")
