"""Whether images that a model is judged by are almost the same as images it has learned from."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
import pandas as pd

from facemask.config.compose import Settings
from facemask.data.duplicates import near_duplicates
from facemask.data.index import MANIFEST, read_manifest
from facemask.data.pictures import PHOTOS
from facemask.errors import FaceMaskError
from facemask.runs.samples import Samples, open_training_data
from facemask.runs.trained import TrainedModel, open_models


@dataclass(frozen=True)
class Leakage:
    """What of the samples a model has seen.

    Attributes:
        pairs: one row a pair: ``evaluated`` and ``trained_on`` (paths), ``bits``, ``correlation``.
        leaked: bool[N], the samples in these pairs.
        compared: how many training images the samples were compared with.
        reason: why nothing could be compared; empty where it was.
    """

    pairs: pd.DataFrame
    leaked: npt.NDArray[np.bool_]
    compared: int
    reason: str = ""


def find_leakage(model: TrainedModel, samples: Samples, settings: Settings) -> Leakage:
    """Compare the samples with every image of the model's training part, the validation fold too."""
    pairs = pd.DataFrame(columns=["evaluated", "trained_on", "bits", "correlation"])
    nothing = np.zeros(len(samples.table), dtype=bool)
    if settings["split"] == "val":
        return Leakage(pairs, nothing, 0, "the validation part is a part of the training images.")
    try:
        data = open_training_data(model, settings)
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


def photos_trained_on(settings: Settings) -> tuple[PhotoNames, str]:
    """Return the photos that a run was trained on, validation folds too; else why that is not known.

    Args:
        settings: of an evaluation of one run.
    """
    if not Path(settings["run"][0]).expanduser().is_dir():
        return PhotoNames(), "a model file does not say; name the folder of its run to know"
    try:
        model = open_models(settings)[0]
        store_dir = settings["data"]["store_dir"] or model.settings["data"]["store_dir"]
        data = open_training_data(model, {"data": {"store_dir": store_dir}})
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
