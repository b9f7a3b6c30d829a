"""MaskClassifier and FaceDataModule work with any Trainer, and equal a run of the commands."""

import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint
from torch.utils.data import DataLoader, TensorDataset

from conftest import write_faces
from facemask.data.datamodule import FaceDataModule
from facemask.data.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from facemask.errors import ConfigError, DataError, RunError
from facemask.inference.predictor import Predictor
from facemask.models.checkpoint import load_model
from facemask.models.classifier import MaskClassifier
from facemask.training.fit import fit_folds
from fits import CutAt, PowerCut, configure, history, weights

EPOCHS = 2
# Lightning warns of few workers, few batches and no logger.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::UserWarning:lightning")]


class Recorder(Checkpoint):
    """Keeps what was logged after each epoch; Lightning calls checkpoints last, when all has been logged."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.rows.append({name: float(value) for name, value in sorted(trainer.callback_metrics.items())})


@pytest.fixture
def data(faces: Path, tmp_path: Path) -> FaceDataModule:
    return open_data(faces, tmp_path)


def open_data(faces: Path, folder: Path, **options: Any) -> FaceDataModule:
    common: dict[str, Any] = {"store_size": 16, "batch_size": 8, "k": 3, "num_workers": 0}
    return FaceDataModule(faces, store_dir=folder / "store", **common | options)


def new_model(**options: Any) -> MaskClassifier:
    return MaskClassifier("cnn", **{"input_size": 16, "channels": (4, 8), "hidden": 8} | options)


def new_trainer(folder: Path, *callbacks: Callback, epochs: int = EPOCHS, **options: Any) -> Trainer:
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    sanity = {"num_sanity_val_steps": 0}
    return Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        default_root_dir=folder,
        callbacks=list(callbacks),
        **quiet | sanity | options,
    )


def checkpoint_of(trainer: Trainer) -> Path:
    assert isinstance(trainer.checkpoint_callback, ModelCheckpoint)
    return Path(trainer.checkpoint_callback.best_model_path)


def states_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_three_lines_are_enough(data: FaceDataModule, tmp_path: Path) -> None:
    """With all of Lightning's defaults: sanity check, logger, progress bar, checkpoint."""
    model = MaskClassifier("cnn", input_size=16, channels=(4, 8), hidden=8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = Trainer(max_epochs=EPOCHS, accelerator="cpu", default_root_dir=tmp_path)
        trainer.fit(model, data)
    assert {"train/loss", "val/auroc", "val/recall_mask", "val/recall_no_mask"} <= trainer.callback_metrics.keys()
    assert checkpoint_of(trainer).is_file()


@pytest.mark.parametrize("input_size", [16, 24, None])
def test_classes_mean_std_and_sizes_find_their_way(data: FaceDataModule, tmp_path: Path, input_size: int) -> None:
    model = new_model(input_size=input_size)
    assert model.preprocessing is None
    new_trainer(tmp_path, enable_checkpointing=False, epochs=1).fit(model, data)
    assert model.class_names == ["mask", "no_mask"]
    preprocessing = model.preprocessing
    assert preprocessing is not None
    assert preprocessing == data.preprocessing
    assert preprocessing.class_names == ("mask", "no_mask")
    assert (preprocessing.input_size, preprocessing.store_size) == (input_size or 16, 16)
    assert (preprocessing.mean, preprocessing.std) == (IMAGENET_MEAN, IMAGENET_STD)


def test_class_weights_come_from_the_data_where_these_are_balanced_so(faces: Path, tmp_path: Path) -> None:
    given = torch.tensor([3.0, 1.0])
    for options, own, expected in (
        ({}, None, None),
        ({"balance": "weighted"}, None, "data"),
        ({"balance": "weighted"}, given, given),
    ):
        data = open_data(faces, tmp_path, **options)
        model = new_model(class_weights=None if own is None else own.numpy())
        new_trainer(tmp_path, enable_checkpointing=False, epochs=1).fit(model, data)
        if expected is None:
            assert model.class_weights is None
        else:
            assert model.class_weights is not None
            wanted = torch.from_numpy(data.class_weights) if isinstance(expected, str) else expected
            torch.testing.assert_close(model.class_weights, wanted)


def test_validate_test_and_predict_score_their_parts(data: FaceDataModule, tmp_path: Path) -> None:
    model, trainer = new_model(), new_trainer(tmp_path)
    trainer.fit(model, data)
    logged = float(trainer.callback_metrics["val/loss"])
    (validated,) = trainer.validate(model, data, verbose=False)
    assert validated["val/loss"] == pytest.approx(logged, abs=1e-6)
    (tested,) = trainer.test(model, data, verbose=False)
    probabilities = torch.cat(trainer.predict(model, data))  # type: ignore[arg-type]
    assert probabilities.shape == (8, 2)
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(8))
    labels = torch.tensor([["mask", "no_mask"].index(label) for label in data.test_samples["label"]])
    assert tested["test/accuracy"] == pytest.approx(float((probabilities.argmax(dim=1) == labels).float().mean()))
    assert tested["test/loss"] == pytest.approx(float(torch.nn.functional.nll_loss(probabilities.log(), labels)))
    assert tested.keys() == {name.replace("val/", "test/") for name in validated}


