"""Open a data set where it is: a folder, an archive, or a table of paths and labels."""

from pathlib import Path

import pandas as pd

from facemask.data.archives import ARCHIVES, is_archive, unpacked
from facemask.data.index import LAYOUT, index
from facemask.data.manifest import read_manifest
from facemask.data.parts import to_splits
from facemask.errors import DataError, first_line
from facemask.files import is_below

TABLES = (".csv", ".tsv", ".parquet")
STORE = "data/store"  # default folder of decoded images
UNPACKED = "unpacked"  # folder of unpacked archives, in the folder of decoded images
# Names of the columns of a table, in any case of letters.
COLUMNS = {
    "path": ("file", "path", "image", "filename"),
    "label": ("label", "class"),
    "group": ("group", "photo"),
    "split": ("split",),
}


def open_set(
    root: Path, store_dir: Path, hint: str = "", for_training: bool = True, groups: str | None = None
) -> tuple[Path, pd.DataFrame]:
    """Return the folder of a data set, which the paths of its index are relative to, and the index.

    Args:
        root: a folder, see :func:`facemask.data.index.index`; a zip or tar archive of one; or a CSV or Parquet table
            with a column each of paths (``file``) and classes (``label``), and optionally ``group`` and ``split``.
        store_dir: folder of decoded images, where archives are unpacked, once.
        hint: as in :func:`facemask.data.index.index`.
        for_training: as in :func:`facemask.data.index.index`.
        groups: as in :func:`facemask.data.index.index`.

    Raises:
        ConfigError: as in :func:`facemask.data.index.index`.
        DataError: the same, or the archive or the table cannot be read.
    """
    if is_archive(root):
        folder = unpacked(root, store_dir / UNPACKED)
        return folder, index(folder, hint, for_training, groups)
    if is_table(root):
        return root.parent, index(root.parent, hint, for_training, groups, listed=_read_table(root))
    if root.is_file():
        kinds = ", ".join((*ARCHIVES, *TABLES))
        raise DataError(f"data.root={root} is neither a folder, an archive nor a table ({kinds}); {LAYOUT}.")
    return root, index(root, hint, for_training, groups)


def is_table(root: Path) -> bool:
    """Return whether a data set is a table of paths and labels."""
    return root.is_file() and root.suffix.lower() in TABLES


def check_writable_set(root: Path) -> None:
    """Raise if a data set has no folder to write a manifest into.

    Raises:
        DataError: it is an archive or a table.
    """
    if root.is_file():
        raise DataError(f"data.root={root} is not a folder, so no manifest can be written into it; unpack it first.")


def _read_table(file: Path) -> pd.DataFrame:
    """Return ``path``, ``label``, ``group`` and ``split`` of a table's images."""
    if file.suffix.lower() == ".parquet":
        try:
            table = pd.read_parquet(file).astype(str)
        except (OSError, ValueError) as error:  # pyarrow raises either for damaged files
            raise DataError(f"{file} cannot be read as a Parquet table: {first_line(error)}.") from error
    else:
        table = read_manifest(file, COLUMNS["path"])
    table.columns = table.columns.astype(str).str.strip().str.lower()
    found = {column: next((n for n in names if n in table), None) for column, names in COLUMNS.items()}
    if found["path"] is None or found["label"] is None:
        raise DataError(
            f"{file} needs a column file (path of an image) and a column label, got {', '.join(map(str, table))}."
        )
    read = pd.DataFrame({"path": table[found["path"]].astype(str), "label": table[found["label"]].astype(str)})
    for column in ("group", "split"):
        name = found[column]
        read[column] = table[name].astype(str) if name else ""
    read["path"] = read["path"].str.replace("\\", "/", regex=False)
    for path in read["path"]:
        if not is_below(path, file.parent):
            raise DataError(f"{file} names {path}, which is not below its folder; move the table, or correct the path.")
        if not (file.parent / path).is_file():
            raise DataError(f"{file} names {path}, which does not exist below its folder; correct or remove the row.")
    read["group"] = read["group"].where(read["group"] != "", read["path"])
    read["split"] = to_splits(read["split"], file)
    return read
