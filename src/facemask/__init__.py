"""Train, compare and deploy face-mask classifiers.

Every public name is imported on first use, so that ``import facemask`` is fast and inference needs no torch.

Example:
    ``faces`` is a folder with one subfolder of images per class.

    >>> import facemask
    >>> import numpy as np
    >>> run = facemask.train("model=cnn", "data.root=faces", epochs=1, folder="run")
    >>> crop = np.zeros((20, 16, 3), np.uint8)  # RGB
    >>> run.predictor().predict([crop]).shape
    (1, 2)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from facemask.api import compose, evaluate, export, label_video, prepare, train
    from facemask.config.trust import trust
    from facemask.data.datamodule import FaceDataModule
    from facemask.detection.find import find_faces
    from facemask.inference.predictor import Predictor
    from facemask.inference.run import load_run
    from facemask.models.classifier import MaskClassifier

_MODULES = {  # module of each public name
    "train": "api",
    "evaluate": "api",
    "export": "api",
    "prepare": "api",
    "label_video": "api",
    "compose": "api",
    "trust": "config.trust",
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
    "trust",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'facemask' has no attribute {name!r}")
    value = getattr(import_module(f"facemask.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
