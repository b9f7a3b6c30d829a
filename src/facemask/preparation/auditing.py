"""``prepare_data.py task=audit``: find defects in a data set and compare their number with limits."""

import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
import pandas as pd
from rich.console import Console
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from facemask.config.preparation_schemas import AuditConfig
from facemask.data.copies import SIDE as SIDE_OF_COPIES
from facemask.data.copies import altered_copies, middle
from facemask.data.duplicates import SIDE, near_duplicates
from facemask.data.groups import groups_from_names, propose_groups
from facemask.data.index import left_out
from facemask.data.manifest import MANIFEST, manifest_with
from facemask.data.places import check_writable_set, open_set
from facemask.data.preprocessing import Pixels, unpadded
from facemask.data.store import open_store
from facemask.files import read_bytes, relative_to_cwd, to_csv, write_atomically
from facemask.preparation.defects import find_defects
from facemask.preparation.result import TaskResult
from facemask.reports.terminal import print_table

FINDINGS, JSON = "findings.csv", "audit.json"
Sizes = npt.NDArray[np.int64]
SMALLEST = 20  # smallest side of images that are compared for altered copies, pixels; smaller faces look alike
COMPARED = 10_000  # largest number of images that are compared for altered copies unasked
MAX_FILE = 1_000_000_000  # bytes, of an image


@dataclass(frozen=True)
class Audit(TaskResult):
    """Defects of a data set.

    Attributes:
        folder: folder of ``findings.csv`` and ``audit.json``.
        root: folder of the data set.
        findings: one row per finding, see :func:`facemask.preparation.defects.find_defects`.
        found: number of findings of each kind.
        allowed: maximum number of findings of each kind; None for any number.
        n_groups: number of groups.
        classes: number of images per class.
        notes: sentences about images that are not used, and about names that repeat.
    """

    folder: Path
    root: Path
    findings: pd.DataFrame
    found: Mapping[str, int]
    allowed: Mapping[str, int | None]
    n_groups: int
    classes: Mapping[str, int]
    notes: Sequence[str] = ()

    @property
    def too_many(self) -> dict[str, int]:
        """Kinds with more findings than allowed, and their numbers."""
        limits = {kind: limit for kind, limit in self.allowed.items() if limit is not None}
        return {kind: self.found[kind] for kind, limit in limits.items() if self.found[kind] > limit}

    @property
    def failure(self) -> str | None:
        """One sentence about the exceeded limits; None if all findings are within ``allow``."""
        if not self.too_many:
            return None
        listed = ", ".join(f"{kind} ({n:,}, allowed {self.allowed[kind]:,})" for kind, n in self.too_many.items())
        return f"more findings than allowed: {listed}; fix the data set, or allow more: allow.{min(self.too_many)}=…"

    def show(self, console: Console) -> None:
        """Print the number of findings of each kind and the first of each."""
        rows = [
            {"finding": kind, "found": n, "allowed": "any" if self.allowed[kind] is None else self.allowed[kind]}
            for kind, n in self.found.items()
        ]
        n = sum(self.classes.values())
        title = f"{self.root}: {n:,} images in {self.n_groups:,} groups, {len(self.classes)} classes"
        print_table(pd.DataFrame(rows), title, console)
        first = self.findings.drop_duplicates("finding")[["finding", "file", "label", "other", "detail"]]
        notes = [
            f"First of {kind}: {' and '.join(filter(None, [file or label, other]))} ({detail})"
            for kind, file, label, other, detail in first.to_numpy()
        ]
        where = relative_to_cwd(self.folder)
        notes += self.notes
        notes.append(f"All findings: {where}/{FINDINGS}; as JSON: {where}/{JSON}")
        console.print("\n".join(notes), soft_wrap=True, highlight=False, markup=False)


def audit(config: AuditConfig, folder: Path) -> Audit:
    """Audit a data set and write the findings into a folder.

    Raises:
        FaceMaskError: the data set cannot be read.
    """
    store_dir = Path(config.data.store_dir).expanduser()
    if config.group:
        check_writable_set(config.data.root)
    root, table, folders = open_set(config.data.root, store_dir, for_training=False, groups=config.data.groups)
    store = open_store(root, table["path"].tolist(), SIDE, store_dir)
    table = table.assign(**{name: store.samples[name].to_numpy() for name in ("width", "height", "error")})
    table = table.assign(**_brightness(store.images, table["width"].to_numpy(), table["height"].to_numpy()))
    table["digest"] = [_digest(root / path) for path in table["path"]]
    limits = {"min_side": config.min_side, "max_aspect": config.max_aspect, "max_imbalance": config.max_imbalance}
    near = near_duplicates(store.images)
    altered = _altered(store.images, table, config.copies)
    if config.group:
        table = table.assign(group=joined_groups(table, pd.concat([near, altered])))
        write_atomically(root / MANIFEST, to_csv(manifest_with(root, folders, table, "group")))
    findings = find_defects(table, near, altered, config.min_side, config.max_aspect, config.max_imbalance)
    found, allowed = findings["finding"].value_counts(), dict(vars(config.allow))
    counts = {kind: int(found.get(kind, 0)) for kind in allowed}
    classes = {str(label): int(n) for label, n in table["label"].value_counts().items()}
    result = Audit(
        folder,
        root,
        findings,
        counts,
        allowed,
        table["group"].nunique(),
        classes,
        _notes(table, folders, config.copies),
    )
    facts = {
        "data": {"root": str(root), "n": len(table), "groups": result.n_groups},
        "classes": classes,
        "limits": limits,
        "allowed": allowed,
        "found": counts,
        "too_many": sorted(result.too_many),
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / FINDINGS, to_csv(findings))
    write_atomically(folder / JSON, json.dumps(facts, indent=2) + "\n")
    return result


