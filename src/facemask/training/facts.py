"""What a run is about to train on: data, groups, model and device, printed before the first epoch."""

import shlex
from functools import lru_cache

import numpy as np
import pandas as pd
import torch

from facemask.config.arguments import program
from facemask.config.component import network_name
from facemask.config.schemas import TrainConfig
from facemask.data.datamodule import FaceDataModule
from facemask.data.duplicates import near_duplicates
from facemask.data.index import left_out
from facemask.data.manifest import MANIFEST
from facemask.models.weights import without_digest
from facemask.training.parts import Model

COMPARED = 10_000  # largest number of images that are compared for near-duplicates, because time grows with its square


def training_facts(config: TrainConfig, data: FaceDataModule, model: Model, device: str) -> list[str]:
    """Return lines about a fit: images per class and part, groups, near-duplicates, model and device.

    Args:
        config: configuration of the run.
        data: data module of the fold.
        model: model before training.
        device: device that it is trained on, such as ``cpu`` or ``cuda:0``.
    """
    parts = {"training": data.train_samples, "validation": data.val_samples, "test": data.test_samples}
    counts = []
    for name in data.class_names:
        numbers = [int((part["label"] == name).sum()) for part in parts.values()]
        counts.append(f"{name} {' + '.join(f'{n:,}' for n in numbers)}")
    threads = torch.get_num_threads()
    place = device if device != "cpu" else f"cpu, {threads} thread{'s' if threads > 1 else ''}"
    lines = [
        f"data: {data.name} ({data.shown_root}), images for {' + '.join(parts)} (fold {data.fold} of {data.k})",
        f"classes: {', '.join(counts)}",
        f"groups: {_groups(data)}",
        f"model: {network_name(config.model)}, input {model.preprocessing.input_size} pixels "
        f"(images stored at {data.store_size}), initial weights: {without_digest(model.initial.source)}; {place}",
    ]
    lines += [f"note: {note}" for folder in data.folders for note in left_out(folder)]
    lines += [f"note: {note}" for note in _one_sided(data)]
    if warning := _straddling(data):
        lines.append(f"warning: {warning}")
    if config.teacher_unseen:
        lines.append(
            "note: the teachers were trained on this fold's validation images, so the validation score is too high; "
            "compare models on the test part"
        )
    if model.preprocessing.caveat:
        lines.append(f"note: {model.preprocessing.caveat}")
    return lines


def _groups(data: FaceDataModule) -> str:
    assert data.samples is not None
    groups = data.samples["group"]
    if (groups == data.samples["path"]).all():
        return "none known: images of one photo or person may be on both sides of a split"
    return f"{groups.nunique():,} for {len(groups):,} images, from {_origin(data)}; each is in one part only"


def _origin(data: FaceDataModule) -> str:
    names = [f"data.groups={data.groups}"] if data.groups else []
    return " and ".join([*[MANIFEST] * any((folder / MANIFEST).is_file() for folder in data.folders), *names])


def _one_sided(data: FaceDataModule) -> list[str]:
    """Return a sentence for each class that only one of several places holds: its name may be written differently."""
    assert data.samples is not None
    if len(data.places) == 1:
        return []
    samples = pd.concat([data.samples, data.test_samples])
    sources = samples.groupby("label")["source"].unique()
    return [
        f"only {found[0]} contains images of {name}; a class has one name in all places"
        for name, found in sources.items()
        if len(found) == 1
    ]


def _straddling(data: FaceDataModule) -> str:
    """Return a sentence about near-duplicates that lie in several folds; empty if there are none."""
    assert data.samples is not None
    if len(data.samples) > COMPARED:
        return ""
    folds = data.samples["fold"].to_numpy()
    assert isinstance(data.store.images, np.memmap)
    pairs = _pairs(str(data.store.images.filename), tuple(data.samples["row"]))
    n = sum(folds[i] != folds[j] for i, j in pairs)
    if not n:
        return ""
    warning = (
        f"{n} of {len(pairs)} pairs of near-duplicates lie in different folds, which makes validation too optimistic"
    )
    if data.folders != data.places or len(data.places) > 1:
        return f"{warning}; give both images of a pair one group, by data.groups or in a manifest"
    audit = f"{program('prepare_data')} task=audit {shlex.quote(f'data.root={data.root}')} group=true"
    return f"{warning}; to put each pair into one group, type: {audit}"


@lru_cache(maxsize=1)
def _pairs(file: str, rows: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return the positions of near-duplicates among rows of a store; kept for the next job of a sweep."""
    found = near_duplicates(np.load(file, mmap_mode="r")[list(rows)])
    return [(int(i), int(j)) for i, j in zip(found["first"], found["second"], strict=True)]
