"""A trained model as the teacher of a smaller one (Hinton, Vinyals & Dean 2015, arXiv:1503.02531)."""

from dataclasses import dataclass
from pathlib import Path

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from facemask.config.compose import Settings
from facemask.config.keys import ALL_FOLDS
from facemask.data.datamodule import FaceDataModule
from facemask.data.preprocessing import Preprocessing
from facemask.errors import ConfigError, RunError
from facemask.models.checkpoint import load_model
from facemask.models.classifier import MaskClassifier, Teaching
from facemask.models.weights import state_digest
from facemask.runs.run_folder import BEST, Result, read_result, read_settings
from facemask.runs.trained import fold_folder


@dataclass
class Teacher:
    """A trained model that looks at what its student is shown.

    Attributes:
        folder: of the fold it was trained in.
        model: in evaluation mode.
        record: how it is fed.
    """

    folder: Path
    model: LightningModule
    record: Preprocessing

    def __call__(self, images: Tensor) -> Tensor:
        """Return its logits, float32[N, C], of stored images, uint8[N, S, S, 3], on the images' device."""
        with torch.no_grad():
            logits: Tensor = self.model.to(images.device)(self.record.normalise(images))
        return logits

    def facts(self) -> Result:
        """Return what a result says of it."""
        parameters = sum(p.numel() for p in self.model.parameters())
        return {"run": str(self.folder), "sha256": state_digest(self.model), "parameters": parameters}


def check_teacher(settings: Settings) -> None:
    """Check what can be said of a run's teacher before any image is read.

    Raises:
        FaceMaskError: it is no complete run of these folds, or was shown images of another size.
    """
    if not settings.get("teacher"):
        return
    folds = range(settings["k"]) if settings["fold"] == ALL_FOLDS else [int(settings["fold"])]
    for fold in folds:
        folder = _folder(settings, fold)
        theirs = read_settings(folder.parent)
        for key in ("k", "split_seed"):
            if theirs[key] != settings[key]:
                raise ConfigError(
                    f"teacher={settings['teacher']} was trained with {key}={theirs[key]}, so it may have seen the "
                    f"images that its student is validated on; type {key}={theirs[key]}"
                )
        size = theirs["data"].get("store_size")  # which a data module of one's own need not have
        if size != settings["data"].get("store_size"):
            raise ConfigError(
                f"teacher={settings['teacher']} was shown images of {size} pixels; type data.store_size={size} (the "
                "student's model.input_size may differ)."
            )


def open_teacher(
    settings: Settings, data: FaceDataModule, model: LightningModule, record: Preprocessing
) -> Teacher | None:
    """Open the teacher of a fold, and tell the student how much to make of it; None where there is none.

    It must have been trained on the very images that its student is: on any others, it might hand on what it knows of
    those that the student is validated on.

    Args:
        settings: the whole configuration.
        data: its tables read.
        model: the student.
        record: how the student is fed.

    Raises:
        FaceMaskError: the two do not go together.
    """
    if not settings.get("teacher"):
        return None
    if not isinstance(model, MaskClassifier):
        raise ConfigError(f"teacher= is for models of facemask, and {type(model).__name__} has a loss of its own.")
    folder = _folder(settings, data.fold)
    known = (read_result(folder) or {})["data"]["fingerprint"]
    if known != data.fingerprint:
        raise RunError(
            f"the teacher in {folder} was trained on other images (fingerprint {known}, here {data.fingerprint}), "
            "perhaps those that its student is validated on; train it on the same data, with the same split_seed, k "
            "and data.fraction."
        )
    teacher = Teacher(folder, *load_model(folder / BEST))
    if teacher.record.class_names != record.class_names:
        raise RunError(
            f"the teacher in {folder} knows the classes {', '.join(teacher.record.class_names)}, and these data have "
            f"{', '.join(record.class_names)}; name another teacher."
        )
    model.teaching = Teaching(settings["teacher_weight"], settings["teacher_temperature"])
    return teacher


def _folder(settings: Settings, fold: int) -> Path:
    return fold_folder(Path(settings["teacher"]).expanduser(), fold)
