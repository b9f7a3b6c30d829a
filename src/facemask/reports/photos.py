"""Report of the end-to-end evaluation on annotated photos, and the annotated photos."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from facemask.data.pictures import read_image
from facemask.detection.detectors import SIDES
from facemask.detection.drawing import LabelledBox, draw_boxes
from facemask.reports.sections import Section, Table

RIGHT, WRONG, MISSED = (0, 158, 115), (213, 94, 0), (204, 121, 167)  # RGB colours of boxes (Okabe and Ito 2008)


@dataclass(frozen=True)
class PhotoFindings:
    """Results on annotated photos.

    Attributes:
        about: photos and number of faces.
        faces: one row per face and per false detection: ``photo``, ``label``, ``predicted``, ``probability`` and the
            box,
            pixels.
        outcome: detection and classification rates per class, and for all in the last row.
        outcome_of_new: the same for photos that the model was not trained on; None if these are all or none, or if it
            is unknown.
        detections: number and precision of detections.
        confusion: counts of true and predicted classes.
        is_seen: bool[N], rows of photos that the model was trained on.
        reason: why that is unknown; empty if it is known.
        overlap: IoU threshold of a detection and a face.
        n_bootstraps: number of bootstrap resamples of photos.
        caveat: what users of the model should know about its training data.
    """

    about: str
    faces: pd.DataFrame
    outcome: pd.DataFrame
    outcome_of_new: pd.DataFrame | None
    detections: pd.DataFrame
    confusion: pd.DataFrame
    is_seen: npt.NDArray[np.bool_]
    reason: str
    overlap: float
    n_bootstraps: int
    caveat: str = ""

    @property
    def notes(self) -> list[str]:
        """Notes about the numbers."""
        notes = [
            f"A detection matches a face if their IoU is at least {self.overlap}.",
            f"Ranges: 95 % bootstrap confidence intervals over photos, {self.n_bootstraps:,} resamples.",
        ]
        if self.caveat:
            notes.append(f"The model was {self.caveat}")
        if self.reason:
            notes.append(f"It is unknown whether the model was trained on these photos: {self.reason}.")
        elif self.is_seen.all():
            notes.append("All of these photos were trained on, so the results do not apply to new photos.")
        elif self.outcome_of_new is not None:
            n = self.faces.loc[self.is_seen, "photo"].nunique()
            notes.append(f"{n} of the photos were trained on, so the overall results are too optimistic.")
        return notes


def photo_sections(findings: PhotoFindings) -> list[Section]:
    """Return the sections."""
    faces = Table("faces", "", findings.faces, {"photo"}, is_collapsed=True, at_most=200)
    return [outcome_section(findings), detection_section(findings), Section("faces", "Faces", [], [faces])]


def outcome_section(findings: PhotoFindings) -> Section:
    """Return the rates for all photos, and for those that the model was not trained on."""
    tables = [Table("outcome", findings.about, findings.outcome)]
    if findings.outcome_of_new is not None:
        new = findings.faces[~findings.is_seen]
        n, n_photos = new["label"].notna().sum(), new["photo"].nunique()
        caption = f"Photos that were not trained on: {n:,} faces in {n_photos:,}"
        tables.append(Table("outcome_of_new_photos", caption, findings.outcome_of_new))
    return Section("outcome", "Detection and classification", findings.notes, tables)


def detection_section(findings: PhotoFindings) -> Section:
    """Return the precision of detections and the confusion matrix."""
    caption = "Confusion matrix (rows: true classes)"
    note = "Detections of faces that are not annotated count as false."
    tables = [Table("detections", findings.about, findings.detections), Table("confusion", caption, findings.confusion)]
    return Section("detections", "Detections", [note], tables)


def in_one_sentence(findings: PhotoFindings) -> str:
    """Return the rates for all faces as one sentence; for new photos if they are separate."""
    table = outcome_section(findings).tables[-1]
    row = table.rows.iloc[-1]
    words = []
    for key, what in (
        ("detected", "detected"),
        ("correct_of_detected", "of these classified correctly"),
        ("detected_and_correct", "both"),
    ):
        words.append(f"{what} {row[key]:.3f} ({row[f'{key}_low']:.3f}–{row[f'{key}_high']:.3f})")
    return f"{table.caption}: {'; '.join(words)}."


def write_overlays(photos: Mapping[str, Path], faces: pd.DataFrame, folder: Path) -> None:
    """Write each photo with its annotated and detected faces.

    Args:
        photos: file of each photo by name.
        faces: see :class:`PhotoFindings`.
        folder: output folder; files keep their names.
    """
    for name, path in photos.items():
        image, boxes = read_image(path).copy(), []
        for row in faces[faces["photo"] == name].to_dict(orient="records"):
            box = np.array([row[side] for side in SIDES], np.float32)
            is_missed, is_right = pd.isna(row["predicted"]), row["predicted"] == row["label"]
            color = MISSED if is_missed else RIGHT if is_right else WRONG
            words = f"missed {row['label']}" if is_missed else f"{row['predicted']} {row['probability']:.2f}"
            boxes.append(LabelledBox(box, words, color))
        draw_boxes(image, boxes)
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file), image[..., ::-1])
