"""What is said and drawn of a folder of crops when all photos are done."""

import shlex
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console

from facemask.config.compose import Settings
from facemask.data.index import MANIFEST, UNLABELLED, read_manifest
from facemask.data.pictures import read_image
from facemask.data.preprocessing import Pixels
from facemask.files import as_typed, replaced
from facemask.preparation.crops import PHOTOS
from facemask.preparation.journal import Cropped, Journal
from facemask.reports.terminal import print_table
from facemask.seeding import PICTURES, derive_seed

SHEET = "sheet.png"
COLUMNS, ROWS = 12, 4  # pictures of a class on the sheet


def finish(journal: Journal, settings: Settings) -> None:
    """Print what the photos have come to, and draw a sheet of the crops if that was asked for."""
    done = list(journal.done.values())
    faces = read_manifest(journal.folder / MANIFEST)
    if has_sheet := settings["sheet"] and len(faces) > 0:
        _draw_sheet(faces, journal.folder, settings["seed"])
    where, console = as_typed(journal.folder), Console()
    title = f"{where}: {len(faces):,} faces of {faces['photo'].nunique():,} photos"
    print_table(face_counts(faces), title, console)
    notes = [*_notes(done, set(faces["label"]), settings), f"Photo by photo: {where}/{PHOTOS}"]
    if has_sheet:
        notes.append(f"Sheet: {where}/{SHEET}")
    if UNLABELLED not in set(faces["label"]) and faces["label"].nunique() > 1:
        notes.append(f"To train on them: python train.py data=folder {shlex.quote(f'data.root={where}')}")
    console.print("\n".join(notes), soft_wrap=True, highlight=False, markup=False)


def face_counts(faces: pd.DataFrame) -> pd.DataFrame:
    """Return faces, their share and the photos that they are from, by class (columns ``label`` and ``photo``)."""
    counts = faces.groupby("label").agg(faces=("photo", "size"), photos=("photo", "nunique"))
    counts.insert(1, "share", counts["faces"] / max(1, len(faces)))
    return counts.reset_index(names="class")


def _notes(done: list[Cropped], labels: set[str], settings: Settings) -> list[str]:
    without = sum(not cropped.faces and not cropped.error for cropped in done)
    unreadable = [cropped for cropped in done if cropped.error]
    left_out = sum(cropped.left_out for cropped in done)
    notes = []
    if without:
        notes.append(f"{without:,} of {len(done):,} photos have no face.")
    if unreadable:
        notes.append(f"{len(unreadable):,} of {len(done):,} cannot be read; the first is {unreadable[0].photo}.")
    if left_out:
        side = settings["crop"]["min_side"]
        notes.append(
            f"{left_out:,} faces are left out: smaller than crop.min_side={side} pixels, or outside their photo."
        )
    if UNLABELLED in labels:
        notes.append(
            f"Move the faces in {UNLABELLED} to folders of their classes, and type this again: the manifest follows."
        )
    return notes


def _draw_sheet(faces: pd.DataFrame, folder: Path, seed: int) -> None:
    """Draw some crops of each class."""
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
    with replaced(folder / SHEET) as stream:
        stream.write(Drawing("sheet", "", draw_sheet(rows)).png)
