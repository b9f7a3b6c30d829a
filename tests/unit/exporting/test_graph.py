"""Networks of every make become graphs that say the same, in each format, of one image and of several."""

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from facemask.data.preprocessing import Preprocessing
from facemask.exporting.graph import Graph, to_onnx, to_program, write_openvino
from facemask.inference.backend import METADATA, write_metadata
from facemask.inference.predictor import Predictor

RECORD = Preprocessing(("mask", "no_mask"), 32, 24)


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


def write(graph: Graph, suffix: str, file: Path) -> None:
    words = write_metadata(graph.record, {})
    if suffix == ".pt2":
        torch.export.save(to_program(graph), file, extra_files={METADATA: words})
    elif suffix == ".xml":
        write_openvino(to_onnx(graph), file, words, is_half=False)
    else:
        model = to_onnx(graph)
        model.metadata_props.add(key=METADATA, value=words)
        file.write_bytes(model.SerializeToString())


@pytest.mark.parametrize("suffix", [".onnx", ".xml", ".pt2"])
@pytest.mark.parametrize("name", ["mobilenetv2_035", "own"])
def test_it_says_what_the_network_says(tmp_path: Path, name: str, suffix: str) -> None:
    model = network(name)
    file = tmp_path / f"model{suffix}"
    write(Graph(model, RECORD), suffix, file)
    classifier = Predictor.load(file)
    images = np.random.default_rng(0).integers(0, 256, (7, 24, 24, 3)).astype(np.uint8)
    for n in (1, 7):
        with torch.inference_mode():
            expected = model(RECORD.normalise(torch.from_numpy(images[:n]))).softmax(dim=1).numpy()
        assert np.allclose(classifier.predict_squares(images[:n]), expected, atol=1e-5)
    content = b"".join(part.read_bytes() for part in tmp_path.iterdir())
    assert b"site-packages" not in content
    assert b"facemask/exporting" not in content
