"""Report of the end-to-end evaluation on annotated photos, and the annotated photos."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from facemask.data.pictures import read_image
from facemask.data.preprocessing import shrink
from facemask.detection.detectors import SIDES
from facemask.detection.drawing import Color, LabelledBox, color_of, draw_boxes
from facemask.inference.answers import UNSURE
from facemask.metrics.classification import Floats
from facemask.reports.figures import Curve, draw_photos, draw_precision_recall
from facemask.reports.sections import Drawing, Section, Table

MISSED: Color = (204, 121, 167)  # RGB; detected faces have the colour of their answer, as in videos
PICTURE_SIDE = 520  # longest side of a photo on the page, pixels


@dataclass(frozen=True)
class PhotoFindings:
    """Results on annotated photos.

    Attributes:
        about: photos and number of faces.
        faces: one row per face and per false detection: ``photo``, ``label``, ``predicted``, ``probability``,
            ``score``, ``is_face`` and the box, pixels.
        outcome: detection and classification rates per class, and for all in the last row.
        outcome_of_new: the same for photos that the model was not trained on; None if these are all or none, or if it
            is unknown.
        detections: number, precision and average precision of detections.
        sizes: rates by the side of the face.
        overconfident_below: side below which probabilities are too high, pixels; None if there is none.
        curve: recall and precision of the detector by decreasing score, float64[D] each.
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
    sizes: pd.DataFrame
    overconfident_below: float | None
    curve: tuple[Floats, Floats]
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


def photo_sections(findings: PhotoFindings, provenance: Mapping[str, str]) -> list[Section]:
    """Return the sections.

    Args:
        findings: results.
        provenance: what they were made from, in words.
    """
    faces = Table("faces", "Every face", findings.faces, {"photo"}, is_collapsed=True, at_most=200)
    made_from = pd.DataFrame(provenance.items(), columns=["what", "value"])
    return [
        outcome_section(findings),
        size_section(findings),
        detection_section(findings),
        Section("faces", "Faces", [], [faces]),
        Section("provenance", "Provenance", tables=[Table("provenance", "", made_from, {"value"})]),
    ]


def outcome_section(findings: PhotoFindings) -> Section:
    """Return the rates for all photos, and for those that the model was not trained on."""
    tables = [Table("outcome", findings.about, findings.outcome)]
    if findings.outcome_of_new is not None:
        new = findings.faces[~findings.is_seen]
        n, n_photos = new["label"].notna().sum(), new["photo"].nunique()
        caption = f"Photos that were not trained on: {n:,} faces in {n_photos:,}"
        tables.append(Table("outcome_of_new_photos", caption, findings.outcome_of_new))
    return Section("outcome", "Detection and classification", findings.notes, tables)


def size_section(findings: PhotoFindings) -> Section:
    """Return the rates by face size, and the setting that withholds labels of faces that are too small."""
    notes = ["Mean probability: of the most probable class of the detected faces."]
    if (side := findings.overconfident_below) is not None:
        notes.append(
            f"For faces below {side:g} pixels the mean probability is above the interval of the fraction that is "
            f"correct, so it cannot be trusted; unsure.min_side={side:g} answers {UNSURE} for crops below that side."
        )
    return Section("sizes", "Face size", notes, [Table("face_size", findings.about, findings.sizes)])


