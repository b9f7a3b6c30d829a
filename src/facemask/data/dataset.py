"""Datasets and sampler: which images, in which order, with which augmentation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch.utils.data import Dataset, Sampler

from facemask.data.transforms import Augmentation
from facemask.seeding import SHUFFLE, derive_seed

Batch = tuple[npt.NDArray[Any], ...]  # images or features, labels, and with a teacher of several models the folds
FeatureArray = npt.NDArray[np.float32]
Key = tuple[int, int]  # (epoch, position): tells a worker process the epoch without any shared state


class FaceDataset(Dataset[Batch]):
    """Dataset of stored images that fetches whole batches.

    Args:
        images: uint8[N, S, S, 3], the stored images.
        labels: int64[M], class of each position.
        rows: int64[M], row of the store at each position; rows may repeat.
        augmentation: applied to every image; None for validation and test.
        seed: seed of the augmentation.
        folds: int64[M], fold of each position, if batches shall contain it.
    """

    def __init__(
        self,
        images: npt.NDArray[np.uint8],
        labels: npt.NDArray[np.int64],
        rows: npt.NDArray[np.int64],
        augmentation: Augmentation | None = None,
        seed: int = 0,
        folds: npt.NDArray[np.int64] | None = None,
    ) -> None:
        self.images, self.labels, self.rows = images, labels, rows
        self.augmentation, self.seed, self.folds = augmentation, seed, folds

    def __len__(self) -> int:
        return len(self.rows)

    def __getstate__(self) -> dict[str, Any]:
        # Spawned workers memory-map the file again, so the pixels are not pickled.
        images = self.images.filename if isinstance(self.images, np.memmap) else self.images
        return self.__dict__ | {"images": images}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if not isinstance(self.images, np.ndarray):
            self.images = np.load(self.images, mmap_mode="r")

    def __getitem__(self, key: Key) -> Batch:
        """Return one image, uint8[S, S, 3], its label, int64[], and its fold, int64[], if folds are known."""
        return tuple(part[0] for part in self.__getitems__([key]))

    def __getitems__(self, keys: Sequence[Key]) -> Batch:
        """Return a batch: images, uint8[B, S, S, 3], labels, int64[B], and folds, int64[B], if they are known."""
        positions = [position for _, position in keys]
        batch = self.images[self.rows[positions]]
        if self.augmentation is not None:
            for i, (epoch, position) in enumerate(keys):
                batch[i] = self.augmentation(batch[i], self.seed, epoch, position)
        folds = () if self.folds is None else (self.folds[positions],)
        return batch, self.labels[positions], *folds


@dataclass(frozen=True)
class Features:
    """Cached backbone features of every row of the store.

    Attributes:
        clean: file with float32[N, F], features of the images without augmentation.
        views: files with features of augmented images; training epochs cycle through them.
    """

    clean: Path
    views: Sequence[Path]


class FeatureDataset(Dataset[Batch]):
    """Dataset of cached features.

    Args:
        views: files with float32[N, F]; epochs cycle through them.
        labels: int64[M], class of each position.
        rows: int64[M], row of the store at each position.
    """

    def __init__(self, views: Sequence[Path], labels: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]) -> None:
        self.views = [np.load(view, mmap_mode="r") for view in views]
        self.labels, self.rows = labels, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: Key) -> Batch:
        """Return one image's features, float32[F], and its label, int64[]."""
        features, labels = self.__getitems__([key])
        return features[0], labels[0]

    def __getitems__(self, keys: Sequence[Key]) -> Batch:
        """Return a batch: features, float32[B, F], and labels, int64[B]."""
        epoch = keys[0][0]  # all keys of a batch have the same epoch
        positions = [position for _, position in keys]
        features = self.views[epoch % len(self.views)][self.rows[positions]]
        return features, self.labels[positions]


class EpochSampler(Sampler[Key]):
    """Sampler that yields every position once per epoch, in an order set by (seed, epoch).

    Lightning calls :meth:`set_epoch` before each epoch.

    Under DDP each rank takes a strided slice of the same permutation, so the ranks' n-th batches together equal the
    single-process n-th batch.

    Args:
        n: number of positions.
        seed: seed of the shuffling; None keeps the order.
        first_epoch: epoch that a resumed run starts with.
        rank: rank of this process, in [0, processes).
        processes: number of DDP processes.
        is_even: drop the last positions so that all ranks get equally many; training needs the same number of steps per
            rank.
    """

    def __init__(
        self,
        n: int,
        seed: int | None = None,
        first_epoch: int = 0,
        rank: int = 0,
        processes: int = 1,
        is_even: bool = False,
    ) -> None:
        self.n, self.seed, self.epoch, self.first_epoch = n, seed, first_epoch, first_epoch
        self.slice = slice(rank, n - n % processes if is_even else n, processes)

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next pass; epochs before ``first_epoch`` are ignored.

        Lightning passes 0 when it starts the workers, before it restores the epoch of a resumed run.
        """
        self.epoch = max(epoch, self.first_epoch)

    def __len__(self) -> int:
        return len(range(self.n)[self.slice])

    def __iter__(self) -> Iterator[Key]:
        order = np.arange(self.n)
        if self.seed is not None:
            order = np.random.default_rng(derive_seed(SHUFFLE, self.seed, self.epoch)).permutation(self.n)
        return ((self.epoch, int(position)) for position in order[self.slice])
