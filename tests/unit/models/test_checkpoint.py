"""A checkpoint rebuilds its model, is read without running code, and foreign files are reported."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from facemask.config.component import Component
from facemask.config.trust import trust
from facemask.data.preprocessing import Preprocessing
from facemask.errors import RunError
from facemask.models.checkpoint import build_model, load_model

NODE: dict[str, Any] = {
    "_target_": "facemask.models.classifier.MaskClassifier",
    "net": {"_target_": "facemask.models.cnn.CNN", "_partial_": True},
    "optimizer": {"_target_": "torch.optim.SGD", "_partial_": True, "lr": 0.1},
    "schedule": None,
    "input_size": 32,
    "channels": [4, 8],
    "hidden": 5,
}
FACTS: dict[str, Any] = {"num_classes": 2, "class_names": ["a", "b"], "class_weights": None}
RECORD = Preprocessing(("a", "b"), 32, 16)


class Users(LightningModule):
    """A module of a user's own, which wants to know less than ours."""

    def __init__(self, num_classes: int, width: int) -> None:
        super().__init__()
        self.layer = nn.Linear(3, num_classes)
        self.width = width

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.layer(images.mean(dim=(2, 3)))
        return logits


def built(node: dict[str, Any]) -> LightningModule:
    return build_model(Component.from_plain(node), **FACTS)


def save(path: Path, node: dict[str, Any]) -> LightningModule:
    model = built(node)
    content = {"state_dict": model.state_dict(), "model": node, "preprocessing": RECORD.to_dict()}
    torch.save(content, path)
    return model.eval()


@pytest.mark.parametrize(
    "node", [NODE, NODE | {"flip_tta": True}, {"_target_": f"{__name__}.Users", "width": 3, "input_size": 8}]
)
def test_a_checkpoint_rebuilds_its_model(tmp_path: Path, node: dict[str, Any]) -> None:
    original = save(tmp_path / "x.ckpt", node)
    trust(__name__)
    model, record = load_model(tmp_path / "x.ckpt")
    images = torch.rand(2, 3, 32, 32)
    assert record == RECORD
    assert not model.training
    assert (model(images) == original(images)).all()


def test_a_checkpoint_cannot_choose_what_is_called(tmp_path: Path) -> None:
    crafted = NODE | {"optimizer": {"_target_": "os.mkdir", "path": str(tmp_path / "made")}}
    model = built(NODE)
    torch.save({"state_dict": model.state_dict(), "model": crafted, "preprocessing": RECORD.to_dict()}, tmp_path / "x")
    load_model(tmp_path / "x")
    torch.save({"state_dict": {}, "model": crafted["optimizer"], "preprocessing": RECORD.to_dict()}, tmp_path / "y")
    with pytest.raises(RunError, match="names os.mkdir, which is not part of facemask"):
        load_model(tmp_path / "y")
    assert not (tmp_path / "made").exists()


def test_a_users_module_receives_only_the_facts_that_it_accepts() -> None:
    model = built({"_target_": f"{__name__}.Users", "width": 3, "input_size": 8})
    assert isinstance(model, Users)
    assert model.layer.out_features == 2


def test_files_that_are_no_checkpoints_are_named(tmp_path: Path) -> None:
    save(tmp_path / "good.ckpt", NODE)
    (tmp_path / "text.ckpt").write_text("hello")
    (tmp_path / "cut.ckpt").write_bytes((tmp_path / "good.ckpt").read_bytes()[:2000])
    torch.save({"state_dict": {}}, tmp_path / "other.ckpt")
    torch.save({"state_dict": {}, "code": Path("runs code when it is unpickled")}, tmp_path / "unsafe.ckpt")
    for name, expected_error in (
        ("missing.ckpt", "is not a file"),
        ("text.ckpt", "is not a checkpoint, or is damaged"),
        ("cut.ckpt", "is not a checkpoint, or is damaged"),
        ("unsafe.ckpt", "is not a checkpoint, or is damaged"),
        ("other.ckpt", "is not a checkpoint of facemask"),
    ):
        with pytest.raises(RunError, match=expected_error):
            load_model(tmp_path / name)