def test_test_and_predict_work_from_the_checkpoint_alone(faces: Path, tmp_path: Path) -> None:
    trainer = new_trainer(tmp_path)
    trainer.fit(new_model(), open_data(faces, tmp_path))
    path = checkpoint_of(trainer)
    expected = trainer.test(ckpt_path=path, datamodule=open_data(faces, tmp_path), verbose=False)
    loaded = MaskClassifier.load_from_checkpoint(path, map_location="cpu")
    assert new_trainer(tmp_path).test(loaded, open_data(faces, tmp_path), verbose=False) == expected


def test_a_set_without_a_test_part_says_so(faces: Path, tmp_path: Path) -> None:
    data, model = open_data(faces, tmp_path, test_fraction=0.0), new_model()
    new_trainer(tmp_path, enable_checkpointing=False, epochs=1).fit(model, data)
    with pytest.raises(DataError, match="has no test part, because data.test_fraction=0; set it"):
        new_trainer(tmp_path).test(model, data)


@pytest.mark.parametrize(
    "callback",
    [
        None,
        ModelCheckpoint(monitor="val/auroc", mode="max", save_last=True),
        ModelCheckpoint(filename="{epoch}-{val/loss:.3f}", monitor="val/loss", save_top_k=2, save_weights_only=True),
        ModelCheckpoint(every_n_train_steps=2, save_top_k=-1),
    ],
    ids=["default", "monitor", "weights only", "steps"],
)
def test_the_checkpoint_of_any_callback_has_all_records(
    data: FaceDataModule, tmp_path: Path, callback: ModelCheckpoint | None
) -> None:
    model, trainer = new_model(), new_trainer(tmp_path, *([callback] if callback else []), logger=None)
    trainer.fit(model, data)
    files = list(tmp_path.rglob("*.ckpt"))
    assert files
    for file in files:
        content = torch.load(file, weights_only=True)
        assert content["preprocessing"] == data.preprocessing.to_dict()
        assert content["model"]["net"] == {"_target_": "facemask.models.cnn.CNN", "_partial_": True}
        assert content["model"]["channels"] == (4, 8)
        assert content["fingerprint"] == data.fingerprint
        assert content["data"]["root"] == str(data.root)
        assert (content["data"]["k"], content["data"]["fold"], content["data"]["store_size"]) == (3, 0, 16)
        module, preprocessing = load_model(file)
        assert preprocessing == data.preprocessing
        assert states_equal(dict(module.state_dict()), content["state_dict"])


def test_readers_give_the_probabilities_of_the_module(data: FaceDataModule, tmp_path: Path) -> None:
    model, trainer = new_model(input_size=24), new_trainer(tmp_path, ModelCheckpoint(monitor="val/loss"), epochs=1)
    trainer.fit(model, data)
    squares = data.images(data.val_samples)
    with torch.no_grad():
        logits = model.eval()(data.preprocessing.normalise(torch.from_numpy(squares)))
        path = checkpoint_of(trainer)
        loaded = MaskClassifier.load_from_checkpoint(path, map_location="cpu").eval()
        assert loaded.preprocessing == model.preprocessing
        assert torch.equal(loaded(loaded.preprocessing.normalise(torch.from_numpy(squares))), logits)
        flipped = MaskClassifier.load_from_checkpoint(path, map_location="cpu", flip_tta=True)
        assert (loaded.flip_tta, flipped.flip_tta) == (False, True)
    found = Predictor.load(path).predict_squares(squares)
    torch.testing.assert_close(torch.from_numpy(found), logits.softmax(dim=1), atol=1e-5, rtol=1e-5)


def test_a_foreign_checkpoint_is_one_sentence(tmp_path: Path) -> None:
    torch.save({"state_dict": {}, "pytorch-lightning_version": "2.5.0"}, tmp_path / "foreign.ckpt")
    with pytest.raises(RunError, match="has no preprocessing record; give one that facemask wrote"):
        MaskClassifier.load_from_checkpoint(tmp_path / "foreign.ckpt")


