"""Augmentation of training images: albumentations per image, MixUp and CutMix per batch."""

import math
import os
import random
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Protocol, runtime_checkable

import cv2
import numpy as np
from pydantic import Field
from torch import Tensor
from torchvision.transforms.v2 import CutMix, MixUp, RandomChoice

from facemask.config.component import Component
from facemask.config.compose import CONF, read_group
from facemask.data.preprocessing import Pixels
from facemask.errors import ConfigError, did_you_mean
from facemask.seeding import AUGMENT

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # albumentations looks for updates online when imported

cv2.setNumThreads(0)  # images are too small for threads, and forked workers must not inherit a thread pool

NonNegative = Annotated[float, Field(ge=0)]
Edge = Literal["black", "repeat"]
Map = tuple[float, float, float, float, float, float]  # (x, y) -> (a x + b y + c, d x + e y + f), pixels
BORDERS = {"black": cv2.BORDER_CONSTANT, "repeat": cv2.BORDER_REPLICATE}


class Affine:
    """Rotate, scale, shear and shift about the centre; has albumentations' interface.

    Consecutive Affine steps are merged into one warp, so that a face is interpolated only once. For 64-pixel faces this
    is also faster than albumentations' Affine, which spends most of its time on checks.

    Args:
        rotate: maximum angle in either direction, degrees.
        scale: the factor is between 1 - scale and 1 + scale.
        shear: maximum angle along each axis, in either direction, degrees.
        shift: maximum shift along each axis, in either direction, as a fraction of the side.
        edge: fill outside of the image: ``black``, or ``repeat`` for the edge pixels.
    """

    def __init__(
        self,
        rotate: Annotated[float, Field(ge=0, le=180)] = 0.0,
        scale: Annotated[float, Field(ge=0, lt=1)] = 0.0,
        shear: Annotated[float, Field(ge=0, lt=90)] = 0.0,
        shift: Annotated[float, Field(ge=0, lt=1)] = 0.0,
        edge: Edge = "black",
    ) -> None:
        self.edge = edge
        self.ranges = [(rotate, scale, shear, shift)]

    def then(self, other: "Affine") -> "Affine":
        """Return one step that applies this step and then ``other``."""
        both = Affine(edge=self.edge)
        both.ranges = self.ranges + other.ranges
        return both

    def set_random_state(self, random_generator: np.random.Generator, py_random: random.Random) -> None:
        """Set the random generators to draw from."""
        self._uniform = py_random.uniform

    def __call__(self, image: Pixels) -> dict[str, Pixels]:
        """Warp an image, uint8[h, w, 3]."""
        height, width = image.shape[:2]
        x, y = (width - 1) / 2, (height - 1) / 2
        warp = (1.0, 0.0, -x, 0.0, 1.0, -y)
        for ranges in self.ranges:
            warp = chain(warp, self._draw(width, height, *ranges))
        matrix = np.array(chain(warp, (1.0, 0.0, x, 0.0, 1.0, y))).reshape(2, 3)
        warped = cv2.warpAffine(image, matrix, (width, height), borderMode=BORDERS[self.edge])
        return {"image": np.asarray(warped, dtype=np.uint8)}

    def _draw(self, width: int, height: int, rotate: float, scale: float, shear: float, shift: float) -> Map:
        uniform, radians = self._uniform, math.radians
        angle, factor = radians(uniform(-rotate, rotate)), uniform(1 - scale, 1 + scale)
        cos, sin = factor * math.cos(angle), factor * math.sin(angle)
        shear_x, shear_y = math.tan(radians(uniform(-shear, shear))), math.tan(radians(uniform(-shear, shear)))
        move_x, move_y = uniform(-shift, shift) * width, uniform(-shift, shift) * height
        return chain((1.0, shear_x, 0.0, shear_y, 1.0, 0.0), (cos, -sin, move_x, sin, cos, move_y))


def chain(first: Map, second: Map) -> Map:
    """Return the composition of two affine maps. Plain floats, because NumPy is four times slower for 2 x 3."""
    a, b, c, d, e, f = first
    p, q, r, s, t, u = second
    return p * a + q * d, p * b + q * e, p * c + q * f + r, s * a + t * d, s * b + t * e, s * c + t * f + u


