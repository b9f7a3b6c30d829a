"""The Lightning data module: index, splits, store and augmentation."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from lightning.pytorch import LightningDataModule
from pydantic import Field
from torch import Tensor

from facemask.config.component import TARGET, describe
from facemask.config.roots import Root, base_name, shown_places, to_places
from facemask.data.dataset import EpochSampler, FaceDataset, FeatureArray, FeatureDataset, Features
from facemask.data.loading import ArrayLoader, array_loader, n_loader_processes
from facemask.data.places import open_set
from facemask.data.preprocessing import Preprocessing
from facemask.data.splits import (
    Balance,
    assign_folds,
    balance_rows,
    class_weights,
    drop_small,
    hold_out_source,
    hold_out_test,
    subset,
)
from facemask.data.store import Store, check_readable, fingerprint, open_store, samples_digest
from facemask.data.transforms import Augmentation, load_augmentation
from facemask.errors import DataError

FEATURE_BATCH_SIZE = 1024  # validation batch size when a head is trained on cached features
DEMO_CAVEAT = (
    "trained on the demo set, whose masks are drawn; on photos of real masks it calls many masked faces bare. Train on "
    "real faces before you use it."
)
# Arguments with an attribute of the same name and a plain type.
RECORDED = (
    *("name", "store_size", "batch_size", "k", "fold", "seed", "split_seed", "fraction", "test_fraction"),
    *("min_side", "balance", "max_unreadable", "num_workers", "groups", "test_source", "hint"),
)
UnitInterval = Annotated[float, Field(ge=0, lt=1)]


class FaceDataModule(LightningDataModule):
    """Face crops of one data set, split into a training part with folds and a test part.

    Batches are (images, labels): float32[N, 3, input_size, input_size] normalised on the device, and int64[N], or
    float32[N, C] class probabilities after MixUp or CutMix. The test part is only decoded for ``trainer.test`` and
    ``trainer.predict``. Input size and normalisation are those of the model that the trainer fits.

    Args:
        root: folder of images, archive or table, or a list of them, see :func:`facemask.data.places.open_set`.
        name: data set name in tables and folders; None for the names of the folders.
        store_dir: folder of decoded images.
        store_size: side of the decoded images, pixels.
        batch_size: images per step, divided among DDP processes.
        augmentation: augmentation of training images: a pipeline, the name of one in ``conf/augment``, or None.
        k: number of folds.
        fold: validation fold, in [0, k); the other folds are trained on.
        seed: seed of initial weights, shuffling and augmentation.
        split_seed: seed of every split; separate from ``seed``, so that runs can share the split.
        fraction: fraction of the training part to use, in (0, 1].
        test_fraction: fraction held out for testing if the set has no test part.
        min_side: minimum side of training images, pixels; validation keeps smaller ones.
        balance: class balancing, see :func:`facemask.data.splits.balance_rows`.
        max_unreadable: maximum fraction of damaged files, in [0, 1).
        num_workers: loader processes; 0 loads in the main process; None for one, and on a GPU for up to 8 in training.
        groups: regular expression that finds the group of an image in its file name, see
            :func:`facemask.data.groups.groups_from_names`; a manifest takes precedence.
        test_source: source whose images are the test part, see :func:`facemask.data.splits.hold_out_source`; None for
            the set's own test part, or ``test_fraction``.
        hint: where to get the data set; added to the error if it is missing.
        create: function that generates the data set at ``root`` (for the demo set).
        input_size: side of the network's input, pixels; None takes the model's.
        teacher: function from stored images, uint8[N, S, S, 3], to logits, float32[N, C], which are added to training
            batches. With an attribute ``needs_folds=True`` it also gets the folds of the images, int64[N].

    Example:
        >>> data = FaceDataModule("faces", batch_size=16, augmentation="strong")
        >>> data.name, data.k, data.augmentation.names[:2]
        ('faces', 5, ['flip', 'color_jitter'])
    """

    def __init__(
        self,
        root: Root,
        name: str | None = None,
        store_dir: str | Path = "data/store",
        store_size: Annotated[int, Field(ge=8, le=1024)] = 64,
        batch_size: Annotated[int, Field(ge=1)] = 32,
        augmentation: Augmentation | str | None = "light",
        k: Annotated[int, Field(ge=2)] = 5,
        fold: int = 0,
        seed: int = 0,
        split_seed: int = 0,
        fraction: Annotated[float, Field(gt=0, le=1)] = 1.0,
        test_fraction: Annotated[float, Field(ge=0, le=0.5)] = 0.2,
        min_side: Annotated[int, Field(ge=0)] = 0,
        balance: Balance = "none",
        max_unreadable: UnitInterval = 0.01,
        num_workers: Annotated[int, Field(ge=0)] | None = None,
        groups: str | None = None,
        test_source: str | None = None,
        hint: str = "",
        create: Callable[[Path], None] | None = None,
        input_size: Annotated[int, Field(ge=8, le=1024)] | None = None,
        teacher: Callable[..., Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.shown_root = shown_places(root)
        self.places, self.store_dir = to_places(root), Path(store_dir).expanduser()
        self.root, self.folders = self.places[0], self.places  # of the images; known when the set is opened
        self.name, self.store_size, self.input_size = name or base_name(root), store_size, input_size
        self.batch_size, self.num_workers = batch_size, num_workers
        self.augmentation = load_augmentation(augmentation) if isinstance(augmentation, str) else augmentation
        self.k, self.fold, self.seed, self.split_seed = k, fold, seed, split_seed
        self.fraction, self.test_fraction, self.min_side = fraction, test_fraction, min_side
        self.balance, self.max_unreadable, self.groups = balance, max_unreadable, groups
        self.test_source = test_source
        self.hint, self.create = hint, create
        self.teacher = teacher
        self.features: Features | None = None
        self.first_epoch = 0  # facemask.models.epoch_seed sets it when a fit is resumed
        self.training_size: int | None = None  # side of training batches, pixels, if not the network's input size
        self.samples: pd.DataFrame | None = None

    def __getstate__(self) -> dict[str, Any]:
        # Other processes read the tables and memory-map the files themselves, so no pixels are pickled.
        left_out = ("store", "test_store")
        return {key: value for key, value in self.__dict__.items() if key not in left_out} | {"samples": None}

    def prepare_data(self) -> None:
        """Generate the set if it has ``create``, and decode it, in one process."""
        if self.create is not None:
            self.create(self.root)
        self.setup()

    def setup(self, stage: str | None = None) -> None:
        """Read the tables and select the fold; for ``test`` and ``predict`` also decode the test part."""
        if self.samples is None:
            self.root, table, self.folders = open_set(self.places, self.store_dir, self.hint, groups=self.groups)
            if self.test_source is not None:
                table = hold_out_source(table, self.test_source)
            table = hold_out_test(table, self.test_fraction, self.split_seed)
            self.class_names: list[str] = sorted(table["label"].unique())
            self.test_samples = table[table["split"] == "test"]  # not decoded here: training does not use it
            train = subset(table[table["split"] == "train"], self.fraction, self.split_seed)
            self.store = open_store(self.root, train["path"].tolist(), self.store_size, self.store_dir)
            self.unreadable = check_readable(self.store, self.max_unreadable)
            self.samples = self._readable_samples(train, self.store)
            self.samples["fold"] = assign_folds(self.samples, self.k, self.split_seed)
            self._pick_fold(self.samples)
        if stage in ("test", "predict") and not hasattr(self, "test_store"):
            self._open_test_part()

    def _open_test_part(self) -> None:
        if self.test_samples.empty:
            raise DataError(
                f"data.root={self.shown_root} has no test part, because data.test_fraction=0; set it, or evaluate on "
                "another folder."
            )
        self.test_store = open_store(self.root, self.test_samples["path"].tolist(), self.store_size, self.store_dir)
        check_readable(self.test_store, self.max_unreadable)
        self.test_samples = self._readable_samples(self.test_samples, self.test_store)

    @staticmethod
    def _readable_samples(part: pd.DataFrame, store: Store) -> pd.DataFrame:
        """Return the readable images of a part with their size and row of the store."""
        samples = part.merge(store.samples.assign(row=range(len(part))), on="path", validate="1:1")
        return samples[samples.pop("error") == ""].reset_index(drop=True)

    def _pick_fold(self, samples: pd.DataFrame) -> None:
        train, self.val_samples = (
            samples[side] for side in (samples["fold"] != self.fold, samples["fold"] == self.fold)
        )
        train = drop_small(train, self.min_side)
        self.smallest_crop = int(np.quantile(train[["width", "height"]].min(axis=1), 0.01)) if len(train) else 0
        self.train_samples = train.iloc[balance_rows(self._labels(train), self.balance, self.split_seed)]

    @property
    def class_weights(self) -> npt.NDArray[np.float32] | None:
        """Loss weights, float32[C], if ``balance`` is ``weighted``, else None."""
        if self.balance != "weighted":
            return None
        return class_weights(self._labels(self.train_samples), len(self.class_names))

    @property
    def fingerprint(self) -> str:
        """Short hash of the training part: pixels, labels and groups."""
        assert self.samples is not None
        return fingerprint(self.store, self.samples)

    @property
    def samples_digest(self) -> str:
        """Short hash of the training part that does not depend on the size of the stored images."""
        assert self.samples is not None
        return samples_digest(self.store, self.samples)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return the number of images per class in the training part (as used) and in the test part."""
        assert self.samples is not None
        parts = {"train": self.samples, "test": self.test_samples}
        return {name: {c: int((part["label"] == c).sum()) for c in self.class_names} for name, part in parts.items()}

    def to_record(self) -> dict[str, object]:
        """Return a ``_target_`` node of plain types that reopens the same data."""
        record: dict[str, object] = {name: getattr(self, name) for name in RECORDED}
        places = [str(place) for place in self.places]
        record |= {
            "root": places if len(places) > 1 else places[0],
            "store_dir": str(self.store_dir),
            "create": describe(self.create),
        }
        return {TARGET: f"{type(self).__module__}.{type(self).__qualname__}", **record}

    @property
    def preprocessing(self) -> Preprocessing:
        """Preprocessing from stored images to the input of the trainer's model.

        A model may define ``preprocessing_for(class_names, store_size)``. Other models get ImageNet normalisation and
        their ``input_size``, or the stored size if they have none.
        """
        model = self.trainer.lightning_module if self.trainer is not None else None
        names, size = tuple(self.class_names), self.input_size or getattr(model, "input_size", None) or self.store_size
        if (own := getattr(model, "preprocessing_for", None)) is not None:
            preprocessing: Preprocessing = own(names, self.store_size)
            return replace(preprocessing, caveat=self.caveat, smallest_crop=self.smallest_crop)
        return Preprocessing(names, size, self.store_size, caveat=self.caveat, smallest_crop=self.smallest_crop)

    @property
    def caveat(self) -> str:
        """What users of a model trained on this set should know; empty unless it is the demo set."""
        create = self.create.func if isinstance(self.create, partial) else self.create
        return DEMO_CAVEAT if getattr(create, "__module__", "") == "facemask.data.demo" else ""

    def with_features(self, features: Features | None) -> "FaceDataModule":
        """Return a copy that serves cached backbone features instead of images."""
        other = type(self).__new__(type(self))
        other.__dict__ = self.__dict__ | {"features": features}
        return other

    def images(self, samples: pd.DataFrame) -> npt.NDArray[np.uint8]:
        """Return the stored images of samples, uint8[N, S, S, 3]."""
        return np.asarray(self.store.images[samples["row"].to_numpy()])

    def inputs(self, samples: pd.DataFrame) -> npt.NDArray[np.uint8] | FeatureArray:
        """Return the features of samples if they are cached, else their images."""
        if self.features is None:
            return self.images(samples)
        features: FeatureArray = np.load(self.features.clean, mmap_mode="r")[samples["row"].to_numpy()]
        return features

    def train_dataloader(self) -> ArrayLoader:
        """Return shuffled, augmented batches of the training folds."""
        return self._loader(self.train_samples, self.store, is_training=True)

    def val_dataloader(self) -> ArrayLoader:
        """Return batches of the validation fold, without augmentation, in the order of ``val_samples``."""
        return self._loader(self.val_samples, self.store)

    def test_dataloader(self) -> ArrayLoader:
        """Return batches of the test part, without augmentation, in the order of ``test_samples``."""
        return self._loader(self.test_samples, self.test_store)

    def predict_dataloader(self) -> ArrayLoader:
        """Return the same batches as :meth:`test_dataloader`."""
        return self.test_dataloader()

    def _loader(self, samples: pd.DataFrame, store: Store, is_training: bool = False) -> ArrayLoader:
        rank, processes = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        seed, first = (self.seed, self.first_epoch) if is_training else (None, 0)
        sampler = EpochSampler(len(samples), seed, first, rank, processes, is_even=is_training)
        rows, labels = samples["row"].to_numpy(), self._labels(samples)
        batch_size, num_workers = self.batch_size // processes, self._workers(is_training)
        dataset: FaceDataset | FeatureDataset
        if self.features is None:
            augmentation = self.augmentation if is_training else None
            needs_folds = is_training and getattr(self.teacher, "needs_folds", False)
            folds = samples["fold"].to_numpy() if needs_folds else None
            dataset = FaceDataset(store.images, labels, rows, augmentation, self.seed, folds)
        else:
            dataset = FeatureDataset(self.features.views if is_training else [self.features.clean], labels, rows)
            num_workers = 0  # a worker costs more time than it saves
            batch_size = batch_size if is_training else FEATURE_BATCH_SIZE
        # Batch norm cannot train on a batch of one image.
        has_lone_image = is_training and len(sampler) > batch_size and len(sampler) % batch_size == 1
        return array_loader(dataset, sampler, batch_size, num_workers, drop_last=has_lone_image)

    def _workers(self, is_training: bool) -> int:
        if self.num_workers is not None:
            return self.num_workers
        return n_loader_processes(self.trainer) if is_training and self.trainer else 1

    def _labels(self, samples: pd.DataFrame) -> npt.NDArray[np.int64]:
        return pd.Categorical(samples["label"], self.class_names).codes.astype(np.int64)

    def on_after_batch_transfer(self, batch: tuple[Tensor, ...], dataloader_idx: int) -> tuple[Tensor, ...]:
        """Resize and normalise on the device; in training also apply mixing or the teacher."""
        if self.features is not None:
            return batch
        stored, labels, *folds = batch
        preprocessing = self.preprocessing
        if self.trainer is None or not self.trainer.training:
            return preprocessing.normalise(stored), labels
        images = replace(preprocessing, input_size=self.training_size or preprocessing.input_size).normalise(stored)
        if self.teacher is not None:
            return images, labels, self.teacher(stored, *folds)
        if self.augmentation is not None:
            return self.augmentation.mix(images, labels, len(self.class_names))
        return images, labels
