"""What models are evaluated on: the test part that a run held out, or another folder of faces."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from facemask.config.compose import Settings, build
from facemask.data.datamodule import FaceDataModule
from facemask.data.index import index
from facemask.data.preprocessing import Pixels
from facemask.data.store import check_readable, fingerprint, open_store
from facemask.errors import DataError, RunError
from facemask.runs.trained import TrainedModel


@dataclass(frozen=True)
class Samples:
    """Faces with their labels.

    Attributes:
        data: the set's name.
        part: which part of it.
        root: the folder.
        table: one row a readable image: ``path`` (below root), ``label`` (one of the models' classes), ``group``,
            ``width`` and ``height`` in pixels.
        unreadable: ``path`` and ``error`` of the others.
        paths: of all of them.
        store_dir: where decoded images are kept.
        fingerprint: a short hash of their pixels, labels and groups.
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
        """Return the images of the table as squares, uint8[N, size, size, 3]; memory-mapped where all are readable."""
        store = open_store(self.root, self.paths, size, self.store_dir)
        is_readable = (store.samples["error"] == "").to_numpy()
        return store.images if is_readable.all() else np.asarray(store.images[is_readable])

    def labels(self, class_names: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return the class of each image of the table, int64[N]."""
        return np.asarray(pd.Categorical(self.table["label"], list(class_names)).codes, dtype=np.int64)


def read_samples(models: list[TrainedModel], settings: Settings) -> Samples:
    """Read the part that all of the models are evaluated on.

    Raises:
        DataError: there is none, or it holds a class that the models do not know, or too many damaged files.
        RunError: the runs held out different test parts.
    """
    if settings["data"]["root"] is not None:
        table, name, part = _of_folder(settings)
        root = Path(settings["data"]["root"]).expanduser()
    else:
        parts = [_held_out(model, settings) for model in models]
        table, root, name, part = parts[0]
        for model, other in zip(models, parts, strict=True):
            if not (other[1].resolve() == root.resolve() and other[0].equals(table)):
                raise RunError(
                    f"{models[0].label} and {model.label} held out different images ({part}); compare them on a folder "
                    "that neither was trained on: data.root=FOLDER split=all"
                )
    table = rename_classes(table, settings["data"]["labels"], models[0].class_names)
    store_dir = Path(settings["data"]["store_dir"]).expanduser()
    paths = table["path"].tolist()
    store = open_store(root, paths, models[0].record.store_size, store_dir)
    if (store.samples["error"] != "").all():
        raise DataError(f"none of the {len(paths)} images of {root} can be read; the first is {paths[0]}.")
    unreadable = check_readable(store, settings["data"]["max_unreadable"])
    sizes = store.samples.loc[store.samples["error"] == "", ["path", "width", "height"]]
    known = table.merge(sizes, on="path", validate="1:1")
    digest = fingerprint(store, table.assign(split=""))
    columns = known[["path", "label", "group", "width", "height"]]
    return Samples(name, part, root, columns, unreadable, paths, store_dir, digest)


def own_samples(models: list[TrainedModel], part: str, store_dir: str | None = None) -> Samples:
    """Read a part of the data that the runs themselves were given.

    Args:
        models: of these runs.
        part: ``val`` or ``test``.
        store_dir: where decoded images are kept; None for where the first run's are.

    Raises:
        FaceMaskError: as above; or the images have changed since.
    """
    data = {"root": None, "labels": {}, "max_unreadable": models[0].settings["data"].get("max_unreadable", 0.01)}
    store_dir = store_dir or models[0].settings["data"].get("store_dir", "data/store")
    return read_samples(models, {"split": part, "data": data | {"store_dir": store_dir}})


def open_training_data(model: TrainedModel, settings: Settings) -> FaceDataModule:
    """Open the data that a model was trained on, decoded.

    Raises:
        DataError: they are not there any more.
        RunError: they are not what they were.
    """
    node = model.settings["data"] | {"store_dir": settings["data"]["store_dir"]}
    data: FaceDataModule = build(node, fold=model.fold)
    data.prepare_data()
    known = model.result["data"]["fingerprint"]
    if data.fingerprint != known:
        raise RunError(
            f"the images of data.root={data.root} have changed since {model.folder} was trained (fingerprint {known}, "
            f"now {data.fingerprint}), so its test part may hold images it has seen; bring them back, or evaluate on "
            "another folder: data.root=FOLDER split=all"
        )
    return data


def _held_out(model: TrainedModel, settings: Settings) -> tuple[pd.DataFrame, Path, str, str]:
    """Return table, folder, name and part of what a run kept for this."""
    data = open_training_data(model, settings)
    if settings["split"] == "val":
        part = f"validation part (fold {model.fold} of {data.k}), on which the best epoch was chosen"
        columns = data.val_samples[["path", "label", "group"]]
        return columns.reset_index(drop=True), data.root, str(data.name), part
    if data.test_samples.empty:
        raise DataError(
            f"{model.folder} was trained with data.test_fraction=0 and held nothing out; evaluate on another folder: "
            "data.root=FOLDER split=all"
        )
    columns = data.test_samples[["path", "label", "group"]]
    return columns.reset_index(drop=True), data.root, str(data.name), "test part"


def _of_folder(settings: Settings) -> tuple[pd.DataFrame, str, str]:
    root = Path(settings["data"]["root"]).expanduser()
    table = index(root, for_training=False)
    if settings["split"] == "test":
        table = table[table["split"] == "test"].reset_index(drop=True)
        if table.empty:
            raise DataError(f"data.root={root} has no test folder; to take all of its images, type split=all.")
        return table, root.resolve().name, "test part"
    return table, root.resolve().name, "all images"


def rename_classes(table: pd.DataFrame, names: dict[str, str], known: list[str]) -> pd.DataFrame:
    """Give every image a class of the models.

    Args:
        table: with a column ``label``.
        names: class folder -> class of the models, where they differ.
        known: the classes of the models.

    Raises:
        DataError: a folder's class is not among these.
    """
    labels = table["label"].replace(names)
    unknown = sorted(set(labels) - set(known))
    if unknown:
        word = unknown[0]
        raise DataError(
            f"the class {word!r} of the images is unknown to the model, which knows {', '.join(known)}; say which it "
            f"is: 'data.labels={{{word}: {known[0]}}}', or leave its folder out."
        )
    return table.assign(label=labels)
