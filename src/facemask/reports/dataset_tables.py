"""Tables of a data set. Pure functions of an index."""

import re
from pathlib import Path, PurePosixPath

import pandas as pd

from facemask.data.manifest import MANIFEST, read_manifest
from facemask.data.parts import SPLIT_OF_FOLDER

UNKNOWN = "not known"


def count_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return numbers of images and groups per class and split, and the fraction of each class.

    Args:
        table: an index with ``split`` filled.
    """
    splits = [split for split in ("train", "val", "test") if split != "val" or "val" in set(table["split"])]
    counts = pd.crosstab(table["label"], table["split"]).reindex(columns=splits, fill_value=0)
    counts["images"] = counts.sum(axis=1)
    counts["fraction"] = counts["images"] / counts["images"].sum()
    counts["groups"] = table.groupby("label")["group"].nunique()
    total = counts.sum().to_dict() | {"groups": table["group"].nunique()}
    counts.loc["all"] = total
    whole = counts.astype(dict.fromkeys((*splits, "images", "groups"), int))
    return whole.reset_index(names="class").rename_axis(None, axis=1)


def size_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return quantiles of the longer side, pixels, per class and split."""
    longer = table.assign(longer=table[["width", "height"]].max(axis=1))
    rows = []
    for (label, split), part in longer.groupby(["label", "split"]):
        quantiles = part["longer"].quantile([0, 0.05, 0.25, 0.5, 0.75, 0.95, 1])
        names = ["least", "5 %", "25 %", "median", "75 %", "95 %", "most"]
        pixels = {name: round(float(value)) for name, value in zip(names, quantiles, strict=True)}
        rows.append({"class": label, "split": split, "n": len(part)} | pixels)
    return pd.DataFrame(rows)


def sources(table: pd.DataFrame, root: Path) -> "pd.Series[str]":
    """Return the source of each image.

    From the manifest's column ``source``, else the folder below the class, else the leading letters of the file name.
    """
    if (root / MANIFEST).is_file():
        manifest = read_manifest(root / MANIFEST)
        if "source" in manifest:
            found = manifest.set_index("file")["source"].reindex(table["path"]).fillna("").replace("", UNKNOWN)
            return found.reset_index(drop=True)
    return table["path"].map(_source_of_path)


def source_table(table: pd.DataFrame, source: "pd.Series[str]") -> pd.DataFrame:
    """Return the number of images per source and class, largest source first."""
    counts = pd.crosstab(source.to_numpy(), table["label"].to_numpy())
    counts["all classes"] = counts.sum(axis=1)
    counts["fraction of all"] = counts["all classes"] / counts["all classes"].sum()
    counts = counts.sort_values("all classes", ascending=False)
    return counts.reset_index(names="source").rename_axis(None, axis=1)


def _source_of_path(path: str) -> str:
    parts = PurePosixPath(path).parts
    below = parts[2:-1] if parts[0].lower() in SPLIT_OF_FOLDER else parts[1:-1]
    if below:
        return below[0]
    letters = re.match(r"[A-Za-z]+", parts[-1])
    return letters.group().lower() if letters else UNKNOWN
