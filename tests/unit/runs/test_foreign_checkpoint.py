"""The records of a checkpoint become a configuration; nothing that they name is called."""

from pathlib import Path
from typing import Any

import pytest
import torch

from facemask.data.preprocessing import Preprocessing
from facemask.errors import RunError
from facemask.runs.checkpoint import describe

DATA: dict[str, Any] = {
    "_target_": "facemask.data.datamodule.FaceDataModule",
    "name": "faces",
    "root": "data/faces",
    "store_dir": "data/store",
    "store_size": 16,
    "batch_size": 8,
    "k": 3,
    "fold": 2,
    "seed": 4,
    "split_seed": 5,
    "create": None,
}


def save(file: Path, **content: Any) -> Path:
    """Save a checkpoint that has what every one of ours has, and more."""
    model = {"_target_": "facemask.models.classifier.MaskClassifier", "net": {"_target_": "facemask.models.cnn.CNN"}}
    record = Preprocessing(("a", "b"), 32, 16).to_dict()
    torch.save({"state_dict": {}, "epoch": 6, "model": model, "preprocessing": record} | content, file)
    return file


def test_its_records_become_a_configuration_and_a_result(tmp_path: Path) -> None:
    config, result = describe(save(tmp_path / "a.ckpt", data=DATA, fingerprint="abc"))
    assert (config.k, config.fold, config.seed, config.split_seed, config.bs) == (3, 2, 4, 5, 8)
    assert config.data.get("root") == "data/faces"
    assert config.data.get("fold") is None  # given when it is built
    assert (result.fold, result.status, result.best_epoch) == (2, "complete", 7)
    assert (result.facts.name, result.facts.fingerprint, result.facts.classes) == ("faces", "abc", ["a", "b"])


@pytest.mark.parametrize("content", [{}, {"data": DATA}, {"fingerprint": "abc"}, {"data": None, "fingerprint": "abc"}])
def test_data_are_unknown_without_both_records(tmp_path: Path, content: dict[str, Any]) -> None:
    config, result = describe(save(tmp_path / "a.ckpt", **content))
    assert result.data is None
    assert config.data.arguments == {}


FOREIGN: list[object] = [
    {"_target_": "shutil.rmtree", "_partial_": True},
    {"_target_": "facemask.data.store.shutil.rmtree", "_partial_": True},
    {"_target_": "facemask.data.demo.make_demo", "_partial_": True, "seed": {"_target_": "os.getpid"}},
    [{"_target_": "os.getpid"}],
]


@pytest.mark.parametrize("node", FOREIGN)
def test_targets_in_a_checkpoint_are_not_called(tmp_path: Path, node: object) -> None:
    config, _ = describe(save(tmp_path / "a.ckpt", data=DATA | {"create": node, "hint": node}, fingerprint="abc"))
    assert {"create", "hint"}.isdisjoint(config.data.arguments)


def test_the_demo_set_still_makes_itself(tmp_path: Path) -> None:
    demo = {"_target_": "facemask.data.demo.make_demo", "_partial_": True}
    config, _ = describe(save(tmp_path / "a.ckpt", data=DATA | {"create": demo}, fingerprint="abc"))
    assert config.data.get("create") == demo


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("os.system", "names os.system, which is not part of facemask"),
        ("nowhere.Data", "names nowhere.Data, which is not part of facemask"),
        ("facemask.models.cnn.CNN", "was trained on facemask.models.cnn.CNN, which is not a FaceDataModule"),
        (None, "was trained on None, which is not a FaceDataModule"),
    ],
)
def test_data_of_another_class_are_refused(tmp_path: Path, target: str | None, reason: str) -> None:
    with pytest.raises(RunError, match=reason):
        describe(save(tmp_path / "a.ckpt", data=DATA | {"_target_": target}, fingerprint="abc"))


def test_a_checkpoint_without_a_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="does not describe its network"):
        describe(save(tmp_path / "a.ckpt", model={}))
