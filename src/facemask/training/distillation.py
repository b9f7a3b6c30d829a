"""A trained model as the teacher of a smaller model (Hinton, Vinyals & Dean 2015, arXiv:1503.02531)."""

from dataclasses import dataclass
from pathlib import Path

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from facemask.config.keys import ALL_FOLDS
from facemask.config.schemas import TrainConfig
from facemask.data.datamodule import FaceDataModule
from facemask.data.preprocessing import Preprocessing
from facemask.errors import ConfigError, RunError
from facemask.models.checkpoint import load_model
from facemask.models.weights import state_digest
from facemask.runs.results import TeacherFacts
from facemask.runs.run_folder import BEST, read_config, read_fold
from facemask.runs.trained import fold_folder


@dataclass
class Teacher:
    """A trained model that predicts the student's training images.

    Attributes:
        folder: folder of its fold.
        model: model in evaluation mode.
        preprocessing: preprocessing of the model.
    """

    folder: Path
    model: LightningModule
    preprocessing: Preprocessing

    def __call__(self, images: Tensor) -> Tensor:
        """Return logits, float32[N, C], of stored images, uint8[N, S, S, 3], on the images' device."""
        with torch.no_grad():
            logits: Tensor = self.model.to(images.device)(self.preprocessing.normalise(images))
        return logits

    def facts(self) -> TeacherFacts:
        """Return the facts for ``result.json``."""
        parameters = sum(p.numel() for p in self.model.parameters())
        return TeacherFacts(str(self.folder), state_digest(self.model), parameters)


def check_teacher(config: TrainConfig) -> None:
    """Check the teacher of a run before any image is read.

    Raises:
        FaceMaskError: it is not a complete run with the same folds, or was trained on images of another size.
    """
    if not config.teacher:
        return
    folds = range(config.k) if config.fold == ALL_FOLDS else [int(config.fold)]
    for fold in folds:
        theirs = read_config(_folder(config.teacher, fold).parent)
        for key in ("k", "split_seed"):
            if getattr(theirs, key) != getattr(config, key):
                raise ConfigError(
                    f"teacher={config.teacher} was trained with {key}={getattr(theirs, key)}, so it may have seen "
                    f"the student's validation images; use {key}={getattr(theirs, key)}"
                )
        size = theirs.data.get("store_size")  # a custom data module may not have it
        if size != config.data.get("store_size"):
            raise ConfigError(
                f"teacher={config.teacher} was trained on images of {size} pixels; use data.store_size={size} (the "
                "student's model.input_size may differ)."
            )


def open_teacher(config: TrainConfig, fold: int) -> Teacher | None:
    """Open the teacher of a fold; None if there is none."""
    if not config.teacher:
        return None
    folder = _folder(config.teacher, fold)
    return Teacher(folder, *load_model(folder / BEST))


def check_same_images(teacher: Teacher, data: FaceDataModule) -> None:
    """Raise if a teacher was trained on other images than its student.

    Otherwise it might have seen the student's validation images.

    Raises:
        RunError: it was trained on other images or classes.
    """
    result = read_fold(teacher.folder)
    known = result.facts.fingerprint if result else ""
    if known != data.fingerprint:
        raise RunError(
            f"the teacher in {teacher.folder} was trained on other images (fingerprint {known}, here "
            f"{data.fingerprint}), possibly the student's validation images; train it on the same data, with the "
            "same split_seed, k and data.fraction."
        )
    if list(teacher.preprocessing.class_names) != data.class_names:
        raise RunError(
            f"the teacher in {teacher.folder} has the classes {', '.join(teacher.preprocessing.class_names)}, but "
            f"the data have {', '.join(data.class_names)}; choose another teacher."
        )


def _folder(teacher: str, fold: int) -> Path:
    return fold_folder(Path(teacher).expanduser(), fold)
