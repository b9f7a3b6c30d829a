"""``callbacks=growing``: small inputs in the first epochs, the network's own size in the others and in validation."""

from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping
from torch import Tensor

from facemask import FaceDataModule, MaskClassifier
from facemask.data.dataset import Features
from facemask.errors import ConfigError
from facemask.training.growing import GrowingInput
from fits import Fit

pytestmark = pytest.mark.slow


class Sides(Callback):
    """Records (is it training, epoch, side of the batch)."""

    def __init__(self) -> None:
        self.seen: set[tuple[bool, int, int]] = set()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: list[Tensor], *_: int) -> None:
        self.seen.add((True, trainer.current_epoch, batch[0].shape[-1]))

    def on_validation_batch_start(
        self, trainer: Trainer, module: LightningModule, batch: list[Tensor], *_: int
    ) -> None:
        self.seen.add((False, trainer.current_epoch, batch[0].shape[-1]))


@pytest.fixture
def quiet(tmp_path: Path) -> dict[str, object]:
    """Arguments of a trainer that writes and prints nothing."""
    silent = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    return {**silent, "enable_model_summary": False, "accelerator": "cpu", "default_root_dir": tmp_path}


def test_first_epochs_are_small_and_validation_never_is(faces: Path, tmp_path: Path, quiet: dict[str, object]) -> None:
    data = FaceDataModule(faces, store_dir=tmp_path / "store", store_size=16, k=3, num_workers=0)
    sides = Sides()
    trainer = Trainer(max_epochs=3, callbacks=[GrowingInput(scale=0.4), sides], **quiet)  # type: ignore[arg-type]
    trainer.fit(MaskClassifier("cnn", input_size=24, channels=[4]), data)
    small, own = {(True, 0, 10)}, {(True, 1, 24), (True, 2, 24), (False, 0, 24), (False, 1, 24), (False, 2, 24)}
    assert sides.seen == small | own
    assert data.training_size is None


@pytest.mark.parametrize("epochs", [1, 8])
def test_early_stopping_waits_until_the_inputs_have_grown_and_one_epoch_is_not_small(
    faces: Path, tmp_path: Path, quiet: dict[str, object], epochs: int
) -> None:
    data = FaceDataModule(faces, store_dir=tmp_path / "store", store_size=16, k=3, num_workers=0)
    sides, never = Sides(), EarlyStopping("val/loss", patience=0, mode="min", divergence_threshold=-1.0)
    trainer = Trainer(max_epochs=epochs, callbacks=[never, GrowingInput(scale=0.5), sides], **quiet)  # type: ignore[arg-type]
    trainer.fit(MaskClassifier("cnn", input_size=24, channels=[4]), data)
    trained = {(epoch, side) for is_training, epoch, side in sides.seen if is_training}
    assert trained == ({(0, 24)} if epochs == 1 else {(0, 12), (1, 12), (2, 12), (3, 12), (4, 24)})


def test_the_mode_of_each_layer_stays(faces: Path, tmp_path: Path, quiet: dict[str, object]) -> None:
    model = MaskClassifier("cnn", num_classes=2, class_names=["mask", "no_mask"], input_size=24, channels=[4])
    norm = next(layer for layer in model.modules() if isinstance(layer, torch.nn.BatchNorm2d)).eval()
    before = norm.running_mean.clone() if norm.running_mean is not None else None
    data = FaceDataModule(faces, store_dir=tmp_path / "store", store_size=16, k=3, num_workers=0)
    trainer = Trainer(max_epochs=2, callbacks=[GrowingInput(scale=0.5)], **quiet)  # type: ignore[arg-type]
    trainer.fit(model, data)
    assert not norm.training
    assert before is not None
    assert torch.equal(before, norm.running_mean)  # type: ignore[arg-type]


def test_without_a_number_of_epochs_it_says_so(faces: Path, tmp_path: Path, quiet: dict[str, object]) -> None:
    data = FaceDataModule(faces, store_dir=tmp_path / "store", store_size=16, k=3, num_workers=0)
    trainer = Trainer(max_steps=3, callbacks=[GrowingInput()], **quiet)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="counts epochs; set the trainer's max_epochs"):
        trainer.fit(MaskClassifier("cnn", input_size=24, channels=[4]), data)


@pytest.mark.parametrize(("scale", "own", "expected"), [(0.67, 96, 64), (0.67, 224, 150), (0.1, 16, 8)])
def test_the_side_is_a_fraction_of_the_networks_own(
    faces: Path, tmp_path: Path, quiet: dict[str, object], scale: float, own: int, expected: int
) -> None:
    data = FaceDataModule(faces, store_dir=tmp_path / "store", store_size=16, k=3, num_workers=0)
    growing = GrowingInput(scale)
    trainer = Trainer(max_epochs=1, limit_train_batches=1, limit_val_batches=0, callbacks=[growing], **quiet)  # type: ignore[arg-type]
    trainer.fit(MaskClassifier("cnn", input_size=own, channels=[2]), data)
    assert growing.size == expected


@pytest.mark.parametrize("key", ["scale", "fraction"])
@pytest.mark.parametrize("value", [0, 1, "big"])
def test_fractions_are_checked(fit: Fit, key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"callbacks.growing.{key}"):
        fit("callbacks=[default,growing]", f"callbacks.growing.{key}={value}", name="run")


def test_a_network_of_a_fixed_size_cached_features_and_other_data_are_refused(
    faces: Path, tmp_path: Path, quiet: dict[str, object]
) -> None:
    class Fixed(torch.nn.Module):
        def __init__(self, num_classes: int) -> None:
            super().__init__()
            self.head = torch.nn.Linear(3 * 24 * 24, num_classes)

        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = self.head(images.flatten(1))
            return logits

    trainer = Trainer(max_epochs=2, callbacks=[GrowingInput(scale=0.5)], **quiet)  # type: ignore[arg-type]
    data = FaceDataModule(faces, store_dir=tmp_path / "store", store_size=16, k=3, num_workers=0)
    with pytest.raises(ConfigError, match="does not take inputs of 12 pixels .*; raise callbacks.growing.scale"):
        trainer.fit(MaskClassifier(Fixed, input_size=24), data)
    cached = data.with_features(Features(tmp_path / "clean.npy", []))
    with pytest.raises(ConfigError, match="no effect on cached features"):
        trainer.fit(MaskClassifier("cnn", input_size=24, channels=[4]), cached)
    batches = [(torch.zeros(2, 3, 24, 24), torch.tensor([0, 1]))]
    trainer = Trainer(max_epochs=2, callbacks=[GrowingInput(scale=0.5)], **quiet)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="needs a FaceDataModule"):
        trainer.fit(MaskClassifier(Fixed, num_classes=2, input_size=24), batches)
