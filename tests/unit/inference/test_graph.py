"""Networks of different kinds predict the same after export, in each format, for one image and for several."""

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from facemask.config.checks.export import FORMATS, import_format
from facemask.config.schemas import ExportConfig
from facemask.data.preprocessing import Preprocessing
from facemask.exporting.job import ExportJob
from facemask.inference.backend import write_metadata
from facemask.inference.predictor import Predictor

pytestmark = pytest.mark.slow

PREPROCESSING = Preprocessing(("mask", "no_mask"), 32, 24)


class Own(LightningModule):
    """A module of someone's own, which has no ``net``."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4), nn.SiLU(), nn.Flatten())
        self.last = nn.LazyLinear(2)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        logits: Tensor = self.last(self.layers(images))
        return logits


def network(name: str) -> nn.Module:
    torch.manual_seed(0)
    model: nn.Module = Own() if name == "own" else timm.create_model(name, num_classes=2)
    model(torch.rand(8, 3, 32, 32))  # moves the running averages off their start
    return model.eval()


def write(model: nn.Module, format_: str, folder: Path) -> Predictor:
    chosen = import_format(format_)()
    metadata = write_metadata(PREPROCESSING, {})
    job = ExportJob(model, PREPROCESSING, ExportConfig(), metadata, np.empty((0, 24, 24, 3), np.uint8))
    file = folder / f"model{chosen.suffix}"
    chosen.write(job, file)
    return Predictor(chosen.open(file))


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("name", ["mobilenetv2_035", "own"])
def test_an_exported_network_predicts_the_same(tmp_path: Path, name: str, format_: str) -> None:
    model = network(name)
    predictor = write(model, format_, tmp_path)
    images = np.random.default_rng(0).integers(0, 256, (7, 24, 24, 3)).astype(np.uint8)
    for n in (1, 7):
        with torch.inference_mode():
            expected = model(PREPROCESSING.normalise(torch.from_numpy(images[:n]))).softmax(dim=1).numpy()
        assert np.allclose(predictor.predict_squares(images[:n]), expected, atol=1e-5)
    content = b"".join(part.read_bytes() for part in tmp_path.iterdir())
    assert b"site-packages" not in content
    assert b"facemask/exporting" not in content
