"""A folder of images as a table: which files there are, their class, their group and their split."""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pandas as pd
from PIL import Image

from facemask.errors import DataError

LAYOUT = "expected ROOT/CLASS/** or ROOT/train/CLASS/** with ROOT/test/CLASS/**, one folder a class"
MANIFEST = "manifest.csv"
UNLABELLED = "unlabelled"  # the folder of faces whose class nobody has said
# Validation pictures are the folds' business: a ready-made validation folder joins the training part.
SPLITS = {"train": ["train", "training", "val", "valid", "validation", "dev"], "test": ["test", "testing"]}
SPLIT_OF_FOLDER = {folder: split for split, folders in SPLITS.items() for folder in folders}


def index(root: Path, hint: str = "", for_training: bool = True) -> pd.DataFrame:
    """List the images of a data set.

    Args:
        root: folder laid out as ``root/{class}/**`` or ``root/{train,test}/{class}/**``. A ``manifest.csv`` in it
            may give, by ``file`` (path below root), each image's ``group`` (or ``photo``) and ``split``; it wins
            over the folders.
        hint: where this data set can be had, added to the error when it is missing.
        for_training: ask for two classes or more, and for a training part; a model can be tried on less.

    Returns:
        One row an image, sorted by path: ``path`` (below root, with forward slashes), ``label`` (class name),
        ``group`` (images that must stay on one side of every split; the path itself where nothing is known),
        ``split`` (``train``, ``test``, or empty where the set does not say).

    Raises:
        DataError: root is missing, holds no image, only one class or an empty class, or the manifest contradicts it.
    """
    if not root.is_dir():
        raise DataError(f"data.root={root} is not a folder; {hint or LAYOUT}.")
    folders = _class_folders(root, for_training)
    rows = [(path, label, path, split) for folder, label, split in folders for path in images_below(folder, root)]
    if not rows:
        raise DataError(f"data.root={root} holds no image in a class folder; {hint or LAYOUT}.")
    table = pd.DataFrame(rows, columns=["path", "label", "group", "split"], dtype=str)
    if for_training and (table["label"] == UNLABELLED).any():
        raise DataError(
            f"data.root={root} holds faces whose class nobody has said, in {UNLABELLED}; move them to the folders of "
            "their classes, or elsewhere."
        )
    folders = [folder for folder in folders if folder[1] != UNLABELLED]  # left empty when they had been sorted
    _check_classes(table, folders, root, at_least=2 if for_training else 1)
    if (root / MANIFEST).is_file():
        table = _apply_manifest(table, root / MANIFEST)
    return table.sort_values("path", ignore_index=True)


def _class_folders(root: Path, for_training: bool) -> list[tuple[Path, str, str]]:
    """Return (folder, class name, split) of every class folder; split is empty in the flat layout."""
    folders = _subfolders(root)
    splits = {f: SPLIT_OF_FOLDER[f.name.lower()] for f in folders if f.name.lower() in SPLIT_OF_FOLDER}
    if not splits:
        return [(folder, folder.name, "") for folder in folders]
    if for_training and "train" not in splits.values():
        raise DataError(f"data.root={root} holds a folder {min(splits).name!r} but none of training images; {LAYOUT}.")
    return [(below, below.name, split) for folder, split in splits.items() for below in _subfolders(folder)]


def _subfolders(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.is_dir() and not _is_hidden(child.name))


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def images_below(folder: Path, root: Path) -> Iterator[str]:
    """Yield the path below root, with forward slashes, of every picture in a folder of it, hidden ones left out."""
    seen: set[str] = set()  # a link back to a parent folder must not be followed for ever
    for directory, subfolders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(directory)
        if real in seen:
            subfolders.clear()
            continue
        seen.add(real)
        subfolders[:] = [name for name in subfolders if not _is_hidden(name)]
        below = Path(directory).relative_to(root).as_posix()
        for name in names:
            if not _is_hidden(name) and _is_image(directory, name):
                yield f"{below}/{name}"


def _is_image(directory: str, name: str) -> bool:
    """Trust a known suffix (a damaged file is found when it is decoded); look inside files with any other."""
    if os.path.splitext(name)[1].lower() in _readable_suffixes():
        return True
    try:
        with Image.open(os.path.join(directory, name)):
            return True
    except (OSError, ValueError, Image.DecompressionBombError):
        return False


@cache
def _readable_suffixes() -> frozenset[str]:
    suffixes = Image.registered_extensions()  # fills Image.OPEN as well
    return frozenset(suffix for suffix, name in suffixes.items() if name in Image.OPEN)


def _check_classes(table: pd.DataFrame, folders: list[tuple[Path, str, str]], root: Path, at_least: int) -> None:
    counts = table["label"].value_counts()
    for _, label, _ in folders:
        if label not in counts:
            raise DataError(f"class folder {label!r} of data.root={root} holds no image; fill it or delete it.")
    if len(counts) < at_least:
        raise DataError(
            f"data.root={root} holds one class only, {counts.index[0]!r}; a classifier needs two or more: {LAYOUT}."
        )


def read_manifest(file: Path) -> pd.DataFrame:
    """Read a manifest: words alone, one row a file, its path with forward slashes.

    Raises:
        DataError: it cannot be read, or lists no files, or one twice.
    """
    try:
        manifest = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (ValueError, OSError) as error:  # pandas' parser errors are ValueErrors
        raise DataError(f"{file} cannot be read as a CSV table: {error}") from error
    if "file" not in manifest:
        raise DataError(
            f"{file} needs a column 'file' (path below data.root); it has {', '.join(map(str, manifest.columns))}."
        )
    manifest["file"] = manifest["file"].str.replace("\\", "/", regex=False)
    if (twice := manifest["file"].duplicated()).any():
        raise DataError(f"{file} lists {manifest['file'][twice].iloc[0]} twice; keep one row a file.")
    return manifest


def _apply_manifest(table: pd.DataFrame, file: Path) -> pd.DataFrame:
    manifest = read_manifest(file)
    rows = manifest.set_index("file").reindex(table["path"])
    unlisted = table["path"][rows.isna().all(axis=1).to_numpy()] if len(rows.columns) else table["path"][:0]
    if len(unlisted):
        raise DataError(
            f"{file} has no row for {len(unlisted)} of {len(table)} images, the first is {unlisted.iloc[0]}; "
            "list every image, or remove the manifest."
        )
    table = table.copy()
    if "label" in rows and (differs := rows["label"].to_numpy() != table["label"].to_numpy()).any():
        raise DataError(
            f"{file} gives {table['path'][differs].iloc[0]} a label other than its folder's; move the file or "
            "mend the row."
        )
    for column in ("photo", "group"):  # an explicit group wins over the photo
        if column in rows:
            values = rows[column].to_numpy()
            table["group"] = table["group"].where(values == "", values)
    if "split" in rows:
        values = rows["split"].to_numpy()
        unknown = sorted(set(values) - set(SPLIT_OF_FOLDER) - {""})
        if unknown:
            raise DataError(f"{file} has split {unknown[0]!r}; allowed are train, val, test, or empty.")
        known = pd.Series([SPLIT_OF_FOLDER.get(value, "") for value in values])
        table["split"] = table["split"].where(known == "", known)
    return table
