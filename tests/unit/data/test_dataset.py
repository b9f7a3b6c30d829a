"""Batches contain the requested images; order and augmentation depend on the seed and the epoch only."""

import pickle
from pathlib import Path

import albumentations
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from facemask.data.dataset import EpochSampler, FaceDataset
from facemask.data.loading import as_is
from facemask.data.transforms import Augmentation

IMAGES = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 3)).astype(np.uint8)
LABELS = np.arange(30) % 3


def batches(workers: int, epochs: range) -> list[tuple[torch.Tensor, torch.Tensor]]:
    augmentation = Augmentation({"noise": albumentations.GaussNoise(p=1.0)})
    sampler = EpochSampler(30, seed=4)
    loader = DataLoader(
        FaceDataset(IMAGES, LABELS, np.arange(30), augmentation, seed=4),
        batch_size=7,
        sampler=sampler,
        num_workers=workers,
        collate_fn=as_is,
        persistent_workers=workers > 0,
    )
    found = []
    for epoch in epochs:
        sampler.set_epoch(epoch)
        found += list(loader)
    return found


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_workers_changes_no_pixel(workers: int) -> None:
    for (images, labels), (others, their_labels) in zip(batches(0, range(2)), batches(workers, range(2)), strict=True):
        assert (images == others).all()
        assert (labels == their_labels).all()


def test_an_epoch_alone_is_the_same_as_after_others() -> None:
    alone, after = batches(0, range(2, 3)), batches(0, range(3))[10:]
    assert all((a[0] == b[0]).all() for a, b in zip(alone, after, strict=True))


def test_every_epoch_has_every_image_once_in_another_order() -> None:
    sampler = EpochSampler(30, seed=0)
    orders = []
    for epoch in range(2):
        sampler.set_epoch(epoch)
        keys = list(sampler)
        assert {epoch for epoch, _ in keys} == {epoch}
        orders.append([position for _, position in keys])
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(30))
    assert orders[0] != orders[1]
    assert [position for _, position in EpochSampler(5)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("n", "processes"), [(10, 2), (11, 2), (11, 3)])
def test_processes_share_out_every_image_once(n: int, processes: int) -> None:
    whole = [position for _, position in EpochSampler(n, seed=1)]
    ranks = range(processes)
    shares = [[position for _, position in EpochSampler(n, 1, rank=r, processes=processes)] for r in ranks]
    assert sorted(position for share in shares for position in share) == list(range(n))
    assert [share[0] for share in shares] == whole[:processes]  # the first batches together are the first of one
    even = [EpochSampler(n, 1, rank=r, processes=processes, is_even=True) for r in ranks]
    assert {len(sampler) for sampler in even} == {len(list(sampler)) for sampler in even} == {n // processes}


def test_augmenting_never_touches_the_store() -> None:
    before = IMAGES.copy()
    batches(0, range(1))
    assert (before == IMAGES).all()


def test_repeated_images_are_augmented_differently() -> None:
    augmentation = Augmentation({"noise": albumentations.GaussNoise(p=1.0)})
    dataset = FaceDataset(IMAGES, LABELS[[3, 3]], np.array([3, 3]), augmentation)
    images, labels = dataset.__getitems__([(0, 0), (0, 1)])
    assert (images[0] != images[1]).any()
    assert labels.tolist() == [0, 0]
    assert (dataset[0, 0][0] == images[0]).all()


def test_a_spawned_worker_memory_maps_the_store(tmp_path: Path) -> None:
    images = np.zeros((4000, 8, 8, 3), np.uint8)
    images[7] = 9
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    sent = pickle.dumps(FaceDataset(mapped, np.zeros(4, np.int64), np.array([0, 1, 7, 8])))
    assert len(sent) < 10_000
    received, _ = pickle.loads(sent)[0, 2]
    assert (received == 9).all()
