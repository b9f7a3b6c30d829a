"""Evaluate detector and classifier together on annotated photos, and write the report."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from rich.progress import track

from facemask.annotations.naming import plain_name, to_classes
from facemask.annotations.read import read_annotated
from facemask.annotations.table import AnnotatedPhoto
from facemask.config.component import network_name
from facemask.config.schemas import EvaluateConfig
from facemask.config.typed import to_plain
from facemask.data.classes import read_merge
from facemask.errors import DataError
from facemask.evaluation.end_to_end import (
    COLUMNS,
    IGNORED,
    OVERLAP,
    confusion,
    detection_table,
    evaluate_photo,
    outcome_table,
    overconfident_below,
    precision_recall,
    size_table,
)
from facemask.evaluation.leakage import photos_trained_on
from facemask.evaluation.result import PhotoEvaluation
from facemask.inference.answers import Answers
from facemask.inference.predictor import Predictor
from facemask.models.predict import usable_device
from facemask.reports.photos import PhotoFindings, in_one_sentence, photo_sections, picture_section, write_overlays
from facemask.reports.write import write_report
from facemask.runs.checkpoint import SUFFIX, describe
from facemask.runs.run_folder import environment, read_run
from facemask.terminal import SafeConsole


def evaluate_photos(config: EvaluateConfig, folder: Path, command: str = "") -> PhotoEvaluation:
    """Evaluate detector and classifier together and write the report.

    Args:
        config: a validated configuration with ``photos``.
        folder: folder of the report.
        command: command line that repeats this evaluation.

    Raises:
        FaceMaskError: the model, the detector or the photos cannot be used.
    """
    run, root = Path(config.run[0]).expanduser(), Path(config.photos or "").expanduser()
    classifier, device = _open(config, run)
    merge = read_merge(config.merge)
    classifier = classifier.merged(merge)
    photos, read = _read_photos(config, root, classifier.class_names, merge)
    detector = config.detector.build()
    answers = Answers.of(classifier.preprocessing, config.unsure)
    rules = (config.crop.margin, config.crop.square, config.crop.min_side, answers)
    looked = track(photos, "Evaluating photos", console=SafeConsole(stderr=True), transient=True)
    rows = [row for photo in looked for row in evaluate_photo(photo, _name(photo, root), detector, classifier, *rules)]
    faces = pd.DataFrame(rows, columns=COLUMNS)
    n_faces, min_side = int(faces["label"].notna().sum()), config.crop.min_side
    if not n_faces:
        raise DataError(f"photos={config.photos} has no faces of {min_side} pixels or more.")
    about = f"{root.name}: {n_faces:,} faces of {min_side} pixels or more in {len(photos):,} photos"
    findings = _find(faces, classifier, about, config, run)
    where = environment(device)
    facts = {
        "data": {"root": str(root), "photos": len(photos), "faces": n_faces, "min_side": min_side},
        "model": config.run[0],
        "detector": to_plain(config.detector),
        "crop": to_plain(config.crop),
        "unsure": {"min_side": answers.min_side, "min_probability": answers.min_probability},
        "command": command,
        "environment": to_plain(where),
    }
    name, detector_name = _name_of(run), config.detector.class_name
    provenance = {
        "photos": f"{root}, {about.partition(': ')[2]}",
        "annotations": " ".join(read),
        "model": f"{name}, {run}",
        **_settings(config, classifier, answers),
        "evaluated where": f"{where.processor or '?'}, {where.device or '?'}",
        "evaluated with": ", ".join(f"{library} {version}" for library, version in where.libraries.items()),
        "command": command or "Python",
    }
    sections = photo_sections(findings, provenance)
    if config.report.faces:
        files = {_name(photo, root): photo.photo for photo in photos}
        write_overlays(files, faces, classifier.class_names, folder / "photos")
        pictures = picture_section(findings, folder / "photos", classifier.class_names, config.report.pictures)
        sections.insert(-1, pictures)
    title = config.report.title or f"{name} and {detector_name} on {root.name}"
    write_report(folder, title, [f"{about}.", in_one_sentence(findings)], sections, facts)
    return PhotoEvaluation(folder, findings)


def _settings(config: EvaluateConfig, classifier: Predictor, answers: Answers) -> dict[str, str]:
    """Return input, detector, crops and the rule for unsure faces in words."""
    detector = config.detector
    arguments = (f"{key} {value}" for key, value in detector.arguments.items())
    return {
        "input": f"{classifier.preprocessing.input_size} px; classes {', '.join(classifier.class_names)}",
        "detector": ", ".join([detector.class_name, *arguments]),
        "crops": f"boxes widened by {config.crop.margin} of their sides{', square' * config.crop.square}",
        "unsure": f"crops below {answers.min_side} px, probabilities below {answers.min_probability:g}",
    }


def _name_of(run: Path) -> str:
    """Return the architecture of a run or checkpoint, else the name of the model file."""
    if run.suffix == SUFFIX:
        return network_name(describe(run)[0].model)
    for folder in (run, run.parent):  # a run, or one of its folds
        if (result := read_run(folder) if run.is_dir() else None) is not None:
            return result.model
    return run.stem


def _open(config: EvaluateConfig, run: Path) -> tuple[Predictor, str]:
    """Open the model and return its device; exported models run on the CPU."""
    is_trained = run.is_dir() or run.suffix == SUFFIX
    device = usable_device(config.device) if is_trained or config.device != "auto" else "cpu"
    return Predictor.load(run, device=None if device == "cpu" else device, fold=_number(config.fold)), device


def _number(fold: int | str | None) -> int | None:
    return None if fold is None else int(fold)  # "all" is rejected before


def _read_photos(
    config: EvaluateConfig, root: Path, class_names: tuple[str, ...], merge: Mapping[str, str]
) -> tuple[list[AnnotatedPhoto], list[str]]:
    """Read the photos and map their names to the model's classes; also return what was found, a line each."""
    annotations = read_annotated(root, config.boxes, config.difficult)
    if bad := [photo for photo in annotations.photos if photo.error]:
        raise DataError(
            f"{len(bad):,} of {len(annotations.photos):,} annotated photos cannot be used, the first is "
            f"{bad[0].photo} ({bad[0].error}); correct or remove them."
        )
    classes = {name: IGNORED if label is None else merge.get(label, label) for name, label in config.classes.items()}
    photos = to_classes(annotations.photos, classes, flagged=IGNORED)
    for name in sorted({name for photo in photos for name in photo.names} - {*class_names, IGNORED}):
        present = {plain_name(written) for photo in annotations.photos for written in photo.names}
        keys = [
            f"classes.{written}" for written in classes if classes[written] == name and plain_name(written) in present
        ]
        counted, left_out = (" ".join(f"{key}={value}" for key in keys) for value in ("CLASS", "null"))
        raise DataError(
            f"the photos have faces of class {name}, which the model does not have ({', '.join(class_names)}): type "
            f"{counted} to count them as another class, {left_out} to leave them out, or choose other names with "
            "classes=binary or classes=three."
        )
    return photos, annotations.describe()


