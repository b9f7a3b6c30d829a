"""Evaluation samples: the test part that a run held out, or another folder of faces."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pandas as pd

from facemask.config.roots import Root, base_name, shown_places, to_places
from facemask.config.schemas import EvaluationData
from facemask.data.classes import SYNONYMS
from facemask.data.datamodule import FaceDataModule
from facemask.data.places import open_set
from facemask.data.preprocessing import Pixels
from facemask.data.store import check_readable, fingerprint, open_store
from facemask.errors import DataError, RunError
from facemask.runs.checkpoint import data_module
from facemask.runs.trained import TrainedModel

TEST_OR_ALL = "test or all"  # the test part of a folder, or all images if it has none


@dataclass(frozen=True)
class Samples:
    """Labelled evaluation images.

    Attributes:
        data: name of the data set.
        part: part of the data set.
        root: folder of the data set.
        table: one row per readable image: ``path`` (below root), ``label`` (one of the models' classes), ``group``,
            ``width`` and ``height`` in pixels.
        unreadable: ``path`` and ``error`` of unreadable images.
        paths: paths of all images.
        store_dir: folder of decoded images.
        fingerprint: short hash of pixels, labels and groups.
    """

    data: str
    part: str
    root: Path
    table: pd.DataFrame
    unreadable: pd.DataFrame
    paths: list[str]
    store_dir: Path
    fingerprint: str

    def images(self, size: int) -> Pixels:
        """Return the images of the table as squares, uint8[N, size, size, 3]; memory-mapped if all are readable."""
        store = open_store(self.root, self.paths, size, self.store_dir)
        is_readable = (store.samples["error"] == "").to_numpy()
        return store.images if is_readable.all() else np.asarray(store.images[is_readable])

    def labels(self, class_names: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return the class of each image of the table, int64[N]."""
        return np.asarray(pd.Categorical(self.table["label"], list(class_names)).codes, dtype=np.int64)


@dataclass(frozen=True)
class Chosen:
    """Images to evaluate on: ``path``, ``label`` and ``group`` below a folder, with the names of data set and part."""

    table: pd.DataFrame
    root: Path
    name: str
    part: str


def read_samples(models: Sequence[TrainedModel], data: EvaluationData, split: str) -> Samples:
    """Read the part that all models are evaluated on.

    Args:
        models: the models.
        data: another folder than the runs' data, if set.
        split: ``test``, ``val``, or ``all`` images of another folder.

    Raises:
        DataError: there are no images, a class is unknown to the models, or too many files are damaged.
        RunError: the runs held out different test parts.
    """
    store_dir = store_folder(models, data.store_dir)
    chosen = _of_runs(models, store_dir, split) if data.root is None else _of_folder(data.root, store_dir, split)
    table = rename_classes(chosen.table, data.labels or {}, models[0].class_names, models[0].merge)
    return _opened(replace(chosen, table=table), models[0].preprocessing.store_size, store_dir, data.max_unreadable)


def read_set(models: Sequence[TrainedModel], place: Path, data: EvaluationData) -> Samples:
    """Read the part of a set that several models are evaluated on, with the set's own classes.

    This is the part that runs on the set have held out; without such a run its test part, and without one all images.

    Args:
        models: the models.
        place: folder, archive or table.
        data: settings of reading.

    Raises:
        DataError: there are no images, or too many files are damaged.
        RunError: the runs held out different test parts.
    """
    store_dir = store_folder(models, data.store_dir)
    own = [model for model in models if _is_trained_on(model, place)]
    chosen = _of_runs(own, store_dir, "test") if own else _of_folder(place, store_dir, TEST_OR_ALL)
    return _opened(chosen, models[0].preprocessing.store_size, store_dir, data.max_unreadable)


def _is_trained_on(model: TrainedModel, place: Path) -> bool:
    root = model.config.data.get("root")
    places = to_places(root) if root else ()
    return [one.resolve() for one in places] == [place.resolve()]


def _of_runs(models: Sequence[TrainedModel], store_dir: Path, split: str) -> Chosen:
    """Return the images that all runs held out."""
    parts = [_held_out(model, store_dir, split) for model in models]
    first = parts[0]
    for model, other in zip(models, parts, strict=True):
        if not (other.root.resolve() == first.root.resolve() and other.table.equals(first.table)):
            raise RunError(
                f"{models[0].label} and {model.label} held out different images ({first.part}); compare them on a "
                "folder that neither was trained on: data.root=FOLDER split=all"
            )
    return first


def _opened(chosen: Chosen, size: int, store_dir: Path, max_unreadable: float) -> Samples:
    table, root = chosen.table, chosen.root
    paths = table["path"].tolist()
    store = open_store(root, paths, size, store_dir)
    if (store.samples["error"] != "").all():
        raise DataError(f"none of the {len(paths)} images of {root} can be read; the first is {paths[0]}.")
    unreadable = check_readable(store, max_unreadable)
    sizes = store.samples.loc[store.samples["error"] == "", ["path", "width", "height"]]
    known = table.merge(sizes, on="path", validate="1:1")
    digest = fingerprint(store, table.assign(split=""))
    columns = known[["path", "label", "group", "width", "height"]]
    return Samples(chosen.name, chosen.part, root, columns, unreadable, paths, store_dir, digest)


def own_samples(models: Sequence[TrainedModel], part: str, store_dir: str | None = None) -> Samples:
    """Read a part of the runs' own data.

    Args:
        models: models of the runs.
        part: ``val`` or ``test``.
        store_dir: folder of decoded images; None for the first run's.

    Raises:
        FaceMaskError: as in :func:`read_samples`, or the images have changed.
    """
    allowed = models[0].config.data.get("max_unreadable", 0.01)
    return read_samples(models, EvaluationData(store_dir=store_dir, max_unreadable=allowed), part)


def store_folder(models: Sequence[TrainedModel], store_dir: str | None) -> Path:
    """Return the folder of decoded images: the given one, else the first run's."""
    return Path(store_dir or models[0].config.data.get("store_dir", "data/store")).expanduser()


def open_training_data(model: TrainedModel, store_dir: Path) -> FaceDataModule:
    """Open the data that a model was trained on.

    Raises:
        DataError: the images are missing.
        RunError: the images have changed, or the model does not record its data.
    """
    if model.result.data is None:
        raise RunError(
            f"{model.checkpoint} does not record what it was trained on; evaluate it on another folder: "
            "data.root=FOLDER split=all"
        )
    node = data_module(model.config.data.to_plain(), model.folder).with_arguments(store_dir=str(store_dir))
    data: FaceDataModule = node.build(fold=model.fold)
    data.prepare_data()
    known = model.result.data.fingerprint
    if data.fingerprint != known:
        raise RunError(
            f"the images of data.root={data.shown_root} have changed since {model.folder} was trained "
            f"(fingerprint {known}, now {data.fingerprint}), so its test part may contain training images; "
            "restore them, or evaluate on another folder: data.root=FOLDER split=all"
        )
    return data


def _held_out(model: TrainedModel, store_dir: Path, split: str) -> Chosen:
    """Return a run's validation or test images."""
    data = open_training_data(model, store_dir)
    columns = ["path", "label", "group"]
    if split == "val":
        chosen_on = ", on which the best epoch was chosen" if model.is_of_run else ""
        part = f"validation part (fold {model.fold} of {data.k}){chosen_on}"
        return Chosen(data.val_samples[columns].reset_index(drop=True), data.root, str(data.name), part)
    if data.test_samples.empty:
        raise DataError(
            f"{model.folder} was trained with data.test_fraction=0, so it has no test part; use another folder: "
            "data.root=FOLDER split=all"
        )
    return Chosen(data.test_samples[columns].reset_index(drop=True), data.root, str(data.name), "test part")


def _of_folder(given: Root, store_dir: Path, split: str) -> Chosen:
    root, table, _ = open_set(given, store_dir, for_training=False)
    test = table[table["split"] == "test"].reset_index(drop=True)
    if split == "test" and test.empty:
        raise DataError(f"data.root={shown_places(given)} has no test part; use split=all to evaluate on all images.")
    if split != "all" and len(test):
        return Chosen(test, root, base_name(given), "test part")
    return Chosen(table, root, base_name(given), "all images")


def rename_classes(
    table: pd.DataFrame,
    names: Mapping[str, str | None],
    known: Sequence[str],
    merge: Mapping[str, str] = MappingProxyType({}),
) -> pd.DataFrame:
    """Map the classes of images to those of the models.

    Args:
        table: table with a column ``label``.
        names: mapping from class folder to class of the models, where they differ.
        known: classes of the models, after merging.
        merge: classes that are counted as another.

    Raises:
        DataError: a class is unknown to the models.
    """
    for folder, name in names.items():
        if merge.get(str(name), name) not in known:
            raise DataError(
                f"data.labels maps {folder!r} to {name!r}, which is not a class of the model: {', '.join(known)}."
            )
    labels = table["label"].replace(dict(names)).replace(dict(merge))
    unknown = sorted(set(labels) - set(known))
    if unknown:
        word = unknown[0]
        pairs = ", ".join(f"{name}: {SYNONYMS[name] if SYNONYMS.get(name) in known else known[0]}" for name in unknown)
        raise DataError(
            f"the class {word!r} of the images is unknown to the model, which has {', '.join(known)}; map it: "
            f"'data.labels={{{pairs}}}', or remove its folder."
        )
    return table.assign(label=labels)
