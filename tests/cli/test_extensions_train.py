"""A user's network, LightningModule and augmentation step, each in a file beside the command."""

import json
from pathlib import Path

import pytest

from commands import assert_refused, call_command
from conftest import PROJECT

pytestmark = pytest.mark.slow

NETWORK = '''
from torch import nn


class Tiny(nn.Module):
    """A network that knows nothing of facemask."""

    def __init__(self, num_classes, width=4):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, width, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, num_classes)
        )

    def forward(self, images):
        return self.layers(images)
'''
MODULE = '''
import torch
from lightning.pytorch import LightningModule
from torch import nn
from torch.nn.functional import cross_entropy


class Own(LightningModule):
    """A module that does everything itself."""

    def __init__(self, num_classes, rate=0.1):
        super().__init__()
        self.layers = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(48, num_classes))
        self.rate = rate

    def forward(self, images):
        return self.layers(images)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        loss = cross_entropy(self(images), labels)
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        images, labels = batch
        self.log("val/loss", cross_entropy(self(images), labels))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.rate)
'''
STEP = '''
import numpy as np


class Invert:
    """Inverts every picture."""

    def set_random_state(self, random_generator, py_random):
        pass

    def __call__(self, *, image):
        return {"image": np.asarray(255 - image, np.uint8)}
'''
SHORT = ["trainer.limit_train_batches=2", "epochs=1", "k=3", "data.num_workers=0", "data.store_size=16", "bs=8"]


def train_in(folder: Path, faces: Path, *words: str) -> dict[str, object]:
    common = [f"data.root={faces}", f"data.store_dir={folder}/store", "hydra.run.dir=run", *SHORT]
    done = call_command(PROJECT / "train.py", [*words, *common], folder, {})
    assert done.code == 0, done.err
    result: dict[str, object] = json.loads((folder / "run/result.json").read_text())
    return result


def test_a_users_network_is_trained_and_read_back(faces: Path, tmp_path: Path) -> None:
    (tmp_path / "my_nets.py").write_text(NETWORK)
    result = train_in(tmp_path, faces, "model=my_nets.Tiny", "+model.width=6", "model.input_size=16")
    assert result["status"] == "complete"
    assert result["model"] == "Tiny"
    assert result["weights"]["parameters"] == 3 * 6 * 9 + 6 + 6 * 2 + 2  # type: ignore[index]
    report = ["run=run", "hydra.run.dir=report", "n_bootstraps=100"]
    evaluated = call_command(PROJECT / "evaluate.py", report, tmp_path, {})
    assert evaluated.code == 0, evaluated.err
    assert (tmp_path / "report/report.html").is_file()


def test_a_group_beside_the_command_is_found(faces: Path, tmp_path: Path) -> None:
    (tmp_path / "my_nets.py").write_text(NETWORK)
    (tmp_path / "conf/model").mkdir(parents=True)
    (tmp_path / "conf/model/mine.yaml").write_text("_target_: my_nets.Tiny\nwidth: 5\ninput_size: 16\n")
    result = train_in(tmp_path, faces, "model=mine")
    assert result["weights"]["parameters"] == 3 * 5 * 9 + 5 + 5 * 2 + 2  # type: ignore[index]


def test_a_users_lightning_module_is_trained(faces: Path, tmp_path: Path) -> None:
    (tmp_path / "my_module.py").write_text(MODULE)
    words = ["model=my_module.Own", "+model.rate=0.01", "model.input_size=24", "monitor=val/loss"]
    result = train_in(tmp_path, faces, *words)
    assert result["status"] == "complete"
    assert result["weights"]["parameters"] == 48 * 2 + 2  # type: ignore[index]


def test_an_augmentation_step_of_the_users_joins_the_pipeline(faces: Path, tmp_path: Path) -> None:
    (tmp_path / "my_steps.py").write_text(STEP)
    words = [
        "model=cnn",
        "model.channels=[4,8]",
        "model.input_size=16",
        "+augment.steps.invert._target_=my_steps.Invert",
    ]
    assert train_in(tmp_path, faces, *words)["status"] == "complete"


def test_a_mistyped_class_is_one_sentence(faces: Path, tmp_path: Path) -> None:
    (tmp_path / "my_nets.py").write_text(NETWORK)
    words = ["model=my_nets.Tyni", f"data.root={faces}", *SHORT]
    done = call_command(PROJECT / "train.py", words, tmp_path, {})
    assert_refused(done, "model._target_=my_nets.Tyni cannot be imported")
