"""Open a data set where it is: a folder, an archive, a table of paths and labels, or several of them."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from facemask.config.roots import LAYOUT, Root, name_of_place, shown_places, to_places
from facemask.data.archives import ARCHIVES, is_archive, unpacked
from facemask.data.index import check_class_count, index, with_groups
from facemask.data.manifest import read_manifest
from facemask.data.parts import SPLIT_OF_FOLDER, to_splits
from facemask.errors import DataError, first_line
from facemask.files import is_below, normal

TABLES = (".csv", ".tsv", ".parquet")
STORE = "data/store"  # default folder of decoded images
UNPACKED = "unpacked"  # folder of unpacked archives, in the folder of decoded images
# Names of the columns of a table, in any case of letters.
COLUMNS = {
    "path": ("file", "path", "image", "filename"),
    "label": ("label", "class"),
    "group": ("group", "photo"),
    "split": ("split",),
    "source": ("source",),
}


class OpenedSet(NamedTuple):
    """A data set that was opened.

    Attributes:
        root: folder that the paths of the index are relative to.
        table: index, see :func:`facemask.data.index.index`.
        folders: folders of class folders that were read; none for a table.
    """

    root: Path
    table: pd.DataFrame
    folders: tuple[Path, ...]


def open_set(
    root: Root, store_dir: Path, hint: str = "", for_training: bool = True, groups: str | None = None
) -> OpenedSet:
    """Open a data set and list its images.

    Several places are read as one set, in the folder that contains them all. A place that is named like a part
    (``train``, ``test.csv``) is that part, unless its folders or rows say otherwise. Groups are distinguished by their
    place: photo 1 of one set is not photo 1 of another.

    Args:
        root: a folder, see :func:`facemask.data.index.index`; a zip or tar archive of one; a CSV or Parquet table with
            a column each of paths (``file``) and classes (``label``), and optionally ``group``, ``split`` and
            ``source``; or a list of these.
        store_dir: folder of decoded images, where archives are unpacked, once.
        hint: as in :func:`facemask.data.index.index`.
        for_training: as in :func:`facemask.data.index.index`.
        groups: as in :func:`facemask.data.index.index`.

    Raises:
        ConfigError: as in :func:`facemask.data.index.index`, or root is neither a place nor a list of places.
        DataError: as there; or an archive or a table cannot be read, or several places do not fit together.
    """
    places = to_places(root)
    if len(places) == 1:
        return _open_one(places[0], store_dir, hint, for_training, groups)
    opened = [_open_one(place, store_dir, hint, for_training, None, is_whole=False) for place in places]
    common = _common_folder([one.root for one in opened], root)
    tables = [_within(one, place, common) for one, place in zip(opened, places, strict=True)]
    table = pd.concat(tables, ignore_index=True).sort_values("path", ignore_index=True)
    if (twice := table["path"].duplicated()).any():
        raise DataError(
            f"data.root={shown_places(root)} contains {table['path'][twice].iloc[0]} twice; name each folder once, and "
            "none that is inside another."
        )
    check_class_count(table, f"data.root={shown_places(root)}", 2 if for_training else 1)
    _check_names(table, root)
    folders = tuple(common / _below(folder, common) for one in opened for folder in one.folders)
    return OpenedSet(common, with_groups(table, groups), folders)


def _open_one(
    place: Path, store_dir: Path, hint: str, for_training: bool, groups: str | None, is_whole: bool = True
) -> OpenedSet:
    if is_archive(place):
        folder = unpacked(place, store_dir / UNPACKED)
        return OpenedSet(folder, index(folder, hint, for_training, groups, is_whole=is_whole), (folder,))
    if is_table(place):
        read = index(place.parent, hint, for_training, groups, listed=_read_table(place), is_whole=is_whole)
        return OpenedSet(place.parent, read, ())
    if place.is_file():
        kinds = ", ".join((*ARCHIVES, *TABLES))
        raise DataError(f"data.root={place} is neither a folder, an archive nor a table ({kinds}); {LAYOUT}.")
    return OpenedSet(place, index(place, hint, for_training, groups, is_whole=is_whole), (place,))


def _common_folder(folders: Sequence[Path], root: Root) -> Path:
    try:
        return Path(os.path.commonpath([os.path.abspath(folder) for folder in folders]))
    except ValueError as error:  # different drives, on Windows
        raise DataError(f"data.root={shown_places(root)} must lie on one drive; copy them to one.") from error


def _below(folder: Path, common: Path) -> str:
    """Return the path of a folder below another, with a slash at its end; empty for the folder itself."""
    below = Path(os.path.abspath(folder)).relative_to(common).as_posix()
    return "" if below == "." else f"{below}/"


def _within(one: OpenedSet, place: Path, common: Path) -> pd.DataFrame:
    """Return the index of one of several places, with paths and groups relative to their common folder."""
    below, name, table = _below(one.root, common), name_of_place(place), one.table
    part = SPLIT_OF_FOLDER.get(name.lower(), "")
    paths = below + table["path"]
    is_unknown = table["group"] == table["path"]
    return table.assign(
        path=paths,
        group=paths.where(is_unknown, table["group"] if part else below + table["group"]),
        split=table["split"].where(table["split"] != "", part),
        source=table["source"].where(table["source"] != "", name),
    )


def _check_names(table: pd.DataFrame, root: Root) -> None:
    """Raise if two classes differ only in capital letters: one class would become two."""
    names: dict[str, str] = {}
    for label in sorted(table["label"].unique()):
        other = names.setdefault(normal(label).casefold(), label)
        if other != label:
            raise DataError(
                f"data.root={shown_places(root)} contains the classes {other} and {label}; give their folders the same "
                "name."
            )


def is_table(root: Path) -> bool:
    """Return whether a data set is a table of paths and labels."""
    return root.is_file() and root.suffix.lower() in TABLES


def check_writable_set(root: Root) -> None:
    """Raise if a data set has no folder to write a manifest into.

    Raises:
        ConfigError: as in :func:`open_set`.
        DataError: it is an archive, a table, or in several places.
    """
    places = to_places(root)
    if len(places) > 1:
        raise DataError(f"data.root={shown_places(root)} are several places; a manifest is written into one folder.")
    if places[0].is_file():
        raise DataError(f"data.root={places[0]} is not a folder, so no manifest can be written into it; unpack it.")


def _read_table(file: Path) -> pd.DataFrame:
    """Return ``path``, ``label``, ``group``, ``split`` and ``source`` of a table's images."""
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
    for column in ("group", "split", "source"):
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
