"""The best model of a fold as ONNX. On a CPU, evaluation, videos and ``Predictor`` use it instead of torch.

ONNX Runtime is about three times as fast as eager torch there, and needs no import of torch.
"""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facemask.data.preprocessing import Pixels, Preprocessing
from facemask.errors import ModelError, first_line
from facemask.files import open_atomically, read_text
from facemask.inference.backend import METADATA, Backend, write_metadata
from facemask.inference.onnx import open_onnx
from facemask.inference.predictor import Predictor, import_opener

if TYPE_CHECKING:
    from torch import nn

BEST, ENGINE = "best.ckpt", "best.onnx"
MAX_RESULT = 50_000_000  # bytes of a result.json
TOLERANCE = 1e-4  # largest difference from the probabilities of the checkpoint
N_COMPARED = 200  # validation images


def write_engine(checkpoint: Path, model: "nn.Module", preprocessing: Preprocessing, images: Pixels) -> str:
    """Write the engine of a checkpoint, unless its probabilities differ from those of torch on the CPU.

    Args:
        checkpoint: the checkpoint, in whose folder the engine is written.
        model: maps float32[N, 3, S, S] to logits, float32[N, C]; on the CPU.
        preprocessing: preprocessing of the model.
        images: validation images, uint8[N, store_size, store_size, 3].

    Returns:
        Why there is none, so that torch remains in use; empty if the engine was written.
    """
    from facemask.inference.graph import Graph, trace
    from facemask.models.predict import predict_probabilities

    file = checkpoint.with_name(ENGINE)
    try:
        graph = trace(Graph(model, preprocessing))
        metadata = write_metadata(preprocessing, {"checkpoint": _digest(checkpoint)})
        graph.metadata_props.add(key=METADATA, value=metadata)
        with open_atomically(file) as stream:
            stream.write(graph.SerializeToString())
        compared = images[:: max(1, len(images) // N_COMPARED)]
        found = Predictor(open_onnx(file)).predict_squares(compared)
        expected = predict_probabilities(model, preprocessing, compared)
        if found.shape == expected.shape and np.abs(found - expected).max() <= TOLERANCE:  # False for NaN
            return ""
        reason = f"its probabilities differ from those of the checkpoint by more than {TOLERANCE:g}"
    except Exception as error:  # tracing and running a network raise many types; training must not fail by them
        reason = first_line(error)
    file.unlink(missing_ok=True)
    return reason


def _digest(checkpoint: Path) -> str:
    return hashlib.sha256(checkpoint.read_bytes()).hexdigest()


def open_run(path: Path, threads: int | None = None, device: str | None = None, fold: int | None = None) -> Backend:
    """Open the model of a run or a checkpoint; see :meth:`facemask.inference.predictor.Predictor.load`.

    On the CPU its engine is used, if it has one.

    Raises:
        FaceMaskError: the file is damaged or not written by this project, or the folder has no complete fold.
    """
    checkpoint = path if path.is_file() else _best_checkpoint(path, fold)
    if device in (None, "cpu") and checkpoint and (engine := open_engine(checkpoint, threads)):
        return engine
    open_checkpoint = import_opener(path, "facemask.inference.torch.open_checkpoint")
    return open_checkpoint(path, threads, device, fold)


def _best_checkpoint(folder: Path, fold: int | None) -> Path | None:
    """Return the best checkpoint of a fold as :func:`facemask.runs.trained.fold_folder` does, without torch.

    None if that function has an error to raise.
    """
    if fold is None and _is_complete(folder) and (folder / BEST).is_file():
        return folder / BEST
    places = {place.name.removeprefix("fold-"): place for place in folder.glob("fold-*")}
    complete = {int(name): place for name, place in places.items() if name.isdigit() and _is_complete(place)}
    chosen = complete.get(min(complete, default=-1) if fold is None else fold)
    return chosen / BEST if chosen else None


def _is_complete(folder: Path) -> bool:
    try:
        result = json.loads(read_text(folder / "result.json", MAX_RESULT))
    except (OSError, ValueError, RecursionError):  # the last for deeply nested content
        return False
    return isinstance(result, dict) and result.get("status") == "complete"


def open_engine(checkpoint: Path, threads: int | None = None) -> Backend | None:
    """Open the engine beside the best checkpoint of a fold; None if there is none, or if it is of another checkpoint.

    Args:
        checkpoint: the checkpoint; it may be missing, where only the engine was copied.
        threads: number of threads; None for one per core.
    """
    file = checkpoint.with_name(ENGINE)
    if checkpoint.stem != file.stem or not file.is_file():
        return None
    try:
        return open_onnx(file, threads, made_from=_digest(checkpoint) if checkpoint.is_file() else None)
    except (ModelError, OSError):  # damaged, of another checkpoint, or no ONNX Runtime here: torch takes its place
        return None
