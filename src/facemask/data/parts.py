"""The parts of a data set: what folders and tables call train, val and test."""

from collections.abc import Iterable
from pathlib import Path

from facemask.errors import DataError

PARTS = {
    "train": ["train", "training"],
    "val": ["val", "valid", "validation", "dev"],
    "test": ["test", "testing"],
}
PART_OF_FOLDER = {folder: part for part, folders in PARTS.items() for folder in folders}
# Folds provide the validation images, so an existing validation folder joins the training part.
SPLIT_OF_FOLDER = {folder: "train" if part == "val" else part for folder, part in PART_OF_FOLDER.items()}


def part_of_folder(name: str) -> str:
    """Return the part of a data set that a folder is: ``train``, ``val2017``, ``Testing``; empty for other folders.

    Example:
        >>> part_of_folder("val2017")
        'val'
    """
    return PART_OF_FOLDER.get(name.lower().rstrip("0123456789_- "), "")


def to_splits(values: Iterable[str], file: Path) -> list[str]:
    """Return ``train``, ``test`` or empty for each value of a column ``split``.

    Raises:
        DataError: a value is no part of a data set.
    """
    values = list(values)
    if unknown := sorted(set(values) - set(SPLIT_OF_FOLDER) - {""}):
        raise DataError(f"{file} has split {unknown[0]!r}; allowed are train, val, test, or empty.")
    return [SPLIT_OF_FOLDER.get(value, "") for value in values]
