"""Read the manifest of a data set: a table with group, split, label and source of its images."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pandas as pd

from facemask.data.parts import to_splits
from facemask.errors import DataError
from facemask.files import from_cell, normal

MANIFEST = "manifest.csv"
NAMED = ("file", "photo", "group", "split", "label", "source")  # columns of a manifest, in any case of letters


def read_manifest(file: Path, names_of_file: Sequence[str] = ("file",)) -> pd.DataFrame:
    """Read a manifest as text: one row per file, paths with forward slashes.

    Args:
        file: the manifest.
        names_of_file: names that the column of the paths may have.

    Raises:
        DataError: it cannot be read, lists no files, or lists a file twice.
    """
    try:
        if not file.is_file():
            raise ValueError("it is not a regular file")
        with file.open(encoding="utf-8-sig") as stream:
            head = stream.readline(100_000)
        separator = next((mark for mark in (",", ";", "\t") if mark in head), ",")  # spreadsheets write ; or tabs
        manifest = pd.read_csv(file, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (ValueError, OSError) as error:  # pandas' parser errors are ValueErrors
        raise DataError(f"{file} cannot be read as a CSV table: {error}") from error
    names = {str(name): str(name).strip().lower() for name in manifest}
    manifest = manifest.rename(columns={name: known for name, known in names.items() if known in NAMED})
    first = next((name for name, known in names.items() if known in names_of_file), "file")
    manifest = manifest.rename(columns={first: "file"})
    if "file" not in manifest:
        raise DataError(
            f"{file} needs a column {' or '.join(map(repr, names_of_file))} (paths of the images), got "
            f"{', '.join(map(str, manifest.columns))}."
        )
    for name in manifest:
        manifest[name] = manifest[name].map(from_cell)
    manifest["file"] = manifest["file"].str.replace("\\", "/", regex=False)
    for name in manifest["file"]:
        if name.startswith("/") or ".." in name.split("/"):
            raise DataError(f"{file} names {name!r}, which is not below its folder; remove the row.")
    if (twice := manifest["file"].map(normal).duplicated()).any():
        raise DataError(f"{file} lists {manifest['file'][twice].iloc[0]} twice; keep one row per file.")
    return manifest


def read_manifests(root: Path, folders: Sequence[Path]) -> pd.DataFrame:
    """Return the rows of the manifests of a data set's folders; empty if there is none.

    Args:
        root: folder that the column ``file`` of the result is relative to.
        folders: root, or folders below it.

    Raises:
        DataError: as :func:`read_manifest`.
    """
    found = []
    for folder in folders:
        if (folder / MANIFEST).is_file():
            manifest, below = read_manifest(folder / MANIFEST), PurePosixPath(folder.relative_to(root).as_posix())
            found.append(manifest.assign(file=[str(below / file) for file in manifest["file"]]))
    return pd.concat(found, ignore_index=True).fillna("") if found else pd.DataFrame({"file": []}, dtype=str)


def manifest_with(root: Path, folders: Sequence[Path], table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the manifest of a data set with a column filled from its index.

    Images without a row in a manifest get one with the group and the source that the index gives them, if any.

    Args:
        root: folder of the data set.
        folders: folders that may have a manifest, see :func:`read_manifests`.
        table: index with ``path``, ``group``, ``source`` and the column; files without a row keep their value.
        column: ``group`` or ``split``.
    """
    manifest = read_manifests(root, folders)
    is_new = ~table["path"].map(normal).isin(set(manifest["file"].map(normal)))
    new = table.loc[is_new, ["path", "group", "source"]].rename(columns={"path": "file"})
    new["group"] = new["group"].where(new["group"] != new["file"], "")
    manifest = pd.concat([manifest, new.loc[:, (new != "").any()]], ignore_index=True).fillna("")
    values = manifest["file"].map(normal).map(table.set_index(table["path"].map(normal))[column])
    return manifest.assign(**{column: values.fillna(manifest.get(column, ""))})


def apply_manifest(table: pd.DataFrame, file: Path) -> pd.DataFrame:
    """Return an index with the groups, splits and sources of a manifest.

    Raises:
        DataError: the manifest cannot be read, lacks an image, or contradicts its folder.
    """
    manifest = read_manifest(file)
    rows = manifest.set_index(manifest["file"].map(normal)).drop(columns="file").reindex(table["path"].map(normal))
    unlisted = table["path"][rows.isna().all(axis=1).to_numpy()] if len(rows.columns) else table["path"][:0]
    if len(unlisted):
        raise DataError(
            f"{file} has no row for {len(unlisted)} of {len(table)} images, the first is {unlisted.iloc[0]}; "
            "list every image, or remove the manifest."
        )
    table = table.copy()
    if "label" in rows and (differs := rows["label"].to_numpy() != table["label"].to_numpy()).any():
        raise DataError(
            f"{file} gives {table['path'][differs].iloc[0]} a label that differs from its folder; move the file or "
            "correct the row."
        )
    for column in ("photo", "group"):  # an explicit group takes precedence over the photo
        if column in rows:
            values = rows[column].to_numpy()
            table["group"] = table["group"].where(values == "", values)
    if "split" in rows:
        known = pd.Series(to_splits(rows["split"], file))
        table["split"] = table["split"].where(known == "", known)
    if "source" in rows:
        table["source"] = rows["source"].to_numpy()
    return table
