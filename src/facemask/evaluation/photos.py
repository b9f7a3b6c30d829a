"""What ``evaluate.py photos=FOLDER`` does: find and classify the faces of annotated photos, and report both."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from hydra.core.hydra_config import HydraConfig
from rich.console import Console
from rich.progress import track

from facemask.config.compose import Settings, build
from facemask.data.pictures import read_image
from facemask.detection.annotations import AnnotatedPhoto, read_annotated, to_classes
from facemask.detection.detectors import SIDES
from facemask.detection.drawing import draw_face
from facemask.errors import DataError, did_you_mean
from facemask.evaluation.end_to_end import ALL, IGNORED, OVERLAP, confusion, find_table, look_at, outcome_table
from facemask.evaluation.leakage import photos_trained_on
from facemask.files import as_typed
from facemask.inference.predictor import Predictor
from facemask.models.predict import usable_device
from facemask.reports.sections import Section, Table
from facemask.reports.terminal import print_table
from facemask.reports.write import PAGE, write_report
from facemask.runs.run_folder import command, environment

RIGHT, WRONG, MISSED = (0, 158, 115), (213, 94, 0), (204, 121, 167)  # RGB of boxes (Okabe and Ito 2008)


def evaluate_photos(settings: Settings) -> None:
    """Evaluate detector and classifier together into Hydra's output folder.

    Args:
        settings: the resolved configuration.

    Raises:
        FaceMaskError: the model, the detector or the photos cannot be used.
    """
    folder = Path(HydraConfig.get().runtime.output_dir)
    classifier, device = _open(settings)
    names, crop = classifier.class_names, settings["crop"]
    photos, detector = _read_photos(settings, names), build(settings["detector"])
    looked = track(photos, "Looking at photos", console=Console(stderr=True), transient=True)
    shape = (crop["margin"], crop["square"], crop["min_side"])
    root = Path(settings["photos"]).expanduser()
    rows = [row for p in looked for row in look_at(p, _name(p, root), detector, classifier, *shape)]
    faces = pd.DataFrame(rows, columns=["photo", "label", "predicted", "probability", *SIDES])
    n_faces = int(faces["label"].notna().sum())
    if not n_faces:
        raise DataError(f"photos={settings['photos']} holds no face of {crop['min_side']} pixels or more.")
    about = f"{root.name}: {n_faces:,} faces of {crop['min_side']} pixels or more in {len(photos):,} photos"
    sections = [_outcome_section(faces, names, about, settings), _find_section(faces, names, about, settings)]
    sections.append(Section("faces", "Faces", [], [Table("faces", "", faces, {"photo"}, is_folded=True, at_most=200)]))
    facts = {
        "data": {"root": str(root), "photos": len(photos), "faces": n_faces, "min_side": crop["min_side"]},
        "model": settings["run"][0],
        "detector": settings["detector"],
        "crop": crop,
        "command": command(),
        "environment": environment(device),
    }
    title = settings["report"]["title"] or f"{Path(settings['run'][0]).name} on {root.name}"
    write_report(folder, title, [f"{about}.", _sentence(sections[0].tables[-1])], sections, facts)
    if settings["report"]["faces"]:
        _write_overlays(photos, root, faces, folder / "photos")
    _print(sections[:2], folder, Console())


def _open(settings: Settings) -> tuple[Predictor, str]:
    """Open the model, and return where it runs: a run's or a checkpoint's where it can, an exported one on the CPU."""
    path = Path(settings["run"][0]).expanduser()
    is_trained = path.is_dir() or path.suffix == ".ckpt"
    device = usable_device(settings["device"]) if is_trained or settings["device"] != "auto" else "cpu"
    return Predictor.load(path, device=None if device == "cpu" else device, fold=settings["fold"]), device


def _outcome_section(faces: pd.DataFrame, class_names: Sequence[str], about: str, settings: Settings) -> Section:
    """Return what came of the faces, and of those in photos that the model was not trained on."""
    notes = [
        f"A find is a face where they overlap by {OVERLAP} or more (intersection over union).",
        f"Ranges: 95 %, bootstrap over photos, {settings['draws']:,} draws.",
    ]
    trained_on, reason = photos_trained_on(settings)
    is_seen = faces["photo"].map(trained_on.holds)
    new = faces[~is_seen]
    tables = [Table("outcome", about, outcome_table(faces, class_names, settings["draws"], settings["seed"]))]
    if reason:
        notes.append(f"Whether the model was trained on these photos is not known: {reason}.")
    elif is_seen.all():
        notes.append("Every photo is one that was trained on: this says nothing of new ones.")
    elif is_seen.any() and new["label"].notna().any():
        notes.append(
            f"{faces.loc[is_seen, 'photo'].nunique()} of the photos were trained on, which flatters the whole."
        )
        of_new = outcome_table(new, class_names, settings["draws"], settings["seed"])
        caption = f"Photos that were not trained on: {new['label'].notna().sum():,} faces in {new['photo'].nunique():,}"
        tables.append(Table("outcome_of_new_photos", caption, of_new))
    return Section("outcome", "Found, and called right", notes, tables)


def _find_section(faces: pd.DataFrame, class_names: Sequence[str], about: str, settings: Settings) -> Section:
    """Return how many finds are faces, and what each was called."""
    finds = find_table(faces, settings["draws"], settings["seed"])
    counts = Table("confusion", "Faces by class (rows) and by what was said of them", confusion(faces, class_names))
    note = "A find that nobody has annotated counts against precision, whether it is a face or not."
    return Section("finds", "Finds", [note], [Table("finds", about, finds), counts])


def _print(sections: Sequence[Section], folder: Path, console: Console) -> None:
    for section in sections:
        for table in section.tables:
            print_table(table.rows, table.caption, console)
        for note in section.notes:
            console.print(note, soft_wrap=True, highlight=False, markup=False)
    console.print(f"Report: {as_typed(folder)}/{PAGE}", soft_wrap=True, highlight=False, markup=False)


def _read_photos(settings: Settings, class_names: tuple[str, ...]) -> list[AnnotatedPhoto]:
    """Read the photos with their large faces, named as the model names its classes."""
    root = Path(settings["photos"]).expanduser()
    boxes = Path(settings["boxes"]).expanduser() if settings["boxes"] else None
    classes = {name: IGNORED if label is None else label for name, label in settings["classes"].items()}
    photos = to_classes(read_annotated(root, boxes), classes)
    for name in sorted({name for photo in photos for name in photo.names} - {*class_names, IGNORED}):
        raise DataError(
            f"the photos have faces of class {name}, which the model does not know{did_you_mean(name, class_names)} "
            "classes=binary and classes=three say what the names in the files are; or set classes.NAME=CLASS."
        )
    return photos


def _sentence(outcome: Table) -> str:
    """Return the last line of an outcome as a sentence."""
    row = outcome.rows[outcome.rows["class"] == ALL].iloc[0]
    words = []
    for key, what in (("found", "found"), ("right_of_found", "of these called right"), ("found_and_right", "both")):
        words.append(f"{what} {row[key]:.3f} ({row[f'{key}_low']:.3f}–{row[f'{key}_high']:.3f})")
    return f"{outcome.caption}: {'; '.join(words)}."


def _name(photo: AnnotatedPhoto, root: Path) -> str:
    return photo.photo.relative_to(root).as_posix()


def _write_overlays(photos: list[AnnotatedPhoto], root: Path, faces: pd.DataFrame, folder: Path) -> None:
    """Write each photo with its faces: annotated, and what was found and said."""
    for photo in photos:
        image = read_image(photo.photo).copy()
        for row in faces[faces["photo"] == _name(photo, root)].to_dict(orient="records"):
            box = np.array([row[side] for side in SIDES], np.float32)
            is_missed, is_right = pd.isna(row["predicted"]), row["predicted"] == row["label"]
            color = MISSED if is_missed else RIGHT if is_right else WRONG
            words = f"missed {row['label']}" if is_missed else f"{row['predicted']} {row['probability']:.2f}"
            draw_face(image, box, words, color)
        file = folder / _name(photo, root)
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file), image[..., ::-1])
