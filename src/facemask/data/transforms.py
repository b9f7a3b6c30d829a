"""Augmentation: albumentations on each stored image, MixUp and CutMix on the batch. Training part only."""

import os
import random
from collections.abc import Mapping, Sequence
from typing import Annotated

import cv2
import numpy as np
from pydantic import Field
from torch import Tensor
from torchvision.transforms.v2 import CutMix, MixUp, RandomChoice

from facemask.data.preprocessing import Pixels
from facemask.errors import ConfigError
from facemask.seeding import AUGMENT, derive_seed

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # importing it would otherwise ask the network for news
import albumentations

cv2.setNumThreads(0)  # one image is too small a job to share, and forked workers must not inherit a thread pool

NonNegative = Annotated[float, Field(ge=0)]


class Augmentation:
    """A named pipeline of random image transforms, and the mixing of whole batches.

    Every image is drawn from a generator of its own, seeded by (seed, epoch, sample), so the number of workers, the
    order of the batches and a resumed run change nothing.

    Args:
        steps: albumentations transforms by name, in the order they are applied.
        without: names of steps to leave out, for ablations.
        mixup: alpha of MixUp's Beta distribution (Zhang et al. 2018, arXiv:1710.09412); 0 turns it off.
        cutmix: alpha of CutMix's Beta distribution (Yun et al. 2019, arXiv:1905.04899); 0 turns it off. With both,
            each batch gets one of them, by the toss of a coin.

    Raises:
        ConfigError: ``without`` names a step that is not there.
    """

    def __init__(
        self,
        steps: Mapping[str, albumentations.BasicTransform],
        without: Sequence[str] = (),
        mixup: NonNegative = 0.0,
        cutmix: NonNegative = 0.0,
    ) -> None:
        unknown = sorted(set(without) - set(steps))
        if unknown:
            raise ConfigError(
                f"augment.without names {unknown[0]!r}, which is no step of this pipeline; its steps are: "
                f"{', '.join(steps) or 'none'}."
            )
        self.names = [name for name in steps if name not in without]
        self.mixup, self.cutmix = mixup, cutmix
        self._compose = albumentations.Compose([steps[name] for name in self.names]) if self.names else None
        self._random = random.Random()

    def __call__(self, image: Pixels, seed: int, epoch: int, sample: int) -> Pixels:
        """Augment one image, uint8[S, S, 3], the same way whenever the three numbers are the same."""
        if self._compose is None:
            return image
        drawn = derive_seed(AUGMENT, seed, epoch, sample)
        self._random.seed(drawn)
        self._compose.set_random_state(np.random.default_rng(drawn), self._random)
        return np.asarray(self._compose(image=image)["image"], dtype=np.uint8)

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
