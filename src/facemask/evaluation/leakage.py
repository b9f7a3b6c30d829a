"""Find evaluation images that are near-duplicates of training images."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from facemask.data.duplicates import near_duplicates
from facemask.data.manifest import MANIFEST, read_manifests
from facemask.data.pictures import is_picture_name
from facemask.errors import FaceMaskError
from facemask.reports.findings import Leakage
from facemask.runs.checkpoint import SUFFIX
from facemask.runs.samples import Samples, open_training_data, store_folder
from facemask.runs.trained import TrainedModel, open_models


def find_leakage(model: TrainedModel, samples: Samples, split: str) -> Leakage:
    """Compare the samples with all images of the model's training part, including the validation fold.

    Args:
        model: the model.
        samples: evaluation samples.
        split: their part: ``test``, ``val`` or ``all``.
    """
    pairs = pd.DataFrame(columns=["evaluated", "trained_on", "bits", "correlation"])
    nothing = np.zeros(len(samples.table), dtype=bool)
    if split == "val":
        return Leakage(pairs, nothing, 0, "the validation images are part of the training images.")
    if model.result.data is None:
        return Leakage(pairs, nothing, 0, f"{model.checkpoint} does not record what it was trained on.")
    try:
        data = open_training_data(model, samples.store_dir)
    except FaceMaskError as error:
        return Leakage(pairs, nothing, 0, str(error))
    assert data.samples is not None
    trained_on = data.store.images if data.unreadable.empty else data.images(data.samples)  # memory-mapped if possible
    found = near_duplicates(samples.images(data.store_size), trained_on)
    pairs = pd.DataFrame(
        {
            "evaluated": samples.table["path"].to_numpy()[found["first"].to_numpy(dtype=int)],
            "trained_on": data.samples["path"].to_numpy()[found["second"].to_numpy(dtype=int)],
            "bits": found["bits"],
            "correlation": found["correlation"],
        }
    )
    leaked = np.isin(np.arange(len(samples.table)), found["first"].to_numpy(dtype=int))
    return Leakage(pairs, leaked, len(data.samples))


class PhotoNames:
    """Photo names with partial paths and optional extensions.

    Args:
        names: photo names.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._whole = {_parts(name) for name in names}
        self._ends = {parts[i:] for parts in self._whole for i in range(len(parts))}

    def holds(self, name: str) -> bool:
        """Return whether a name matches: one path is a suffix of the other, ignoring extensions."""
        parts = _parts(name)
        return parts in self._ends or any(parts[i:] in self._whole for i in range(len(parts)))


def _parts(name: str) -> tuple[str, ...]:
    path = PurePosixPath(name)
    return (path.with_suffix("") if is_picture_name(path.name) else path).parts


def photos_trained_on(run: Path, fold: int | None = None, store_dir: str | None = None) -> tuple[PhotoNames, str]:
    """Return the photos that a model was trained on, including validation folds, or why they are unknown.

    Args:
        run: a run folder, a checkpoint, or an exported model.
        fold: fold of the run; None for the first complete one.
        store_dir: folder of decoded images; None for the run's.
    """
    if not (run.is_dir() or run.suffix == SUFFIX):
        return PhotoNames(), "an exported model does not record it; use its run folder"
    try:
        models = open_models([run], fold)
        if models[0].result.data is None:
            return PhotoNames(), f"{run} does not record what it was trained on"
        data = open_training_data(models[0], store_folder(models, store_dir))
    except FaceMaskError as error:
        return PhotoNames(), str(error).rstrip(".")
    assert data.samples is not None
    table = read_manifests(data.root, data.folders).set_index("file")
    if "photo" not in table:
        return PhotoNames(), f"there is no {MANIFEST} with the photos of its faces"
    photos = table["photo"].reindex(data.samples["path"]).fillna("")
    reason = f"{MANIFEST} does not give the photo of every face" if (photos == "").any() else ""
    return PhotoNames(photos[photos != ""]), reason