def detection_section(findings: PhotoFindings) -> Section:
    """Return precision, average precision and precision-recall curve of the detector, and the confusion matrix."""
    caption = "Confusion matrix (rows: true classes)"
    notes = [
        "Detections of faces that are not annotated count as false. AP50 is the area under the precision-recall curve "
        "at an IoU of 0.5, precision made monotonic (Everingham et al. 2010); it ends at the detector's threshold."
    ]
    answers = {name: f"predicted {name}" for name in findings.confusion if name not in ("truth", "missed")}
    confusion = Table("confusion", caption, findings.confusion.rename(columns=answers))
    tables = [Table("detections", findings.about, findings.detections), confusion]
    drawings, (recall, precision) = [], findings.curve
    if len(recall):
        row = findings.detections.iloc[0]
        words = f"AP50 {row['AP50']:.3f} ({row['AP50_low']:.3f}–{row['AP50_high']:.3f})"
        figure = draw_precision_recall({"faces, IoU 0.5": [Curve(words, recall, precision)]})
        drawings.append(Drawing("precision_recall", f"Precision and recall of the detector. {findings.about}.", figure))
    return Section("detections", "Detections", notes, tables, drawings)


def picture_section(findings: PhotoFindings, folder: Path, class_names: Sequence[str], shown: int) -> Section:
    """Return the drawn photos with the most errors.

    Args:
        findings: results.
        folder: folder of the drawn photos, from :func:`write_overlays`.
        class_names: classes of the classifier.
        shown: maximum number of photos.
    """
    faces = findings.faces
    errors = (faces["predicted"] != faces["label"]).groupby(faces["photo"]).sum().sort_values(ascending=False)
    names = errors.index[:shown].tolist()
    colors = {name: color_of(name, class_names) for name in class_names}
    if (faces["predicted"] == UNSURE).any():
        colors[UNSURE] = color_of(UNSURE, class_names)
    note = (
        f"{len(names)} of {len(errors)} photos with faces, most errors first; all are in {folder.name}/. Colours stand "
        "for the answer, as in videos; the true class of an error is in its label."
    )
    if not names:
        return Section("pictures", "Photos", ["No photo has faces."])
    images = [shrink(read_image(folder / name), PICTURE_SIDE) for name in names]
    captions = [f"{name}: {errors[name]} error{'' if errors[name] == 1 else 's'}" for name in names]
    figure = draw_photos(images, captions, colors | {"missed": MISSED})
    return Section("pictures", "Photos", [note], drawings=[Drawing("photos", findings.about, figure, is_photo=True)])


def in_one_sentence(findings: PhotoFindings) -> str:
    """Return the rates for all faces as one sentence; for new photos if they are separate."""
    table = outcome_section(findings).tables[-1]
    row = table.rows.iloc[-1]
    words = []
    for key, what in (
        ("detected", "detected"),
        ("answered", "answered"),
        ("correct_of_answered", "of these classified correctly"),
        ("detected_and_correct", "both"),
    ):
        if key not in row:  # no face is unsure
            continue
        words.append(f"{what} {row[key]:.3f} ({row[f'{key}_low']:.3f}–{row[f'{key}_high']:.3f})")
    return f"{table.caption}: {'; '.join(words)}."


def write_overlays(photos: Mapping[str, Path], faces: pd.DataFrame, class_names: Sequence[str], folder: Path) -> None:
    """Write each photo with its annotated and detected faces.

    Args:
        photos: file of each photo by name.
        faces: see :class:`PhotoFindings`.
        class_names: classes of the classifier.
        folder: output folder; files keep their names.
    """
    for name, path in photos.items():
        image, boxes = read_image(path).copy(), []
        for row in faces[faces["photo"] == name].to_dict(orient="records"):
            box = np.array([row[side] for side in SIDES], np.float32)
            boxes.append(LabelledBox(box, *_label(row, class_names)))
        draw_boxes(image, boxes)
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file), image[..., ::-1])


def _label(row: Mapping[Hashable, Any], class_names: Sequence[str]) -> tuple[str, Color]:
    """Return the words and the colour of a face."""
    if pd.isna(row["predicted"]):
        return f"missed {row['label']}", MISSED
    words = f"{row['predicted']} {row['probability']:.2f}"
    if pd.isna(row["label"]):
        words += ", not annotated"
    elif row["predicted"] != row["label"]:
        words += f", is {row['label']}"
    return words, color_of(row["predicted"], class_names)
