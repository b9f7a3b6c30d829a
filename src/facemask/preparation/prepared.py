"""The finished folder of crops, and a contact sheet."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console

from facemask.config.arguments import program
from facemask.config.preparation_schemas import CropConfig, ImportConfig
from facemask.data.index import UNLABELLED
from facemask.data.manifest import MANIFEST, read_manifest
from facemask.data.pictures import read_image
from facemask.data.preprocessing import Pixels
from facemask.files import open_atomically, relative_to_cwd
from facemask.preparation.crops import PHOTOS
from facemask.preparation.result import TaskResult
from facemask.reports.terminal import print_table
from facemask.seeding import PICTURES, derive_seed

SHEET = "sheet.png"
COLUMNS, ROWS = 12, 4  # layout of the crops of one class on the sheet


@dataclass(frozen=True)
class Prepared(TaskResult):
    """A folder of crops.

    Attributes:
        folder: folder of crops, with one subfolder per class.
        faces: manifest: one row per crop, with ``file``, ``photo``, ``label``, ``split``, the box and ``score``.
        photos: one row per photo: ``photo``, ``faces``, ``left_out`` (too small, or outside the photo) and ``error``
            (empty for readable photos).
        min_side: minimum side of a face, pixels.
        sheet: path of the contact sheet, if requested.
        found: what the annotations contain, a line each.
    """

    folder: Path
    faces: pd.DataFrame
    photos: pd.DataFrame
    min_side: int
    sheet: Path | None
    found: Sequence[str] = ()

    @property
    def unreadable(self) -> list[str]:
        """Unreadable photos."""
        return list(self.photos.loc[self.photos["error"] != "", "photo"])

    @property
    def _first_unreadable(self) -> str:
        first = self.photos[self.photos["error"] != ""].iloc[0]
        return f"{first['photo']} ({first['error']})"

    @property
    def n_left_out(self) -> int:
        """Number of faces that are too small or outside their photo."""
        return int(self.photos["left_out"].sum())

    @property
    def n_without_face(self) -> int:
        """Number of readable photos without a face."""
        return int(((self.photos["faces"] == 0) & (self.photos["error"] == "")).sum())

    def show(self, console: Console) -> None:
        """Print the faces per class, and notes about the photos."""
        for line in self.found:
            console.print(line, soft_wrap=True, highlight=False, markup=False)
        where = relative_to_cwd(self.folder)
        title = f"{where}: {len(self.faces):,} faces of {self.faces['photo'].nunique():,} photos"
        print_table(face_counts(self.faces), title, console)
        console.print("\n".join(self._notes(where)), soft_wrap=True, highlight=False, markup=False)

    def _notes(self, where: Path) -> Iterator[str]:
        labels, n = set(self.faces["label"]), len(self.photos)
        if self.n_without_face:
            yield f"{self.n_without_face:,} of {n:,} photos have no face."
        if self.unreadable:
            yield f"{len(self.unreadable):,} of {n:,} cannot be used; the first is {self._first_unreadable}."
        if self.n_left_out:
            yield (
                f"{self.n_left_out:,} faces were left out: smaller than crop.min_side={self.min_side} pixels, or "
                "outside their photo."
            )
        if UNLABELLED in labels:
            yield (
                f"Move the faces in {UNLABELLED} to class folders, and run this command again: the manifest follows."
            )
        yield f"Photo by photo: {where}/{PHOTOS}"
        if self.sheet:
            yield f"Sheet: {where}/{self.sheet.name}"
        if UNLABELLED not in labels and len(labels) > 1:
            yield f"To train on them: {program('train')} data=folder {shlex.quote(f'data.root={where}')}"


def finish(
    folder: Path, photos: pd.DataFrame, config: CropConfig | ImportConfig, found: Sequence[str] = ()
) -> Prepared:
    """Return the result, and draw a contact sheet if requested.

    Args:
        folder: folder of crops.
        photos: table from :func:`facemask.preparation.crops.crop_photos`.
        config: configuration of the task.
        found: what the annotations contain, a line each.
    """
    faces = read_manifest(folder / MANIFEST)
    has_sheet = config.sheet and len(faces) > 0
    if has_sheet:
        _draw_sheet(faces, folder, config.seed)
    return Prepared(folder, faces, photos, config.crop.min_side, folder / SHEET if has_sheet else None, found)


def face_counts(faces: pd.DataFrame) -> pd.DataFrame:
    """Return faces, their fraction and photos per class (columns ``label`` and ``photo``)."""
    counts = faces.groupby("label").agg(faces=("photo", "size"), photos=("photo", "nunique"))
    counts.insert(1, "fraction", counts["faces"] / max(1, len(faces)))
    return counts.reset_index(names="class")


def _draw_sheet(faces: pd.DataFrame, folder: Path, seed: int) -> None:
    """Draw a sample of the crops of each class."""
    from facemask.reports.dataset_figures import draw_sheet
    from facemask.reports.sections import Drawing

    rng = np.random.default_rng(derive_seed(PICTURES, seed))
    rows: dict[str, list[Pixels]] = {}
    for label, part in faces.groupby("label"):
        chosen = np.sort(rng.permutation(len(part))[: COLUMNS * ROWS])
        pictures = [read_image(folder / file) for file in part["file"].iloc[chosen]]
        for start in range(0, len(pictures), COLUMNS):
            shown = pictures[start : start + COLUMNS]
            rows[f"{label}\n{start + 1}–{start + len(shown)}"] = shown
    with open_atomically(folder / SHEET) as stream:
        stream.write(Drawing("sheet", "", draw_sheet(rows)).png)
