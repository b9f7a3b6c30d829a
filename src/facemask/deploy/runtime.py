"""Run a trained model, whatever kind of file it is: the same probabilities from each.

A device that runs an ONNX file needs ``onnxruntime``, ``opencv`` and ``numpy`` alone; torch is imported for its own
kinds of files only.
"""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import numpy as np

from facemask.data.preprocessing import Pixels
from facemask.deploy.backend import Backend, Probabilities
from facemask.errors import ModelError

AT_ONCE = 32  # crops: bounds memory, and more are no faster on a CPU
KINDS = "a run's folder, a .ckpt, an .onnx, OpenVINO's .xml, or an exported program's .pt2"


class MaskClassifier:
    """Says of face crops how probable each class is.

    Args:
        backend: the opened model; :meth:`load` opens it.
    """

    def __init__(self, backend: Backend) -> None:
        self.record, self._run = backend

    @classmethod
    def load(
        cls,
        path: str | Path,
        threads: int | None = None,
        providers: Sequence[str | tuple[str, dict[str, Any]]] | None = None,
        device: str | None = None,
        fold: int | None = None,
    ) -> Self:
        """Open a model file.

        Args:
            path: a run's folder or a fold's, a checkpoint, or what ``export.py`` wrote: ``.onnx``, OpenVINO's ``.xml``
                (with its ``.bin`` beside it), or ``.pt2``.
            threads: how many to compute with; None leaves it to the library. Torch has one number for the process.
            providers: of ONNX Runtime, the first choice first, such as ``TensorrtExecutionProvider``, each with its
                options where it wants some; None for the CPU's.
            device: torch's (``cuda``) or OpenVINO's (``GPU``); None for the CPU.
            fold: of a run's folder, which fold's model; None for the first that is complete.

        Raises:
            FaceMaskError: the file is missing, damaged or no model of ours, or what is to run it is not there.
        """
        path = Path(path).expanduser()
        if not path.exists():
            raise ModelError(f"{path} does not exist; give {KINDS}.")
        if threads is not None and threads < 1:
            raise ModelError(f"threads={threads} cannot compute; give 1 or more, or leave it out.")
        if path.is_dir() or path.suffix in (".ckpt", ".pt2"):
            torch_backend = _with_torch(path)
            if path.suffix == ".pt2":
                return cls(torch_backend.open_program(path, threads, device))
            return cls(torch_backend.open_checkpoint(path, threads, device, fold))
        if path.suffix == ".onnx":
            from facemask.deploy import onnx_backend

            return cls(onnx_backend.open_onnx(path, threads, providers))
        if path.suffix == ".xml":
            from facemask.deploy import openvino_backend

            return cls(openvino_backend.open_openvino(path, threads, device))
        raise ModelError(f"{path} is no model file; give {KINDS}.")

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of the probabilities."""
        return self.record.class_names

    def predict(self, crops: Sequence[Pixels]) -> Probabilities:
        """Return the probability of each class.

        Args:
            crops: N faces, uint8[h, w, 3] each, RGB, of any size; N may be 0.

        Returns:
            float32[N, C].

        Raises:
            ModelError: a crop is no such array, or has no pixels.
        """
        for i, crop in enumerate(crops):
            if not (isinstance(crop, np.ndarray) and crop.dtype == np.uint8 and crop.ndim == 3 and crop.shape[2] == 3):
                what = f"{crop.dtype}{list(crop.shape)}" if isinstance(crop, np.ndarray) else type(crop).__name__
                raise ModelError(f"crop {i} is {what}; each must be an array uint8[h, w, 3], RGB.")
            if crop.size == 0:
                raise ModelError(f"crop {i} has no pixels: {crop.shape[1]} x {crop.shape[0]}; leave it out.")
        size = self.record.store_size
        squares = np.empty((len(crops), size, size, 3), np.uint8)
        for i, crop in enumerate(crops):
            squares[i] = self.record.square(crop)
        return self.predict_squares(squares)

    def predict_squares(self, squares: Pixels, batch_size: int = AT_ONCE) -> Probabilities:
        """Return the same of crops that are squares already, uint8[N, store_size, store_size, 3], as stores hold them.

        Args:
            squares: N of them; N may be 0.
            batch_size: images at a time.
        """
        parts = [self._run(squares[start : start + batch_size]) for start in range(0, len(squares), batch_size)]
        return np.concatenate([np.empty((0, len(self.class_names)), np.float32), *parts])


def _with_torch(path: Path) -> ModuleType:
    try:
        from facemask.deploy import torch_backend
    except ModuleNotFoundError as error:
        raise ModelError(
            f"{path} needs {error.name}, which is not installed here; where it is, make an ONNX file of it: "
            "python export.py run=FOLDER"
        ) from error
    return torch_backend