def _altered(images: Pixels, table: pd.DataFrame, is_wanted: bool | None) -> pd.DataFrame:
    """Return the pairs of altered copies in different groups; none if too many images would be compared unasked."""
    sizes = table[["width", "height"]].to_numpy()
    is_compared = sizes.min(axis=1, initial=SMALLEST) >= SMALLEST
    if not (is_wanted or (is_wanted is None and len(table) <= COMPARED)):
        is_compared[:] = False
    rows = np.flatnonzero(is_compared)
    shown = [middle(unpadded(images[row], *sizes[row].tolist())) for row in rows]
    pairs = altered_copies(np.array(shown, np.float32).reshape(-1, SIDE_OF_COPIES, SIDE_OF_COPIES))
    pairs = pairs.assign(first=rows[pairs["first"]], second=rows[pairs["second"]])
    groups = table["group"].to_numpy()  # in one group, images of one face are no defect
    is_apart = np.asarray(groups[pairs["first"]] != groups[pairs["second"]], bool)
    return pairs.loc[is_apart].reset_index(drop=True)


def _brightness(images: Pixels, widths: Sizes, heights: Sizes) -> dict[str, list[float]]:
    """Return the maximum and the standard deviation of each image's grey values, without its padding.

    Args:
        images: uint8[N, S, S, 3], images shrunk to fit and padded to squares.
        widths: width of each image file, pixels.
        heights: height of each image file, pixels.
    """
    found: dict[str, list[float]] = {"brightest": [], "contrast": []}
    for image, width, height in zip(images, widths, heights, strict=True):
        grey = unpadded(image, int(width), int(height)).mean(axis=2)
        found["brightest"].append(float(grey.max(initial=0)))
        found["contrast"].append(float(grey.std()) if grey.size else 0.0)
    return found


def joined_groups(table: pd.DataFrame, near: pd.DataFrame) -> list[str]:
    """Return the group of each image, where groups that share duplicates are joined.

    Args:
        table: an index with ``group``, ``error`` and ``digest``.
        near: pairs of near-duplicates: ``first`` and ``second`` (rows of the table).

    Returns:
        The first name of the joined groups, one per row of the table.
    """
    codes, names = pd.factorize(table["group"])
    is_whole = (table["error"] == "").to_numpy()
    pairs = near[is_whole[near["first"]] & is_whole[near["second"]]]
    first = table.groupby("digest")["group"].transform("first")  # files with the same bytes
    left = [*codes[pairs["first"]], *codes]
    right = [*codes[pairs["second"]], *names.get_indexer(pd.Index(first))]
    links = coo_matrix((np.ones(len(left)), (left, right)), shape=(len(names), len(names)))
    component = connected_components(links, directed=False)[1]
    joined = pd.Series(names).groupby(component).transform("first")
    return [str(name) for name in joined.to_numpy()[codes]]


def _notes(table: pd.DataFrame, folders: Sequence[Path], copies: bool | None) -> list[str]:
    notes = [note for folder in folders for note in left_out(folder)]
    if copies is None and len(table) > COMPARED:
        notes.append(f"Altered copies were not looked for among {len(table):,} images; copies=true does so.")
    has_groups = (table["group"] != table["path"]).any()
    if not has_groups and (pattern := propose_groups(table)):
        names = pd.Series(groups_from_names(table["path"].tolist(), pattern))
        n, first = names.nunique(), names.index[names == names.mode()[0]][:2]
        alike = " and ".join(PurePosixPath(table["path"].iloc[i]).name for i in first)
        notes.append(
            f"Names repeat, as {alike} do: if these show one face, keep them in one part with "
            f"{shlex.quote(f'data.groups={pattern}')} ({n:,} groups)."
        )
    return notes


def _digest(file: Path) -> str:
    """Return a hash of a file's bytes, or its name if it cannot be read."""
    try:
        return hashlib.sha256(read_bytes(file, MAX_FILE)).hexdigest()
    except (OSError, ValueError):
        return str(file)
