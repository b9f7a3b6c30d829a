"""The ONNX file beside a run's checkpoint gives the checkpoint's probabilities, or is not there."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn

from facemask.data.preprocessing import Preprocessing
from facemask.errors import ModelError
from facemask.inference.engine import ENGINE, open_engine, write_engine
from facemask.inference.predictor import Predictor
from facemask.models.classifier import MaskClassifier
from facemask.models.predict import predict_probabilities

PREPROCESSING = Preprocessing(("mask", "no_mask"), 32, 24)
IMAGES = np.random.default_rng(0).integers(0, 256, (40, 24, 24, 3), dtype=np.uint8)


class Branching(nn.Module):
    """A network whose steps depend on the images."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        means = images.mean(dim=(2, 3))
        logits: Tensor = self.layer(means if float(images[0, 0, 0, 0]) > 0 else -means)
        return logits


class BatchOfTwo(nn.Module):
    """A network that fixes the batch size while it is traced."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        return torch.stack([self.layer(images[i].mean(dim=(1, 2))) for i in range(int(images.shape[0]))])


def write(folder: Path, network: nn.Module) -> str:
    (folder / "best.ckpt").write_bytes(b"the weights")
    return write_engine(folder / "best.ckpt", network.eval(), PREPROCESSING, IMAGES)


def with_flip_tta() -> MaskClassifier:
    """Return a classifier that averages the probabilities of an image and its mirror image."""
    return MaskClassifier("mobilenetv2_035", 2, input_size=32, flip_tta=True, pretrained=False)


@pytest.mark.parametrize("name", ["mobilenetv2_035", "test_vit", "test_efficientnet", "flip_tta"])
def test_an_engine_gives_the_probabilities_of_the_network(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    sizes = {"img_size": 32} if "vit" in name else {}
    network = with_flip_tta() if name == "flip_tta" else timm.create_model(name, num_classes=2, **sizes)
    assert write(tmp_path, network) == ""
    engine = open_engine(tmp_path / "best.ckpt", threads=1)
    assert engine is not None
    predictor = Predictor(engine)
    assert predictor.library == "ONNX Runtime"
    assert predictor.preprocessing == PREPROCESSING
    for n in (1, 40):
        expected = predict_probabilities(network, PREPROCESSING, IMAGES[:n])
        np.testing.assert_allclose(predictor.predict_squares(IMAGES[:n]), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("network", "reason"), [(Branching, "its probabilities differ"), (BatchOfTwo, "."), (nn.Identity, ".")]
)
def test_a_network_that_cannot_be_traced_has_no_engine(network: type[nn.Module], reason: str, tmp_path: Path) -> None:
    assert re.search(reason, write(tmp_path, network()))
    assert [path.name for path in tmp_path.iterdir()] == ["best.ckpt"]


def test_an_engine_that_cannot_be_used_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert open_engine(tmp_path / "best.ckpt") is None
    write(tmp_path, timm.create_model("mobilenetv2_035", num_classes=2))
    assert open_engine(tmp_path / "best.ckpt") is not None
    assert open_engine(tmp_path / "last.ckpt") is None  # it is the best epoch's
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "onnxruntime", None)
        assert open_engine(tmp_path / "best.ckpt") is None
    (tmp_path / "best.ckpt").write_bytes(b"other weights")
    assert open_engine(tmp_path / "best.ckpt") is None
    (tmp_path / "best.ckpt").unlink()  # only the engine was copied
    assert open_engine(tmp_path / "best.ckpt") is not None
    (tmp_path / ENGINE).write_bytes(b"damaged")
    assert open_engine(tmp_path / "best.ckpt") is None


def test_without_torch_a_run_without_an_engine_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "last.ckpt").write_bytes(b"weights")
    monkeypatch.delitem(sys.modules, "facemask.inference.torch", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModelError, match="needs torch, which is not installed here; .* export the model as ONNX"):
        Predictor.load(tmp_path / "last.ckpt")
