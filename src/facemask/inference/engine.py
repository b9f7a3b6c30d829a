"""The model of a fold as an ONNX file, on which everything that only predicts runs on a CPU.

ONNX Runtime is about three times as fast as eager torch there, and needs no import of torch.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from facemask.data.preprocessing import Pixels, Preprocessing
from facemask.errors import ModelError
from facemask.files import open_atomically, read_text
from facemask.inference.backend import METADATA, Backend, Probabilities, write_metadata
from facemask.inference.onnx import open_onnx
from facemask.inference.predictor import Predictor

if TYPE_CHECKING:
    from torch import nn

BEST, ENGINE = "best.ckpt", "best.onnx"
MAX_RESULT = 50_000_000  # bytes of a result.json
TOLERANCE = 1e-4  # largest difference from the probabilities of the checkpoint


def write_engine(
    folder: Path, model: "nn.Module", preprocessing: Preprocessing, images: Pixels, probabilities: Probabilities
) -> Path | None:
    """Write the engine of a fold, unless its probabilities differ from those of the checkpoint.

    Args:
        folder: folder of the fold.
        model: maps float32[N, 3, S, S] to logits, float32[N, C].
        preprocessing: preprocessing of the model.
        images: validation images, uint8[N, store_size, store_size, 3].
        probabilities: those of the checkpoint for these images, float32[N, C].

    Returns:
        The file; None if the network cannot be traced or gives other probabilities, so that torch remains in use.
    """
    from facemask.inference.graph import Graph, trace

    file = folder / ENGINE
    try:
        graph = trace(Graph(model, preprocessing))
        graph.metadata_props.add(key=METADATA, value=write_metadata(preprocessing, {}))
        with open_atomically(file) as stream:
            stream.write(graph.SerializeToString())
        found = Predictor(open_onnx(file)).predict_squares(images)
    except (ModelError, ImportError):
        found = np.full_like(probabilities, np.nan)
    if np.abs(found - probabilities).max() <= TOLERANCE:  # False for NaN
        return file
    file.unlink(missing_ok=True)
    return None


def open_run(path: Path, threads: int | None = None, device: str | None = None, fold: int | None = None) -> Backend:
    """Open the model of a run or a checkpoint; see :meth:`facemask.inference.predictor.Predictor.load`.

    On the CPU its engine is used, if it has one.

    Raises:
        FaceMaskError: the file is damaged or not written by this project, or the folder has no complete fold.
    """
    checkpoint = path if path.is_file() else _best_checkpoint(path, fold)
    if device in (None, "cpu") and checkpoint and (engine := open_engine(checkpoint, threads)):
        return engine
    from facemask.inference.torch import open_checkpoint

    return open_checkpoint(path, threads, device, fold)


def _best_checkpoint(folder: Path, fold: int | None) -> Path | None:
    """Return the best checkpoint of a fold as :func:`facemask.runs.trained.fold_folder` does, without torch.

    None if that function has an error to raise.
    """
    if fold is None and _is_complete(folder) and (folder / BEST).is_file():
        return folder / BEST
    numbers = {
        int(name): place for place in folder.glob("fold-*") if (name := place.name.removeprefix("fold-")).isdigit()
    }
    complete = sorted(number for number, place in numbers.items() if _is_complete(place))
    chosen = fold if fold in complete else next(iter(complete), None) if fold is None else None
    return None if chosen is None else numbers[chosen] / BEST


def _is_complete(folder: Path) -> bool:
    try:
        result = json.loads(read_text(folder / "result.json", MAX_RESULT))
    except (OSError, ValueError):
        return False
    return isinstance(result, dict) and result.get("status") == "complete"


def open_engine(checkpoint: Path, threads: int | None = None) -> Backend | None:
    """Open the engine beside the best checkpoint of a fold; None if there is none that can be used.

    Args:
        checkpoint: the checkpoint.
        threads: number of threads; None for one per core.
    """
    file = checkpoint.with_name(ENGINE)
    if checkpoint.stem != file.stem or not file.is_file():
        return None
    try:
        return open_onnx(file, threads)
    except ModelError:  # damaged, or no ONNX Runtime here: torch takes its place
        return None