def _name(photo: AnnotatedPhoto, root: Path) -> str:
    return photo.photo.relative_to(root).as_posix()


def _find(faces: pd.DataFrame, classifier: Predictor, about: str, config: EvaluateConfig, run: Path) -> PhotoFindings:
    """Compute the tables for all photos, and for those that the model was not trained on."""
    class_names = classifier.class_names
    trained_on, reason = photos_trained_on(run, _number(config.fold), config.data.store_dir)
    is_seen = np.array([trained_on.holds(name) for name in faces["photo"]], dtype=bool)
    new, of_new = faces[~is_seen], None
    if not reason and is_seen.any() and new["label"].notna().any():
        of_new = outcome_table(new, class_names, config.n_bootstraps, config.seed)
    return PhotoFindings(
        about=about,
        faces=faces,
        outcome=outcome_table(faces, class_names, config.n_bootstraps, config.seed),
        outcome_of_new=of_new,
        detections=detection_table(faces, config.n_bootstraps, config.seed),
        sizes=(sizes := size_table(faces, config.n_bootstraps, config.seed)),
        overconfident_below=overconfident_below(sizes),
        curve=precision_recall(faces),
        confusion=confusion(faces, class_names),
        is_seen=is_seen,
        reason=reason,
        overlap=OVERLAP,
        n_bootstraps=config.n_bootstraps,
        caveat=classifier.preprocessing.caveat,
    )
