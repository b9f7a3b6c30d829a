"""Run a trained model, whatever kind of file it is: in float32 the same probabilities from each.

A device that runs an ONNX file needs ``onnxruntime``, ``opencv`` and ``numpy`` alone; torch is imported for its own
kinds of files only.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from facemask.data.preprocessing import Pixels
from facemask.errors import ModelError
from facemask.inference.backend import Backend, Probabilities

AT_ONCE = 32  # crops: bounds memory, and more are no faster on a CPU
KINDS = "a run's folder, a .ckpt, an .onnx, OpenVINO's .xml, or an exported program's .pt2"
ARGUMENTS = {  # of what each kind of file takes, beside threads
    "a folder": ("device", "fold"),
    ".ckpt": ("device",),
    ".pt2": ("device",),
    ".onnx": ("providers",),
    ".xml": ("device",),
}


class Predictor:
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
        providers: str | Sequence[str | tuple[str, dict[str, Any]]] | None = None,
        device: str | None = None,
        fold: int | None = None,
    ) -> "Predictor":
        """Open a model file.

        Args:
            path: a run's folder or a fold's, a checkpoint, or what ``export.py`` wrote: ``.onnx``, OpenVINO's ``.xml``
                (with its ``.bin`` beside it), or ``.pt2``.
            threads: how many to compute with; None leaves it to the library. Torch has one number for the process.
            providers: of ONNX Runtime and for its files, the first choice first, such as
                ``TensorrtExecutionProvider``, each with its options where it wants some; None for the CPU's.
            device: torch's (``cuda``) or OpenVINO's (``GPU``), for their files; None for the CPU.
            fold: of a run's folder, which fold's model; None for the first that is complete.

        Raises:
            FaceMaskError: the file is missing, damaged or no model of ours, or what is to run it is not there.
        """
        path = Path(path).expanduser()
        if not path.exists():
            raise ModelError(f"{path} does not exist; give {KINDS}.")
        if threads is not None and threads < 1:
            raise ModelError(f"threads={threads} cannot compute; give 1 or more, or leave it out.")
        kind = "a folder" if path.is_dir() else path.suffix
        if kind not in ARGUMENTS:
            raise ModelError(f"{path} is no model file; give {KINDS}.")
        for name, value in {"providers": providers, "device": device, "fold": fold}.items():
            if value is not None and name not in ARGUMENTS[kind]:
                others = " and ".join(other for other, names in ARGUMENTS.items() if name in names)
                raise ModelError(f"{name}={value} is for {others}, and {path} is {kind}; leave it out.")
        if kind in ("a folder", ".ckpt", ".pt2"):
            torch_backend = _with_torch(path)
            if path.suffix == ".pt2":
                return cls(torch_backend.open_program(path, threads, device))
            return cls(torch_backend.open_checkpoint(path, threads, device, fold))
        if path.suffix == ".onnx":
            from facemask.inference import onnx

            return cls(onnx.open_onnx(path, threads, providers))
        from facemask.inference import openvino

        return cls(openvino.open_openvino(path, threads, device))

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of the probabilities."""
        return self.record.class_names

    def predict(self, crops: Iterable[Pixels]) -> Probabilities:
        """Return the probability of each class.

        Args:
            crops: N faces, uint8[h, w, 3] each, RGB, of any size; N may be 0.

        Returns:
            float32[N, C].

        Raises:
            ModelError: a crop is no such array, or has no pixels.
        """
        crops = list(crops)
        for i, crop in enumerate(crops):
            if not (isinstance(crop, np.ndarray) and crop.dtype == np.uint8 and crop.ndim == 3 and crop.shape[2] == 3):
                what = f"{crop.dtype}{list(crop.shape)}" if isinstance(crop, np.ndarray) else type(crop).__name__
                raise ModelError(f"crop {i} is {what}; each must be an array uint8[h, w, 3], RGB.")
            if crop.size == 0:
                raise ModelError(f"crop {i} has no pixels: {crop.shape[1]} x {crop.shape[0]}; leave it out.")
        batches = (crops[start : start + AT_ONCE] for start in range(0, len(crops), AT_ONCE))
        return self._predicted(np.stack([self.record.square(crop) for crop in batch]) for batch in batches)

    def predict_squares(self, squares: Pixels) -> Probabilities:
        """Return the same of crops that are squares already, as stores hold them.

        Args:
            squares: uint8[N, store_size, store_size, 3], RGB; N may be 0.

        Raises:
            ModelError: they are of another shape or type.
        """
        size = self.record.store_size
        if squares.dtype != np.uint8 or squares.shape[1:] != (size, size, 3):
            raise ModelError(
                f"the images are {squares.dtype}{list(squares.shape)}; they must be uint8[N, {size}, {size}, 3], RGB."
            )
        return self._predicted(squares[start : start + AT_ONCE] for start in range(0, len(squares), AT_ONCE))

    def _predicted(self, batches: Iterable[Pixels]) -> Probabilities:
        none = np.empty((0, len(self.class_names)), np.float32)
        return np.concatenate([none, *(self._run(batch) for batch in batches)])


def _with_torch(path: Path) -> ModuleType:
    try:
        from facemask.inference import torch as torch_backend
    except ModuleNotFoundError as error:
        raise ModelError(
            f"{path} needs {error.name}, which is not installed here; where it is, make an ONNX file of it: "
            "python export.py run=FOLDER"
        ) from error
    return torch_backend
