"""``prepare_data.py task=import``: crop annotated faces."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from facemask.annotations.read import AnnotatedPhoto, read_annotated, to_classes
from facemask.config.schemas import ImportConfig
from facemask.data.index import SPLIT_OF_FOLDER
from facemask.data.preprocessing import Pixels
from facemask.errors import ConfigError
from facemask.preparation.crops import Found, crop_photos, made_with
from facemask.preparation.journal import open_journal
from facemask.preparation.photos import Photo, name_photos
from facemask.preparation.prepared import Prepared, finish


def import_faces(config: ImportConfig) -> Prepared:
    """Crop every annotated face into ``out/{class}``, and write a manifest.

    Raises:
        FaceMaskError: the photos, their annotations, a class's name or the folder cannot be used.
    """
    _check_class_folders(config.classes)
    root, out = Path(config.photos[0]).expanduser(), Path(config.out).expanduser()
    boxes = Path(config.boxes).expanduser() if config.boxes else None
    annotated = to_classes(read_annotated(root, boxes), config.classes)
    photos = {a.photo.relative_to(root).as_posix(): a for a in annotated}

    def find(photo: Photo, image: Pixels) -> Found:
        known = photos[photo.name]
        return Found(known.boxes, known.names, [None] * len(known.names))

    named = name_photos((name, known.photo) for name, known in photos.items())
    jobs = [(photo, f"{photo.stamp} {_digest(photos[photo.name])}") for photo in named]
    made = made_with(config, boxes=str(boxes.resolve()) if boxes else None, classes=config.classes)
    with open_journal(out, made) as journal:
        table = crop_photos(jobs, find, config, journal)
    return finish(out, table, config)


def _check_class_folders(classes: Mapping[str, str | None]) -> None:
    for name, label in classes.items():
        if label and label.lower() in SPLIT_OF_FOLDER:
            raise ConfigError(
                f"classes.{name}={label}: train, val and test are reserved for the parts of a data set; "
                "choose another name."
            )


def _digest(annotated: AnnotatedPhoto) -> str:
    """Return a hash of a photo's boxes."""
    content = repr(annotated.names).encode() + annotated.boxes.tobytes()
    return hashlib.sha256(content).hexdigest()[:16]