@runtime_checkable  # the configuration check uses isinstance
class Step(Protocol):
    """Interface of a pipeline step: an albumentations transform or :class:`Affine`."""

    def set_random_state(self, random_generator: np.random.Generator, py_random: random.Random) -> None:
        """Set the random generators to draw from."""

    def __call__(self, *, image: Pixels) -> dict[str, Pixels]:
        """Return the augmented image under the key ``image``."""


def merge_affine(steps: Sequence[Step]) -> list[Step]:
    """Merge consecutive :class:`Affine` steps with the same ``edge``."""
    merged: list[Step] = []
    for step in steps:
        last = merged[-1] if merged else None
        if isinstance(step, Affine) and isinstance(last, Affine) and step.edge == last.edge:
            merged[-1] = last.then(step)
        else:
            merged.append(step)
    return merged


class Augmentation:
    """Pipeline of named random image transforms, and mixing of batches.

    Each image has its own random stream, seeded by (seed, epoch, sample), so results do not depend on the number of
    workers, the batch order or resuming.

    Args:
        steps: albumentations transforms and :class:`Affine` by name, in the order they are applied.
        without: names of steps to leave out, for ablations.
        mixup: alpha of MixUp's Beta distribution (Zhang et al. 2018, arXiv:1710.09412); 0 turns it off.
        cutmix: alpha of CutMix's Beta distribution (Yun et al. 2019, arXiv:1905.04899); 0 turns it off. With both, one
            of them is chosen at random for each batch.
        views: number of augmented views cached per image for a frozen backbone; 0 augments in every epoch.

    Raises:
        ConfigError: ``without`` names an unknown step.
    """

    def __init__(
        self,
        steps: Mapping[str, Step],
        without: Sequence[str] = (),
        mixup: NonNegative = 0.0,
        cutmix: NonNegative = 0.0,
        views: Annotated[int, Field(ge=0)] | None = None,
    ) -> None:
        unknown = sorted(set(without) - set(steps))
        if unknown:
            raise ConfigError(
                f"augment.without names {unknown[0]!r}, which is not a step of this pipeline; choose from: "
                f"{', '.join(steps) or 'none'}."
            )
        self.names = [name for name in steps if name not in without]
        self.mixup, self.cutmix, self.views = mixup, cutmix, views
        self._steps = merge_affine([steps[name] for name in self.names])
        self._stream, self._random = np.random.Philox(), random.Random()
        for step in self._steps:
            step.set_random_state(np.random.Generator(self._stream), self._random)

    def __call__(self, image: Pixels, seed: int, epoch: int, sample: int) -> Pixels:
        """Augment one image, uint8[S, S, 3]; the result depends only on the three numbers."""
        if not self._steps:
            return image
        self._begin(seed, epoch, sample)
        for step in self._steps:
            image = step(image=image)["image"]
        return image

    def _begin(self, seed: int, epoch: int, sample: int) -> None:
        """Jump to the position of (seed, epoch, sample) in the random stream.

        Philox is a counter-based generator: key and counter set the position. Seeding a new generator takes ten times
        as long.
        """
        state: Any = self._stream.state
        state["state"]["key"][:] = seed, AUGMENT
        state["state"]["counter"][:] = 0, 0, sample, epoch
        state["buffer_pos"], state["has_uint32"] = len(state["buffer"]), 0
        self._stream.state = state
        self._random.seed(int(self._stream.random_raw()))

    def mix(self, images: Tensor, labels: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
        """Apply MixUp or CutMix to a batch, drawing from torch's global generator.

        Args:
            images: float32[N, 3, S, S].
            labels: int64[N].
            num_classes: C.

        Returns:
            The mixed images and class probabilities, float32[N, C]; both unchanged if mixing is off.
        """
        mixers = [
            mixer(alpha=alpha, num_classes=num_classes)
            for mixer, alpha in ((MixUp, self.mixup), (CutMix, self.cutmix))
            if alpha > 0
        ]
        if not mixers:
            return images, labels
        mixed, fractions = RandomChoice(mixers)(images, labels)
        return mixed, fractions


def load_augmentation(name: str) -> Augmentation:
    """Return a pipeline of ``conf/augment`` by name, such as ``light`` or ``strong``.

    Raises:
        ConfigError: the name is unknown.
    """
    names = sorted(file.stem for file in (CONF / "augment").glob("*.yaml"))
    if name not in names:
        raise ConfigError(f"augmentation={name} is not in conf/augment{did_you_mean(name, names)}")
    augmentation: Augmentation = Component.from_plain(read_group("augment", name)).build()
    return augmentation
