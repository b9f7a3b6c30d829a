"""facemask: from photos of people to a trained, compared, deployed face-mask classifier.

Every name below is imported when it is first used, so that ``import facemask`` costs nothing and a device that predicts
needs no torch.

Example:
    >>> import facemask
    >>> run = facemask.train("model=cnn", "data.root=faces", epochs=3)  # doctest: +SKIP
    >>> run.metrics["auroc"]  # doctest: +SKIP
    >>> run.predictor().predict(crops)  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from facemask.api import compose, evaluate, export, label_video, prepare, train
    from facemask.data.datamodule import FaceDataModule
    from facemask.detection.find import find_faces
    from facemask.inference.predictor import Predictor
    from facemask.inference.run import load_run
    from facemask.models.classifier import MaskClassifier

_HOMES = {
    "train": "api",
    "evaluate": "api",
    "export": "api",
    "prepare": "api",
    "label_video": "api",
    "compose": "api",
    "load_run": "inference.run",
    "Predictor": "inference.predictor",
    "FaceDataModule": "data.datamodule",
    "MaskClassifier": "models.classifier",
    "find_faces": "detection.find",
}
__all__ = [
    "FaceDataModule",
    "MaskClassifier",
    "Predictor",
    "compose",
    "evaluate",
    "export",
    "find_faces",
    "label_video",
    "load_run",
    "prepare",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'facemask' has no attribute {name!r}")
    value = getattr(import_module(f"facemask.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
