"""Cached features of a frozen backbone, on which heads train in seconds."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from rich.progress import track

from facemask.config.schemas import TrainConfig
from facemask.data.datamodule import FaceDataModule
from facemask.data.dataset import FeatureArray, Features
from facemask.data.preprocessing import Pixels, Preprocessing
from facemask.errors import ConfigError, DataError
from facemask.files import open_atomically
from facemask.models.classifier import MaskClassifier
from facemask.models.freezing import BACKBONE
from facemask.models.weights import state_digest
from facemask.terminal import SafeConsole
from facemask.training.parts import Model

FORMAT = 1  # increment when the features of an unchanged image change
VIEWS = 4  # default of augment.views, augmented views per image
BATCH = 32  # twice as fast as 64 on a CPU, because the activations fit its cache
MIXING = ("views", "mixup", "cutmix")  # keys of augment that do not affect a view


def frozen_features(config: TrainConfig, data: FaceDataModule, model: Model, device: str) -> Features | None:
    """Return the cached features of all training images, computing missing ones; None if they do not apply.

    Features are stored beside the images, one file per view, and shared by folds, jobs and sweeps. Epochs cycle through
    the views. With ``augment.views=0`` nothing is cached and the backbone runs in every epoch.

    Args:
        config: complete configuration.
        data: data module after setup.
        model: model to train.
        device: device to compute on.

    Raises:
        ConfigError: the network is not ``head(backbone(image))``.
        DataError: the files cannot be written.
    """
    augmentation = data.augmentation
    views = VIEWS if augmentation is None or augmentation.views is None else augmentation.views
    if config.model.get("freeze") != BACKBONE or not isinstance(model.module, MaskClassifier) or views == 0:
        return None
    extractor = Extractor(data, model.module, model.preprocessing, device)
    extractor.check()
    clean = extractor.open(None)
    if augmentation is None or not augmentation.names:
        return Features(clean, [clean])
    steps = config.augment.without(*MIXING).to_plain()
    return Features(clean, [extractor.open(view, f"view {view + 1} of {views}", steps) for view in range(views)])


@contextmanager
def threads_for(features: Features | None) -> Iterator[None]:
    """Use one thread for training a head.

    A head is too small for more, and one thread gives the same digits on every machine.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(before if features is None else 1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Extractor:
    """Computes backbone features of a data set, or reads cached ones.

    Args:
        data: data module after setup.
        model: model with the backbone.
        preprocessing: preprocessing of the model.
        device: device to compute on.
    """

    def __init__(self, data: FaceDataModule, model: MaskClassifier, preprocessing: Preprocessing, device: str) -> None:
        self.data, self.model, self.preprocessing, self.device = data, model, preprocessing, device
        self.folder = data.store_dir / "features"
        self.facts = {
            "format": FORMAT,
            "images": data.store.digest,
            "backbone": [type(model.net.backbone).__name__, state_digest(model.net.get_submodule("backbone"))],
            "input": [preprocessing.input_size, *preprocessing.mean, *preprocessing.std],
        }

    def check(self) -> None:
        """Raise if the head needs more than the backbone's features.

        Raises:
            ConfigError: the network is not ``head(backbone(image))``.
        """
        net, is_whole = self.model.net, False
        if hasattr(net, "head"):
            with self._at_rest():
                inputs, features = self._run(np.array(self.data.store.images[:2]))
                is_whole = features.ndim == 2 and torch.allclose(self.model(features), self.model(inputs), atol=1e-4)
        if not is_whole:
            raise ConfigError(
                f"{type(net).__name__} is not head(backbone(image)), so its features cannot be cached; set "
                "augment.views=0."
            )

    def open(self, view: int | None, title: str = "not augmented", steps: Mapping[str, object] | None = None) -> Path:
        """Return the file of the features, float32[N, F], of every row of the store.

        Args:
            view: number of the augmented view; None for images without augmentation.
            title: title of the progress bar.
            steps: configuration of the augmentation, part of the cache key.
        """
        facts = self.facts | ({} if view is None else {"view": view, "seed": self.data.seed, "steps": steps})
        file = self.folder / f"{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]}.npy"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(file.with_suffix(".lock")):  # only one of several jobs computes
                if not file.is_file():
                    with open_atomically(file) as stream:
                        np.save(stream, self._compute(view, title))
        except OSError as error:
            raise DataError(
                f"{file} cannot be written ({error.strerror}); free space, choose another data.store_dir, or cache no "
                "features: augment.views=0."
            ) from error
        return file

    def _compute(self, view: int | None, title: str) -> FeatureArray:
        images, augmentation = self.data.store.images, self.data.augmentation
        parts = []
        console = SafeConsole(stderr=True)
        starts = range(0, len(images), BATCH)
        title = f"Features of {len(images):,} images, {title}, once"
        with self._at_rest():
            for start in track(starts, title, console=console, transient=console.is_terminal):
                batch = np.array(images[start : start + BATCH])
                if view is not None and augmentation is not None:
                    for i in range(len(batch)):
                        batch[i] = augmentation(batch[i], self.data.seed, view, start + i)
                parts.append(self._run(batch)[1].float().cpu().numpy())
        return np.concatenate(parts)

    @contextmanager
    def _at_rest(self) -> Iterator[None]:
        """Disable gradients and dropout temporarily."""
        self.model.to(self.device).eval()
        try:
            with torch.inference_mode():
                yield
        finally:
            self.model.train()

    def _run(self, batch: Pixels) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the network's input for stored images, uint8[B, S, S, 3], and its features."""
        inputs = self.preprocessing.normalise(torch.from_numpy(batch).to(self.device))
        inputs = inputs.contiguous(memory_format=self.model.memory_format)
        return inputs, self.model.net.get_submodule("backbone")(inputs)
