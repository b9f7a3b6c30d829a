"""``prepare_data.py task=import``: crop annotated faces."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from facemask.annotations.naming import to_classes
from facemask.annotations.read import AUTO, read_annotated
from facemask.annotations.table import AnnotatedPhoto
from facemask.config.checks.preparation import import_sources
from facemask.config.keys import Values
from facemask.config.preparation_schemas import ImportConfig, Source
from facemask.data.parts import SPLIT_OF_FOLDER
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
    sources, out = import_sources(config), Path(config.out).expanduser()
    lines, files, photos = list[str](), list[tuple[str, str, Path]](), dict[Path, AnnotatedPhoto]()
    for name, source in sources.items():
        root = Path(source.photos).expanduser()
        annotations = read_annotated(root, source.boxes, config.difficult)
        lines += annotations.describe()
        for annotated in to_classes(annotations.photos, config.classes | source.classes):
            photos[annotated.photo] = annotated
            below = annotated.photo.relative_to(root).as_posix()
            files.append((name if len(sources) > 1 else "", below, annotated.photo))

    def find(photo: Photo, image: Pixels) -> Found:
        known = photos[photo.file]
        return Found(known.boxes, known.names, [None] * len(known.names))

    parts = {file: annotated.part for file, annotated in photos.items()}
    errors = {file: annotated.error for file, annotated in photos.items()}
    named = name_photos(files, parts=parts, errors=errors)
    jobs = [(photo, f"{photo.stamp} {_digest(photos[photo.file])}") for photo in named]
    with open_journal(out, _made_with(config, sources)) as journal:
        table = crop_photos(jobs, find, config, journal)
    return finish(out, table, config, lines)


def _made_with(config: ImportConfig, sources: Mapping[str, Source]) -> Values:
    """Return the settings that the crops depend on, without newer keys at their default: older folders lack them."""
    more: dict[str, object] = {"boxes": _place(config.boxes), "classes": config.classes}
    own = {
        name: {"photos": _place(source.photos), "boxes": _place(source.boxes), "classes": source.classes}
        for name, source in sources.items()
    }
    if len(own) > 1:
        more["sources"] = own
    if config.difficult:
        more["difficult"] = True
    return made_with(config, **more)


def _place(boxes: str) -> str | None:
    place = Path(boxes).expanduser()
    return None if boxes == AUTO else str(place.resolve()) if place.exists() else boxes


def _check_class_folders(classes: Mapping[str, str | None]) -> None:
    for name, label in classes.items():
        if label and label.lower() in SPLIT_OF_FOLDER:
            raise ConfigError(
                f"classes.{name}={label}: train, val and test are reserved for the parts of a data set; "
                "choose another name."
            )


def _digest(annotated: AnnotatedPhoto) -> str:
    """Return a hash of a photo's boxes."""
    content = repr(annotated.names).encode() + annotated.boxes.tobytes() + annotated.part.encode()
    return hashlib.sha256(content).hexdigest()[:16]
