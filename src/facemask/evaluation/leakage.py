"""Whether images that a model is judged by are almost the same as images it has learned from."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from facemask.data.duplicates import near_duplicates
from facemask.data.index import MANIFEST, read_manifest
from facemask.data.pictures import PHOTOS
from facemask.errors import FaceMaskError
from facemask.reports.findings import Leakage
from facemask.runs.checkpoint import SUFFIX
from facemask.runs.samples import Samples, open_training_data, store_folder
from facemask.runs.trained import TrainedModel, open_models


def find_leakage(model: TrainedModel, samples: Samples, split: str) -> Leakage:
    """Compare the samples with every image of the model's training part, the validation fold too.

    Args:
        model: the model.
        samples: what it is evaluated on.
        split: which part they are: ``test``, ``val`` or ``all``.
    """
    pairs = pd.DataFrame(columns=["evaluated", "trained_on", "bits", "correlation"])
    nothing = np.zeros(len(samples.table), dtype=bool)
    if split == "val":
        return Leakage(pairs, nothing, 0, "the validation part is a part of the training images.")
    if model.result.data is None:
        return Leakage(pairs, nothing, 0, f"{model.checkpoint} does not record what it was trained on.")
    try:
        data = open_training_data(model, samples.store_dir)
    except FaceMaskError as error:
        return Leakage(pairs, nothing, 0, str(error))
    assert data.samples is not None
    trained_on = data.store.images if data.unreadable.empty else data.images(data.samples)  # a map, if it may be
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
    """Names of photos, each with as much of its folder and with or without its suffix as whoever wrote it down saw fit.

    Args:
        names: the names.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._whole = {_parts(name) for name in names}
        self._ends = {parts[i:] for parts in self._whole for i in range(len(parts))}

    def holds(self, name: str) -> bool:
        """Return whether one of them may be this photo: where one of the two names ends, the other does."""
        parts = _parts(name)
        return parts in self._ends or any(parts[i:] in self._whole for i in range(len(parts)))


def _parts(name: str) -> tuple[str, ...]:
    path = PurePosixPath(name)
    return (path.with_suffix("") if path.suffix.lower() in PHOTOS else path).parts


def photos_trained_on(run: Path, fold: int | None = None, store_dir: str | None = None) -> tuple[PhotoNames, str]:
    """Return the photos that a model was trained on, validation folds too; else why that is not known.

    Args:
        run: a run's folder, a checkpoint, or an exported model.
        fold: whose model of a run; None for the first that is complete.
        store_dir: where decoded images are kept; None for where the run's are.
    """
    if not (run.is_dir() or run.suffix == SUFFIX):
        return PhotoNames(), "a model file does not say; name the folder of its run to know"
    try:
        models = open_models([run], fold)
        if models[0].result.data is None:
            return PhotoNames(), f"{run} does not record what it was trained on"
        data = open_training_data(models[0], store_folder(models, store_dir))
    except FaceMaskError as error:
        return PhotoNames(), str(error).rstrip(".")
    assert data.samples is not None
    manifest = data.root / MANIFEST
    table = read_manifest(manifest).set_index("file") if manifest.is_file() else pd.DataFrame()
    if "photo" not in table:
        return PhotoNames(), f"no {MANIFEST} says from which photos its faces were cut"
    photos = table["photo"].reindex(data.samples["path"]).fillna("")
    reason = f"{MANIFEST} does not say of all its faces from which photos they were cut" if (photos == "").any() else ""
    return PhotoNames(photos[photos != ""]), reason
