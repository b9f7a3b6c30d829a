"""What ``prepare_data.py task=import`` does: cut out the faces that somebody has drawn boxes around."""

import hashlib
from pathlib import Path

from facemask.config.compose import Settings
from facemask.data.preprocessing import Pixels
from facemask.detection.annotations import AnnotatedPhoto, read_annotated, to_classes
from facemask.preparation.crops import Found, crop_photos, made_with
from facemask.preparation.journal import open_journal
from facemask.preparation.photos import Photo, name_photos
from facemask.preparation.result import finish


def import_faces(settings: Settings) -> None:
    """Cut every annotated face out of its photo, into ``out/{class}``, with a manifest.

    Args:
        settings: the resolved configuration.

    Raises:
        FaceMaskError: the photos, their annotations or the folder cannot be used.
    """
    root, out = Path(settings["photos"][0]).expanduser(), Path(settings["out"]).expanduser()
    boxes = Path(settings["boxes"]).expanduser() if settings["boxes"] else None
    annotated = to_classes(read_annotated(root, boxes), settings["classes"])
    photos = {a.photo.relative_to(root).as_posix(): a for a in annotated}

    def find(photo: Photo, image: Pixels) -> Found:
        known = photos[photo.name]
        return Found(known.boxes, known.names, [None] * len(known.names))

    named = name_photos((name, known.photo) for name, known in photos.items())
    jobs = [(photo, f"{photo.stamp} {_digest(photos[photo.name])}") for photo in named]
    made = made_with(settings, boxes=str(boxes.resolve()) if boxes else None, classes=settings["classes"])
    with open_journal(out, made) as journal:
        crop_photos(jobs, find, settings, journal)
        finish(journal, settings)


def _digest(annotated: AnnotatedPhoto) -> str:
    """Return what changes when the boxes of a photo do."""
    said = repr(annotated.names).encode() + annotated.boxes.tobytes()
    return hashlib.sha256(said).hexdigest()[:16]
