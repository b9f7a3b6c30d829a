"""What a frozen backbone makes of every image, computed once and kept: heads are then trained in seconds."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from rich.console import Console
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
from facemask.training.parts import Model

FORMAT = 1  # raise it when the features of an unchanged image would change
VIEWS = 4  # augmented views of each image, where augment.views does not say
BATCH = 32  # on a CPU twice as fast as 64, whose activations no longer fit its cache
MIXING = ("views", "mixup", "cutmix")  # keys of augment that do not change a view


def frozen_features(config: TrainConfig, data: FaceDataModule, model: Model, device: str) -> Features | None:
    """Return the features of all training images, computing those that are not cached; None where they cannot serve.

    They lie beside the store, a file a view, so that folds, jobs and later sweeps share them. A head sees the views in
    turn, one an epoch, in place of an endless supply. ``augment.views=0`` caches nothing: then the backbone runs in
    every epoch.

    Args:
        config: the whole configuration.
        data: its tables read.
        model: the model to be trained.
        device: where to compute.

    Raises:
        ConfigError: the network does more with an image than ``head(backbone(image))``.
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
    """Train a head on one thread: it is too small to share, and one gives the same digits on every machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(before if features is None else 1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Extractor:
    """Runs a backbone over the images of a data set, or reads what an earlier run has kept of that.

    Args:
        data: its tables read.
        model: the model whose backbone is meant.
        preprocessing: how it wants to be fed.
        device: where to compute.
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
        """Refuse a network for which features are not all that its head sees; what is kept cannot tell.

        Raises:
            ConfigError: it does more with an image than ``head(backbone(image))``.
        """
        net, is_whole = self.model.net, False
        if hasattr(net, "head"):
            with self._at_rest():
                inputs, features = self._run(np.array(self.data.store.images[:2]))
                is_whole = features.ndim == 2 and torch.allclose(self.model(features), self.model(inputs), atol=1e-4)
        if not is_whole:
            raise ConfigError(
                f"{type(net).__name__} is not its head on its backbone's features, so these cannot be kept; set "
                "augment.views=0."
            )

    def open(self, view: int | None, title: str = "as they are", steps: Mapping[str, object] | None = None) -> Path:
        """Return the file of the features, float32[N, F], of every row of the store.

        Args:
            view: the number of an augmented view; None for the images as they are.
            title: what to call it.
            steps: what the augmentation is made of.
        """
        facts = self.facts | ({} if view is None else {"view": view, "seed": self.data.seed, "steps": steps})
        file = self.folder / f"{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]}.npy"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(file.with_suffix(".lock")):  # of several jobs, one computes
                if not file.is_file():
                    with open_atomically(file) as stream:
                        np.save(stream, self._compute(view, title))
        except OSError as error:
            raise DataError(
                f"{file} cannot be written ({error.strerror}); make room, point data.store_dir elsewhere, or keep no "
                "features: augment.views=0."
            ) from error
        return file

    def _compute(self, view: int | None, title: str) -> FeatureArray:
        images, augmentation = self.data.store.images, self.data.augmentation
        parts = []
        console = Console(stderr=True)
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
        """Have the model neither learn nor drop anything for a while."""
        self.model.to(self.device).eval()
        try:
            with torch.inference_mode():
                yield
        finally:
            self.model.train()

    def _run(self, batch: Pixels) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the network's input of some stored images, uint8[B, S, S, 3], and what its backbone makes of it."""
        inputs = self.preprocessing.normalise(torch.from_numpy(batch).to(self.device))
        inputs = inputs.contiguous(memory_format=self.model.memory_format)
        return inputs, self.model.net.get_submodule("backbone")(inputs)
