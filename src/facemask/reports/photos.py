"""The report of finding and classifying the faces of annotated photos: its sections, and the photos drawn on."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from facemask.data.pictures import read_image
from facemask.detection.detectors import SIDES
from facemask.detection.drawing import draw_face
from facemask.reports.sections import Section, Table

RIGHT, WRONG, MISSED = (0, 158, 115), (213, 94, 0), (204, 121, 167)  # RGB of boxes (Okabe and Ito 2008)


@dataclass(frozen=True)
class PhotoFindings:
    """What came of the faces of annotated photos.

    Attributes:
        about: which photos, how many faces.
        faces: one row a face, and a find that is no annotated face: ``photo``, ``label``, ``predicted``,
            ``probability`` and the box, pixels.
        outcome: for each class, and for all in the last row: how many were found, and called right.
        outcome_of_new: the same of photos that the model was not trained on; None where these are all or none, or where
            that is not known.
        finds: how many finds are faces.
        confusion: counts of true and predicted classes.
        is_seen: bool[N], the rows of photos that the model was trained on.
        reason: why that is not known; empty where it is.
        overlap: least intersection over union of a find and a face.
        n_bootstraps: of the bootstrap over photos.
    """

    about: str
    faces: pd.DataFrame
    outcome: pd.DataFrame
    outcome_of_new: pd.DataFrame | None
    finds: pd.DataFrame
    confusion: pd.DataFrame
    is_seen: npt.NDArray[np.bool_]
    reason: str
    overlap: float
    n_bootstraps: int

    @property
    def notes(self) -> list[str]:
        """What to know about the numbers, as sentences."""
        notes = [
            f"A find is a face where they overlap by {self.overlap} or more (intersection over union).",
            f"Ranges: 95 %, bootstrap over photos, {self.n_bootstraps:,} resamples.",
        ]
        if self.reason:
            notes.append(f"Whether the model was trained on these photos is not known: {self.reason}.")
        elif self.is_seen.all():
            notes.append("Every photo is one that was trained on: this says nothing of new ones.")
        elif self.outcome_of_new is not None:
            n = self.faces.loc[self.is_seen, "photo"].nunique()
            notes.append(f"{n} of the photos were trained on, which flatters the whole.")
        return notes


def photo_sections(findings: PhotoFindings) -> list[Section]:
    """Return the report."""
    faces = Table("faces", "", findings.faces, {"photo"}, is_collapsed=True, at_most=200)
    return [outcome_section(findings), finds_section(findings), Section("faces", "Faces", [], [faces])]


def outcome_section(findings: PhotoFindings) -> Section:
    """Return what came of the faces, and of those in photos that the model was not trained on."""
    tables = [Table("outcome", findings.about, findings.outcome)]
    if findings.outcome_of_new is not None:
        new = findings.faces[~findings.is_seen]
        n, n_photos = new["label"].notna().sum(), new["photo"].nunique()
        caption = f"Photos that were not trained on: {n:,} faces in {n_photos:,}"
        tables.append(Table("outcome_of_new_photos", caption, findings.outcome_of_new))
    return Section("outcome", "Found, and called right", findings.notes, tables)


def finds_section(findings: PhotoFindings) -> Section:
    """Return how many finds are faces, and what each was called."""
    caption = "Faces by class (rows) and by what was said of them"
    note = "A find that nobody has annotated counts against precision, whether it is a face or not."
    tables = [Table("finds", findings.about, findings.finds), Table("confusion", caption, findings.confusion)]
    return Section("finds", "Finds", [note], tables)


def in_one_sentence(findings: PhotoFindings) -> str:
    """Return the last line of the outcome: of new photos, where these are told apart."""
    table = outcome_section(findings).tables[-1]
    row = table.rows.iloc[-1]
    words = []
    for key, what in (("found", "found"), ("right_of_found", "of these called right"), ("found_and_right", "both")):
        words.append(f"{what} {row[key]:.3f} ({row[f'{key}_low']:.3f}–{row[f'{key}_high']:.3f})")
    return f"{table.caption}: {'; '.join(words)}."


def write_overlays(photos: Mapping[str, Path], faces: pd.DataFrame, folder: Path) -> None:
    """Write each photo with its faces: annotated, and what was found and said.

    Args:
        photos: the file of each photo, by its name in the table.
        faces: see :class:`PhotoFindings`.
        folder: where to, under the same names.
    """
    for name, path in photos.items():
        image = read_image(path).copy()
        for row in faces[faces["photo"] == name].to_dict(orient="records"):
            box = np.array([row[side] for side in SIDES], np.float32)
            is_missed, is_right = pd.isna(row["predicted"]), row["predicted"] == row["label"]
            color = MISSED if is_missed else RIGHT if is_right else WRONG
            words = f"missed {row['label']}" if is_missed else f"{row['predicted']} {row['probability']:.2f}"
            draw_face(image, box, words, color)
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file), image[..., ::-1])
