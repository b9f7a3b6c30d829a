"""From a picture to what the network sees: the one path that training, evaluation and video share."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn.functional import interpolate

from facemask.errors import DataError

Pixels = npt.NDArray[np.uint8]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


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


@dataclass(frozen=True)
class Preprocessing:
    """How crops become network input; carried by every checkpoint, so that a model is served as it was trained.

    A crop is resized until its longer side is ``store_size`` (area averaging when it shrinks, bilinear when it
    grows), centred on a black square of that size, resized to ``input_size`` (bilinear, antialiased when it shrinks),
    scaled to [0, 1] and normalised with ``mean`` and ``std``.

    Attributes:
        class_names: in the order of the network's outputs.
        input_size: side of the network's input, pixels.
        store_size: side of the packed training images, pixels.
        mean: of each channel, on the [0, 1] scale.
        std: of each channel, on the [0, 1] scale.
    """

    class_names: tuple[str, ...]
    input_size: int
    store_size: int
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    padding: str = "centred on a black square"
    interpolation: str = "area down or bilinear up to store_size, then bilinear to input_size"
    colour_order: str = "RGB"

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python types, as a checkpoint may hold."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> "Preprocessing":
        """Read what :meth:`to_dict` wrote."""
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in record.items()}
        return cls(**values)

    def square(self, crop: Pixels) -> Pixels:
        """Resize and pad one crop, uint8[h, w, 3], to uint8[store_size, store_size, 3]."""
        return square(crop, self.store_size)

    def normalise(self, images: Tensor) -> Tensor:
        """Resize and normalise a batch on its own device.

        Args:
            images: uint8[N, S, S, 3].

        Returns:
            float32[N, 3, input_size, input_size].
        """
        mean = torch.tensor(self.mean, device=images.device).view(3, 1, 1) * 255
        std = torch.tensor(self.std, device=images.device).view(3, 1, 1) * 255
        # Normalising commutes with interpolating, and is cheaper on the stored images than on enlarged ones.
        batch = torch.addcmul(-mean / std, images.permute(0, 3, 1, 2).contiguous().float(), 1 / std)
        if self.input_size == batch.shape[-1]:
            return batch
        shrinks = self.input_size < batch.shape[-1]
        size = (self.input_size, self.input_size)
        return interpolate(batch, size, mode="bilinear", align_corners=False, antialias=shrinks)


def square(crop: Pixels, size: int) -> Pixels:
    """Resize a crop, uint8[h, w, 3], to fit a square of ``size`` pixels, and centre it there on black."""
    height, width = crop.shape[:2]
    side = max(height, width)
    if side != size:  # before padding: a long thin picture must not become a huge black one
        height, width = (max(1, round(length * size / side)) for length in (height, width))
        interpolation = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
        crop = np.asarray(cv2.resize(crop, (width, height), interpolation=interpolation), dtype=np.uint8)
    top, left = (size - height) // 2, (size - width) // 2
    canvas = np.zeros((size, size, 3), np.uint8)
    canvas[top : top + height, left : left + width] = crop
    return canvas
