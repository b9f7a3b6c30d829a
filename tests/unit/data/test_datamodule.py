"""The data module gives the right images with every option, and never touches the test part."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from conftest import write_faces
from facemask.data.datamodule import FaceDataModule
from facemask.errors import DataError


def module(root: Path, store: Path, **options: Any) -> FaceDataModule:
    settings = {"store_size": 16, "batch_size": 8, "augmentation": None, "k": 3, "num_workers": 0} | options
    data = FaceDataModule(root, store_dir=store, **settings)
    data.prepare_data()
    return data


def test_folds_cover_the_training_part_once_and_never_the_test_part(faces: Path, tmp_path: Path) -> None:
    parts = [module(faces, tmp_path, fold=fold) for fold in range(3)]
    seen = [path for part in parts for path in part.val_samples["path"]]
    test = set(parts[0].test_samples["path"])
    assert len(seen) == len(set(seen)) == 40 - len(test)
    assert len(test) == 8
    for part in parts:
        train, val = set(part.train_samples["path"]), set(part.val_samples["path"])
        assert not train & val
        assert not (train | val) & test
        assert train | val == set(seen)


def test_the_test_part_is_not_even_decoded(tmp_path: Path) -> None:
    for part in ("train", "test"):
        write_faces(tmp_path / "set" / part, {"a": 9, "b": 9})
    for file in (tmp_path / "set/test").rglob("*.png"):
        file.write_text("would be unreadable")
    data = module(tmp_path / "set", tmp_path / "store")
    assert len(data.unreadable) == 0
    assert data.counts() == {"train": {"a": 9, "b": 9}, "test": {"a": 9, "b": 9}}


def test_unreadable_images_are_left_out_up_to_the_limit(tmp_path: Path) -> None:
    root = write_faces(tmp_path / "set", {"a": 12, "b": 12})
    (root / "a/003.png").write_text("not a picture")
    with pytest.raises(DataError, match="cannot be read, more than data.max_unreadable=0.01 allows"):
        module(root, tmp_path, test_fraction=0.0)
    data = module(root, tmp_path, test_fraction=0.0, max_unreadable=0.1)
    assert data.unreadable["path"].tolist() == ["a/003.png"]
    assert data.samples is not None
    assert "a/003.png" not in set(data.samples["path"])


def test_fraction_and_size_limit_the_training_part_only(tmp_path: Path) -> None:
    root = write_faces(tmp_path / "set" / "train", {"a": 20, "b": 20}).parent
    write_faces(root / "test", {"a": 5, "b": 5})
    write_faces(root / "train/b/small", {"": 4}, side=6)
    data = module(root, tmp_path / "store", fraction=0.5, min_side=8)
    assert data.counts()["test"] == {"a": 5, "b": 5}
    assert data.counts()["train"]["a"] == 10
    assert data.samples is not None
    assert data.train_samples["width"].min() == 12
    assert data.samples["width"].min() == 6  # validation meets small faces, too


def test_balancing_acts_on_the_training_images_alone(tmp_path: Path) -> None:
    root = write_faces(tmp_path / "set", {"a": 30, "b": 15})
    sizes = {}
    for method in ("none", "undersample", "oversample", "weighted"):
        data = module(root, tmp_path, balance=method, test_fraction=0.0)
        sizes[method] = data.train_samples["label"].value_counts().to_dict()
        assert data.val_samples["label"].value_counts().to_dict() == {"a": 10, "b": 5}
        assert (data.class_weights is None) == (method != "weighted")
    assert sizes["none"] == sizes["weighted"] == {"a": 20, "b": 10}
    assert sizes["undersample"] == {"a": 10, "b": 10}
    assert sizes["oversample"] == {"a": 20, "b": 20}
    assert data.class_weights is not None
    np.testing.assert_allclose(data.class_weights, [0.75, 1.5])


def test_the_last_batch_is_dropped_only_if_it_has_one_image(tmp_path: Path) -> None:
    root = write_faces(tmp_path / "set", {"a": 15, "b": 12})  # 18 to train on with k=3
    sizes = {
        bs: [len(labels) for _, labels in module(root, tmp_path, batch_size=bs, test_fraction=0.0).train_dataloader()]
        for bs in (17, 16, 18, 32)
    }
    assert sizes == {17: [17], 16: [16, 2], 18: [18], 32: [18]}


@pytest.mark.parametrize(
    ("device", "asked", "threads", "n_gpus", "expected"),
    [
        ("cpu", None, 16, 1, 1),
        ("cuda", None, 16, 1, 8),
        ("cuda", None, 16, 4, 4),
        ("cuda", None, 2, 4, 1),
        ("cuda", 0, 16, 1, 0),
        ("cpu", 3, 1, 1, 3),
    ],
)
def test_a_gpu_is_fed_by_several_processes(
    faces: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    device: str,
    asked: int | None,
    threads: int,
    n_gpus: int,
    expected: int,
) -> None:
    data = module(faces, tmp_path, num_workers=asked)
    monkeypatch.setattr("torch.get_num_threads", lambda: threads)
    strategy = SimpleNamespace(root_device=torch.device(device))
    facts = {"global_rank": 0, "world_size": 1, "num_devices": n_gpus, "strategy": strategy}
    data.trainer = SimpleNamespace(**facts)  # type: ignore[assignment]
    assert data.train_dataloader().num_workers == expected
    assert data.val_dataloader().num_workers == (1 if asked is None else asked)


def test_the_fold_depends_on_split_seed_and_not_on_seed(faces: Path, tmp_path: Path) -> None:
    def paths(**options: Any) -> list[str]:
        return list(module(faces, tmp_path, **options).val_samples["path"])

    assert paths() == paths(seed=5)
    assert paths() != paths(split_seed=5)


def test_every_class_must_fit_the_folds(tmp_path: Path) -> None:
    root = write_faces(tmp_path / "set", {"a": 12, "b": 2})
    with pytest.raises(DataError, match="class 'b' has 2 groups of images, too few for 3 parts"):
        module(root, tmp_path, test_fraction=0.0)
