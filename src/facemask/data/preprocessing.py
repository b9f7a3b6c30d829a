"""Preprocessing from image to network input, shared by training, evaluation, video and exported models.

This module does not import torch, because devices that run exported models do not have it.
"""

import math
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

Pixels = npt.NDArray[np.uint8]

MIN_SIDE, MAX_SIDE = 8, 1024  # of a stored image and of a network's input, pixels
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preprocessing:
    """How crops become network input. Stored in every checkpoint, so that inference matches training.

    A crop is resized until its longer side is ``store_size`` (area averaging when it shrinks, bilinear when it
    grows), centred on a black square of that size, resized to ``input_size`` (bilinear, antialiased when it shrinks),
    scaled to [0, 1] and normalised with ``mean`` and ``std``.

    Attributes:
        class_names: class names in the order of the network's outputs.
        input_size: side of the network's input, pixels.
        store_size: side of the packed training images, pixels.
        mean: mean of each channel, on the [0, 1] scale.
        std: standard deviation of each channel, on the [0, 1] scale.
        caveat: what users of the model should know about its training data; shown wherever it is used.
        smallest_crop: 1 % quantile of the shorter sides of the training crops, pixels; 0 if unknown.
    """

    class_names: tuple[str, ...]
    input_size: int
    store_size: int
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    padding: str = "centred on a black square"
    interpolation: str = "area down or bilinear up to store_size, then bilinear to input_size"
    colour_order: str = "RGB"
    caveat: str = ""
    smallest_crop: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python types, which a checkpoint can store."""
        values = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
        optional = ("caveat", "smallest_crop")  # left out when empty, so that older versions read the record
        return {key: value for key, value in values.items() if value or key not in optional}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> "Preprocessing":
        """Read what :meth:`to_dict` wrote.

        Raises:
            ValueError: a value is missing, unknown, or of another type or range.
        """
        if not isinstance(record, dict):
            raise ValueError("it is not a mapping")
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in record.items()}
        if unknown := sorted(map(str, values.keys() - {f.name for f in fields(cls)})):
            raise ValueError(f"{unknown[0]} is unknown")
        try:
            read = cls(**values)
        except TypeError as error:
            raise ValueError("a value is missing") from error
        names = read.class_names
        if not (isinstance(names, tuple) and names and all(isinstance(n, str) for n in names)):
            raise ValueError("class_names is not a list of names")
        if len(set(names)) < len(names):
            raise ValueError("class_names has a name twice")
        if not isinstance(read.caveat, str):
            raise ValueError("caveat is not a sentence")
        if type(read.smallest_crop) is not int or read.smallest_crop < 0:
            raise ValueError("smallest_crop is not a number of pixels")
        for key in ("input_size", "store_size"):
            size = getattr(read, key)
            if type(size) is not int or not MIN_SIDE <= size <= MAX_SIDE:
                raise ValueError(f"{key} is not between {MIN_SIDE} and {MAX_SIDE} pixels")
        for key in ("mean", "std"):
            channels = getattr(read, key)
            if not (isinstance(channels, tuple) and len(channels) == 3 and all(map(_is_finite, channels))):
                raise ValueError(f"{key} is not three numbers")
        if min(read.std) <= 0:
            raise ValueError("std is not positive")
        return read

    def square(self, crop: Pixels) -> Pixels:
        """Resize and pad one crop, uint8[h, w, 3], to uint8[store_size, store_size, 3]."""
        return square(crop, self.store_size)

    def normalise(self, images: "Tensor") -> "Tensor":
        """Resize and normalise a batch on its device.

        Args:
            images: uint8[N, S, S, 3].

        Returns:
            float32[N, 3, input_size, input_size].
        """
        from torch.nn.functional import interpolate

        batch = self.scale(images)
        if self.input_size == batch.shape[-1]:
            return batch
        shrinks = self.input_size < batch.shape[-1]
        size = (self.input_size, self.input_size)
        return interpolate(batch, size, mode="bilinear", align_corners=False, antialias=shrinks)

    def scale(self, images: "Tensor") -> "Tensor":
        """Normalise without resizing: float32[N, 3, S, S].

        Normalising commutes with resizing, and is cheaper on the stored images than on enlarged ones.
        """
        import torch

        # Filled on the device: copying a list to a GPU would wait until it has finished all earlier steps.
        mean, std = (
            torch.stack([torch.full((), value, device=images.device) for value in values]).view(3, 1, 1) * 255
            for values in (self.mean, self.std)
        )
        return torch.addcmul(-mean / std, images.permute(0, 3, 1, 2).contiguous().float(), 1 / std)

    def normalise_array(self, images: Pixels) -> npt.NDArray[np.float32]:
        """Do the same as :meth:`normalise`, without torch."""
        mean, std = (np.array(values, np.float32).reshape(3, 1, 1) * 255 for values in (self.mean, self.std))
        batch = (images.transpose(0, 3, 1, 2) - mean) / std
        if self.input_size == batch.shape[-1]:
            return np.ascontiguousarray(batch)
        weights = bilinear_weights(batch.shape[-1], self.input_size)
        return np.asarray(weights @ batch @ weights.T)


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def square(crop: Pixels, size: int) -> Pixels:
    """Resize a crop, uint8[h, w, 3], to fit a square of ``size`` pixels, and centre it there on black."""
    height, width = crop.shape[:2]
    side = max(height, width)
    if side != size:  # before padding, so that a long thin image does not become a huge square
        height, width = (max(1, round(length * size / side)) for length in (height, width))
        interpolation = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
        crop = np.asarray(cv2.resize(crop, (width, height), interpolation=interpolation), dtype=np.uint8)
    top, left = (size - height) // 2, (size - width) // 2
    canvas = np.zeros((size, size, 3), np.uint8)
    canvas[top : top + height, left : left + width] = crop
    return canvas


def unpadded(image: Pixels, width: int, height: int) -> Pixels:
    """Return the part of the result of :func:`square` that shows a crop of this size, a view; empty for no crop."""
    size, side = len(image), max(width, height, 1)
    inner_width, inner_height = (min(size, max(bool(n), round(n * size / side))) for n in (width, height))
    top, left = (size - inner_height) // 2, (size - inner_width) // 2
    return image[top : top + inner_height, left : left + inner_width]


def shrink(image: Pixels, longest_side: float) -> Pixels:
    """Reduce an image, uint8[h, w, 3], to a longest side in pixels; a smaller image is returned unchanged."""
    height, width = image.shape[:2]
    scale = longest_side / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def bilinear_weights(before: int, after: int) -> npt.NDArray[np.float32]:
    """Return the weights of bilinear resizing along one axis, float32[after, before].

    Each row is a triangle filter around the pixel's position, as wide as one pixel of the coarser grid.
    """
    scale = before / after
    places = (np.arange(after)[:, None] + 0.5) * scale - 0.5
    triangles = np.clip(1 - np.abs(np.arange(before) - places) / max(scale, 1), 0, None)
    return np.asarray(triangles / triangles.sum(axis=1, keepdims=True), dtype=np.float32)
