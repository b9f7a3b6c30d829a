"""Predict with a model from any kind of file; float32 files give the same probabilities.

ONNX files, also those of run folders, only need ``onnxruntime``, ``opencv`` and ``numpy``. torch is imported only
for files that need it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from facemask.data.classes import merge_probabilities, merged_names
from facemask.data.preprocessing import Pixels
from facemask.errors import ModelError
from facemask.inference import ready_made
from facemask.inference.backend import Backend, Probabilities

BATCH_SIZE = 32  # crops per batch; bounds memory, and larger batches are not faster on a CPU


class FileKind(NamedTuple):
    """A kind of model that can be loaded.

    Attributes:
        opener: dotted path of a function that returns a :class:`Backend`; imported when a file needs it.
        arguments: arguments of :meth:`Predictor.load` that it takes besides ``threads``.
    """

    opener: str
    arguments: tuple[str, ...]


FOLDER = "a run folder"
KINDS = {  # by file suffix
    FOLDER: FileKind("facemask.inference.engine.open_run", ("device", "fold")),
    ".ckpt": FileKind("facemask.inference.engine.open_run", ("device",)),
    ".pt2": FileKind("facemask.inference.torch.open_program", ("device",)),
    ".onnx": FileKind("facemask.inference.onnx.open_onnx", ("providers",)),
    ".xml": FileKind("facemask.inference.openvino.open_openvino", ("device",)),
}


class Predictor:
    """Classifier of face crops.

    Args:
        backend: the opened model; :meth:`load` opens one.

    Attributes:
        preprocessing: preprocessing of the model.
        library: name of the library that runs it, such as ``ONNX Runtime``.

    Example:
        >>> import numpy as np
        >>> from facemask import Predictor
        >>> predictor = Predictor.load("run")
        >>> predictor.class_names
        ('mask', 'no_mask')
        >>> predictor.predict([np.zeros((20, 16, 3), np.uint8)]).shape
        (1, 2)
    """

    def __init__(self, backend: Backend) -> None:
        self.preprocessing, self._run, self.library = backend

    @classmethod
    def load(
        cls,
        path: str | Path | None = None,
        threads: int | None = None,
        providers: str | Sequence[str | tuple[str, dict[str, Any]]] | None = None,
        device: str | None = None,
        fold: int | None = None,
    ) -> "Predictor":
        """Open a model.

        Args:
            path: the folder of a run or of one of its folds, a checkpoint, or an exported model: ``.onnx``, OpenVINO's
                ``.xml`` (with its ``.bin`` beside it) or ``.pt2``. None for the ready-made model, whose card is
                :data:`facemask.inference.ready_made.CARD`.
            threads: number of CPU threads; None for the library's default. In torch the number applies to the whole
                process.
            providers: only for ``.onnx``: execution providers of ONNX Runtime in order of preference, such as
                ``TensorrtExecutionProvider``, optionally with options; None for the CPU.
            device: for torch (``cuda``) and OpenVINO (``GPU``); None for the CPU, where a run's ``best.onnx`` replaces
                torch.
            fold: only for run folders: fold of the model; None for the first complete one.

        Raises:
            FaceMaskError: the file is missing, damaged or not a model of this project, or a library is missing.
        """
        path = ready_made.FILE if path is None else Path(path).expanduser()
        kind = FOLDER if path.is_dir() else path.suffix
        allowed = _listed(list(KINDS))
        if not path.exists():
            raise ModelError(f"{path} does not exist; give {allowed}.")
        if threads is not None and threads < 1:
            raise ModelError(f"threads must be at least 1, got {threads}; leave it out for the library's default.")
        if kind not in KINDS:
            raise ModelError(f"{path} is not a model file; give {allowed}.")
        arguments = {"providers": providers, "device": device, "fold": fold}
        for name, value in arguments.items():
            if value is not None and name not in KINDS[kind].arguments:
                others = _listed([other for other in KINDS if name in KINDS[other].arguments])
                raise ModelError(f"{name}={value} does not apply to {path}, only to {others}; leave it out.")
        taken = {name: arguments[name] for name in KINDS[kind].arguments}
        return cls(import_opener(path, KINDS[kind].opener)(path, threads=threads, **taken))

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class names in the order of the probabilities."""
        return self.preprocessing.class_names

    def merged(self, merge: Mapping[str, str]) -> "Predictor":
        """Return a predictor with merged classes, whose probabilities are summed.

        Args:
            merge: new name by class, such as ``{"wrong_mask": "no_mask"}``; others keep theirs.

        Raises:
            ConfigError: a merged class does not exist, or only one class is left.
        """
        names, run = self.class_names, self._run
        preprocessing = replace(self.preprocessing, class_names=tuple(merged_names(names, merge)))
        return Predictor(
            Backend(preprocessing, lambda squares: merge_probabilities(run(squares), names, merge), self.library)
        )

    def predict(self, crops: Iterable[Pixels]) -> Probabilities:
        """Return class probabilities.

        Args:
            crops: N face crops, uint8[h, w, 3] each, RGB, of any size; N may be 0.

        Returns:
            float32[N, C].

        Raises:
            ModelError: a crop has another type or shape, or no pixels.
        """
        crops = list(crops)
        for i, crop in enumerate(crops):
            if not (isinstance(crop, np.ndarray) and crop.dtype == np.uint8 and crop.ndim == 3 and crop.shape[2] == 3):
                what = f"{crop.dtype}{list(crop.shape)}" if isinstance(crop, np.ndarray) else type(crop).__name__
                raise ModelError(f"crop {i} is {what}; each crop must be an array uint8[h, w, 3], RGB.")
            if crop.size == 0:
                raise ModelError(f"crop {i} has no pixels: {crop.shape[1]} x {crop.shape[0]}; leave it out.")
        batches = (crops[start : start + BATCH_SIZE] for start in range(0, len(crops), BATCH_SIZE))
        return self._predict_batches(np.stack([self.preprocessing.square(crop) for crop in batch]) for batch in batches)

    def predict_squares(self, squares: Pixels) -> Probabilities:
        """Return class probabilities of square crops, as in the store.

        Args:
            squares: uint8[N, store_size, store_size, 3], RGB; N may be 0.

        Returns:
            float32[N, C].

        Raises:
            ModelError: wrong shape or type.
        """
        size = self.preprocessing.store_size
        if squares.dtype != np.uint8 or squares.shape[1:] != (size, size, 3):
            raise ModelError(
                f"the images must be uint8[N, {size}, {size}, 3], RGB, got {squares.dtype}{list(squares.shape)}."
            )
        return self._predict_batches(
            squares[start : start + BATCH_SIZE] for start in range(0, len(squares), BATCH_SIZE)
        )

    def _predict_batches(self, batches: Iterable[Pixels]) -> Probabilities:
        empty = np.empty((0, len(self.class_names)), np.float32)
        return np.concatenate([empty, *(self._run(batch) for batch in batches)])


def _listed(kinds: Sequence[str]) -> str:
    """Return kinds of files for messages, such as ``a run folder, or a file .ckpt or .onnx``."""
    suffixes = [kind for kind in kinds if kind != FOLDER]
    files = [f"a file {' or '.join(filter(None, [', '.join(suffixes[:-1]), suffixes[-1]]))}"] if suffixes else []
    return ", or ".join([FOLDER] * (FOLDER in kinds) + files)


def import_opener(path: Path, dotted: str) -> Callable[..., Backend]:
    """Import the function that opens a file.

    Raises:
        ModelError: its library is not installed.
    """
    module, _, name = dotted.rpartition(".")
    try:
        opener: Callable[..., Backend] = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        raise ModelError(
            f"{path} needs {error.name}, which is not installed here; on a machine that has it, export the model as "
            "ONNX: python export.py run=FOLDER"
        ) from error
    return opener
