"""Trained models as the teacher of a student (Hinton, Vinyals & Dean 2015, arXiv:1503.02531)."""

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
    """A trained model, or the models of all folds, that predict the student's training images.

    Attributes:
        folders: folders of their folds.
        models: one model, or one of each fold, in evaluation mode.
        preprocessing: preprocessing of the models.
    """

    folders: list[Path]
    models: list[LightningModule]
    preprocessing: Preprocessing

    @property
    def shown(self) -> Path:
        """Folder of the fold, or of the run if there are several."""
        return self.folders[0].parent if len(self.folders) > 1 else self.folders[0]

    @property
    def needs_folds(self) -> bool:
        """Whether each image is predicted by the model of its fold, which was not trained on it."""
        return len(self.models) > 1

    def __call__(self, images: Tensor, folds: Tensor | None = None) -> Tensor:
        """Return logits, float32[N, C], on the images' device.

        Args:
            images: stored images, uint8[N, S, S, 3].
            folds: their folds, int64[N], if the teacher ``needs_folds``.
        """
        inputs = self.preprocessing.normalise(images)
        with torch.no_grad():
            if folds is None:
                logits: Tensor = self.models[0].to(inputs.device)(inputs)
                return logits
            logits = inputs.new_full((len(inputs), len(self.preprocessing.class_names)), torch.nan)
            for fold, model in enumerate(self.models):
                if len(own := (folds == fold).nonzero().squeeze(1)):
                    logits[own] = model.to(inputs.device)(inputs[own]).to(logits.dtype)
        return logits

    def facts(self) -> TeacherFacts:
        """Return the facts for ``result.json``."""
        parameters = sum(p.numel() for p in self.models[0].parameters())
        return TeacherFacts(str(self.shown), state_digest(self.models[0]), parameters, len(self.models))


def check_teacher(config: TrainConfig) -> None:
    """Check the teacher of a run before any image is read.

    Raises:
        FaceMaskError: it is not a complete run with the same folds, or was trained on images of another size.
    """
    if not config.teacher:
        return
    is_whole = config.fold == ALL_FOLDS or config.teacher_unseen
    for fold in range(config.k) if is_whole else [int(config.fold)]:
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
    indices = range(config.k) if config.teacher_unseen else [fold]
    folders = [_folder(config.teacher, index) for index in indices]
    loaded = [load_model(folder / BEST) for folder in folders]
    return Teacher(folders, [model for model, _ in loaded], loaded[0][1])


def check_same_images(teacher: Teacher, data: FaceDataModule) -> None:
    """Raise if a teacher was trained on other images than its student.

    Otherwise it might have seen the student's validation images.

    Raises:
        RunError: it was trained on other images or classes.
    """
    result = read_fold(teacher.folders[0])
    known = result.facts.fingerprint if result else ""
    if known != data.fingerprint:
        raise RunError(
            f"the teacher in {teacher.shown} was trained on other images (fingerprint {known}, here "
            f"{data.fingerprint}), possibly the student's validation images; train it on the same data, with the "
            "same split_seed, k and data.fraction."
        )
    if list(teacher.preprocessing.class_names) != data.class_names:
        raise RunError(
            f"the teacher in {teacher.shown} has the classes {', '.join(teacher.preprocessing.class_names)}, but "
            f"the data have {', '.join(data.class_names)}; choose another teacher."
        )


def _folder(teacher: str, fold: int) -> Path:
    return fold_folder(Path(teacher).expanduser(), fold)
