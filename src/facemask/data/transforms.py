"""Augmentation: albumentations on each stored image, MixUp and CutMix on the batch. Training part only."""

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

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # the steps' library asks the network for news on import

cv2.setNumThreads(0)  # one image is too small a job to share, and forked workers must not inherit a thread pool

NonNegative = Annotated[float, Field(ge=0)]
Edge = Literal["black", "repeat"]
Map = tuple[float, float, float, float, float, float]  # (x, y) -> (a x + b y + c, d x + e y + f), pixels
BORDERS = {"black": cv2.BORDER_CONSTANT, "repeat": cv2.BORDER_REPLICATE}


class Affine:
    """Rotate, scale, shear and shift about the centre; a step that speaks albumentations' protocol.

    Neighbours of this kind in a pipeline are merged into one warp, so that a face is interpolated once, not four
    times. albumentations' own Affine spends most of its time on checks that faces of 64 pixels do not repay.

    Args:
        rotate: at most this many degrees either way.
        scale: by a factor of 1 - scale to 1 + scale.
        shear: at most this many degrees either way, along each axis.
        shift: at most this share of the side either way, along each axis.
        edge: what comes in from outside: ``black``, or the edge repeated.
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
        """Return one step that does this and then the other."""
        both = Affine(edge=self.edge)
        both.ranges = self.ranges + other.ranges
        return both

    def set_random_state(self, random_generator: np.random.Generator, py_random: random.Random) -> None:
        """Draw from these from now on."""
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
    """Return the one affine map that does two in turn. In plain floats: NumPy takes four times as long for 2 x 3."""
    a, b, c, d, e, f = first
    p, q, r, s, t, u = second
    return p * a + q * d, p * b + q * e, p * c + q * f + r, s * a + t * d, s * b + t * e, s * c + t * f + u


@runtime_checkable  # for the check of the configuration
class Step(Protocol):
    """What a step of the pipeline is: an albumentations transform, or :class:`Affine`."""

    def set_random_state(self, random_generator: np.random.Generator, py_random: random.Random) -> None:
        """Draw from these from now on."""

    def __call__(self, *, image: Pixels) -> dict[str, Pixels]:
        """Return the changed image under the name ``image``."""


def merge_affine(steps: Sequence[Step]) -> list[Step]:
    """Merge neighbouring :class:`Affine` steps that treat the edge alike."""
    merged: list[Step] = []
    for step in steps:
        last = merged[-1] if merged else None
        if isinstance(step, Affine) and isinstance(last, Affine) and step.edge == last.edge:
            merged[-1] = last.then(step)
        else:
            merged.append(step)
    return merged


class Augmentation:
    """A named pipeline of random image transforms, and the mixing of whole batches.

    Every image is drawn from a generator of its own, seeded by (seed, epoch, sample), so the number of workers, the
    order of the batches and a resumed run change nothing.

    Args:
        steps: albumentations transforms and :class:`Affine` by name, in the order they are applied.
        without: names of steps to leave out, for ablations.
        mixup: alpha of MixUp's Beta distribution (Zhang et al. 2018, arXiv:1710.09412); 0 turns it off.
        cutmix: alpha of CutMix's Beta distribution (Yun et al. 2019, arXiv:1905.04899); 0 turns it off. With both,
            each batch gets one of them, by the toss of a coin.
        views: how often each image is augmented where a frozen backbone sees it but once; 0 for anew in every epoch.

    Raises:
        ConfigError: ``without`` names a step that is not there.
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
                f"augment.without names {unknown[0]!r}, which is no step of this pipeline; its steps are: "
                f"{', '.join(steps) or 'none'}."
            )
        self.names = [name for name in steps if name not in without]
        self.mixup, self.cutmix, self.views = mixup, cutmix, views
        self._steps = merge_affine([steps[name] for name in self.names])
        self._stream, self._random = np.random.Philox(), random.Random()
        for step in self._steps:
            step.set_random_state(np.random.Generator(self._stream), self._random)

    def __call__(self, image: Pixels, seed: int, epoch: int, sample: int) -> Pixels:
        """Augment one image, uint8[S, S, 3], the same way whenever the three numbers are the same."""
        if not self._steps:
            return image
        self._begin(seed, epoch, sample)
        for step in self._steps:
            image = step(image=image)["image"]
        return image

    def _begin(self, seed: int, epoch: int, sample: int) -> None:
        """Go to the three numbers' own place in the random stream.

        Philox is made for this: its key and counter are the place. Seeding a generator afresh takes ten times as long.
        """
        state: Any = self._stream.state
        state["state"]["key"][:] = seed, AUGMENT
        state["state"]["counter"][:] = 0, 0, sample, epoch
        state["buffer_pos"], state["has_uint32"] = len(state["buffer"]), 0
        self._stream.state = state
        self._random.seed(int(self._stream.random_raw()))

    def mix(self, images: Tensor, labels: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
        """Blend the images of a batch with one another, drawing from torch's own generator.

        Args:
            images: float32[N, 3, S, S].
            labels: int64[N].
            num_classes: C.

        Returns:
            The blended images, and float32[N, C] class shares; both as they came where mixing is off.
        """
        mixers = [
            mixer(alpha=alpha, num_classes=num_classes)
            for mixer, alpha in ((MixUp, self.mixup), (CutMix, self.cutmix))
            if alpha > 0
        ]
        if not mixers:
            return images, labels
        mixed, shares = RandomChoice(mixers)(images, labels)
        return mixed, shares


def load_augmentation(name: str) -> Augmentation:
    """Return the pipeline that ``conf/augment`` has under a name, such as ``light`` or ``strong``.

    Raises:
        ConfigError: there is none of that name.
    """
    names = sorted(file.stem for file in (CONF / "augment").glob("*.yaml"))
    if name not in names:
        raise ConfigError(f"augmentation={name} is not in conf/augment{did_you_mean(name, names)}")
    augmentation: Augmentation = Component.from_plain(read_group("augment", name)).build()
    return augmentation