def test_it_gives_every_digit_of_the_command(faces: Path, tmp_path: Path) -> None:
    words = ["optim.weight_decay=0.01", "lr=1e-3", f"epochs={EPOCHS}", "callbacks=none", "trainer.accelerator=cpu"]
    config = configure(faces, tmp_path, *words, "seed=5", "split_seed=3", "fold=1", "model.dropout=0.2")
    fit_folds(config, tmp_path / "run")
    recorder, last = Recorder(), ModelCheckpoint(tmp_path / "door", filename="last")
    data = open_data(faces, tmp_path, seed=5, split_seed=3, fold=1)
    torch.manual_seed(99)  # which must not matter
    new_trainer(tmp_path, recorder, last).fit(new_model(dropout=0.2), data)
    expected = history(tmp_path / "run", fold=1)
    found = pd.DataFrame(recorder.rows)[[name for name in expected if "/" in name]]
    pd.testing.assert_frame_equal(found, expected.filter(like="/"), check_exact=True)
    state = torch.load(tmp_path / "door/last.ckpt", weights_only=True)["state_dict"]
    assert states_equal(state, weights(tmp_path / "run", "last.ckpt", fold=1))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_resumed_fit_gives_the_digits_of_an_uninterrupted_one(faces: Path, tmp_path: Path, workers: int) -> None:
    def fit(name: str, *callbacks: Callback, ckpt_path: Path | None = None) -> Recorder:
        recorder, saver = Recorder(), ModelCheckpoint(tmp_path / name, "last")
        data, model = open_data(faces, tmp_path, num_workers=workers), new_model()
        trainer = new_trainer(tmp_path, recorder, saver, *callbacks, epochs=4)
        trainer.fit(model, data, ckpt_path=ckpt_path, weights_only=True)
        return recorder

    whole = fit("whole")
    with pytest.raises(PowerCut):
        fit("cut", CutAt(2))
    cut = tmp_path / "cut/last.ckpt"
    assert torch.load(cut, weights_only=True)["epoch"] == 1
    resumed = fit("resumed", ckpt_path=cut)
    assert resumed.rows == whole.rows[2:]
    states = [torch.load(tmp_path / name / "last.ckpt", weights_only=True) for name in ("whole", "resumed")]
    assert [state["epoch"] for state in states] == [3, 3]
    assert states_equal(*(state["state_dict"] for state in states))


def test_the_same_module_can_be_fitted_twice(data: FaceDataModule, tmp_path: Path) -> None:
    model = new_model()
    new_trainer(tmp_path, enable_checkpointing=False, epochs=1).fit(model, data)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert data.samples is not None
    new_trainer(tmp_path, enable_checkpointing=False, epochs=1).fit(model, data)
    assert not states_equal(before, dict(model.state_dict()))


def plain_loader() -> DataLoader[tuple[torch.Tensor, ...]]:
    generator = torch.Generator().manual_seed(0)
    images, labels = torch.rand(12, 3, 16, 16, generator=generator), torch.tensor([0, 1] * 6)
    return DataLoader(TensorDataset(images, labels), batch_size=4)


class OtherData(LightningDataModule):
    """A data module that knows nothing of facemask."""

    def train_dataloader(self) -> DataLoader[tuple[torch.Tensor, ...]]:
        return plain_loader()

    def val_dataloader(self) -> DataLoader[tuple[torch.Tensor, ...]]:
        return plain_loader()


@pytest.mark.parametrize("use_module", [True, False])
def test_missing_class_names_raise_one_sentence(tmp_path: Path, use_module: bool) -> None:
    given: dict[str, Any] = {"datamodule": OtherData()} if use_module else {"train_dataloaders": plain_loader()}
    with pytest.raises(ConfigError, match=r"the classes are unknown: pass class_names=\[") as caught:
        new_trainer(tmp_path).fit(new_model(), **given)
    assert "\n" not in str(caught.value)


def test_classes_given_by_name_need_no_data_module_of_ours(tmp_path: Path) -> None:
    model, trainer = new_model(class_names=["a", "b"]), new_trainer(tmp_path, epochs=1)
    trainer.fit(model, datamodule=OtherData())
    content = torch.load(checkpoint_of(trainer), weights_only=True)
    assert content["preprocessing"]["class_names"] == ["a", "b"]
    assert "data" not in content
    module, preprocessing = load_model(checkpoint_of(trainer))
    assert preprocessing.class_names == ("a", "b")
    assert states_equal(dict(module.state_dict()), content["state_dict"])


def test_classes_of_two_kinds_of_data_are_not_mixed_up(faces: Path, tmp_path: Path) -> None:
    others = write_faces(tmp_path / "others", {"a": 12, "b": 12, "c": 12})
    model = new_model()
    new_trainer(tmp_path, enable_checkpointing=False, epochs=1).fit(model, open_data(faces, tmp_path))
    with pytest.raises(ConfigError, match="has the classes mask, no_mask, but the data have a, b, c; use a new"):
        new_trainer(tmp_path, enable_checkpointing=False, epochs=1).fit(model, open_data(others, tmp_path))


def test_a_schedule_needs_to_know_when_training_ends(data: FaceDataModule, tmp_path: Path) -> None:
    trainer = new_trainer(tmp_path, enable_checkpointing=False, epochs=-1)
    with pytest.raises(ConfigError, match="needs the length of the training; set the trainer's max_epochs"):
        trainer.fit(new_model(), data)
