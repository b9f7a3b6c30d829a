"""YOLO: one text file per photo.

A line is ``CLASS X Y WIDTH HEIGHT``, the centre and size of a box as fractions of the photo, with or without a
confidence; or ``CLASS X1 Y1 X2 Y2 …``, a polygon, which becomes its bounding box.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import yaml

from facemask.annotations.folder import Folder
from facemask.annotations.parts import listed_parts
from facemask.annotations.table import FRACTIONS, AnnotatedPhoto, Box, corners_around
from facemask.data.parts import PARTS
from facemask.errors import DataError, first_line
from facemask.files import read_bytes

MAX_LABELS, MAX_NAMES = 10_000_000, 1_000_000  # bytes
NAME_LISTS = ("classes.txt", "obj.names", "predefined_classes.txt", "_darknet.labels")  # one name per line
IMAGES, LABELS = ("images", "jpegimages"), "labels"
LARGEST = 1.1  # largest coordinate that is taken for a rounding error, as a fraction of the photo


def find(files: Folder, photos: Folder) -> list[Path]:
    """List the label files of photos."""
    return [labels for photo in photos.photos if (labels := label_file(photo, photos.root, files.root))]


def read(found: Sequence[Path], files: Folder, photos: Folder) -> Iterator[AnnotatedPhoto]:
    """Read YOLO files, beside their photos or in ``labels`` instead of ``images``.

    Names are taken from a YAML file with ``names``, or from ``classes.txt`` or ``obj.names``; without them, faces are
    named by the numbers of their classes. Parts are those of the YAML file, or of lists such as ``train.txt``.

    Yields:
        One photo per label file; a file with a wrong line is named in ``error``.

    Raises:
        DataError: a file of names cannot be read.
    """
    lists = files.having(".yaml", ".yml", ".txt", ".names", ".labels")
    names, origin = read_names(sorted(lists, key=lambda file: len(file.parts)))
    parts = listed_parts(photos, _parts_of(origin, photos))
    for photo in photos.photos:
        labels = label_file(photo, photos.root, files.root)
        if labels is None:
            continue
        try:
            boxes = read_labels(labels, names, origin)
        except DataError as error:
            yield AnnotatedPhoto.of(photo, error=str(error).rstrip("."))
        else:
            yield AnnotatedPhoto.of(photo, boxes, FRACTIONS, parts.get(photo, ""))


def label_file(photo: Path, root: Path, labels_root: Path) -> Path | None:
    """Return the label file of a photo: beside it, or in ``labels`` instead of ``images``; None without.

    Args:
        photo: path of the photo.
        root: folder of the photos.
        labels_root: folder of the label files; may be the same.
    """
    parts = photo.relative_to(root).parts
    places = [labels_root.joinpath(*parts).with_suffix(".txt")]
    for i, part in enumerate(parts):
        if part.lower() in IMAGES:
            places.append(Path(labels_root, *parts[:i], LABELS, *parts[i + 1 :]).with_suffix(".txt"))
    return next((place for place in places if place.is_file()), None)


def read_labels(file: Path, names: Mapping[int, str], origin: str) -> list[Box]:
    """Read a label file.

    Args:
        file: the file; may be empty.
        names: name of each class number; empty to call the classes by their numbers.
        origin: where the names are from, for errors.

    Returns:
        The faces; their corners are fractions of the photo.

    Raises:
        DataError: a line is no label, or its class has no name.
    """
    try:
        lines = read_bytes(file, MAX_LABELS).decode("utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read as a YOLO label file: {first_line(error)}.") from error
    rows = [(number, line.split()) for number, line in enumerate(lines, start=1) if line.strip()]
    return [_box(words, f"{file}, line {number}", names, origin) for number, words in rows]


def _box(words: Sequence[str], where: str, names: Mapping[int, str], origin: str) -> Box:
    try:
        label, values = int(float(words[0])), np.array(words[1:], np.float64)
    except (ValueError, OverflowError) as error:  # OverflowError: an infinite class
        raise DataError(f"{where} is not CLASS X Y WIDTH HEIGHT in numbers; correct or remove it.") from error
    is_polygon = len(values) >= 6 and len(values) % 2 == 0
    if len(values) not in (4, 5) and not is_polygon:
        raise DataError(f"{where} has {len(words)} numbers; expected CLASS X Y WIDTH HEIGHT, or a polygon.")
    coordinates = values if is_polygon else values[:4]
    if not (np.isfinite(coordinates).all() and (np.abs(coordinates) <= LARGEST).all()):
        raise DataError(
            f"{where} has coordinates that are not fractions of the photo, from 0 to 1; correct or remove it."
        )
    if names and label not in names:
        raise DataError(f"{where} has the class {label}, but {origin} only names {_range(names)}; add its name.")
    if is_polygon:
        return Box(names.get(label, str(label)), corners_around(coordinates.reshape(-1, 2).tolist()))
    x, y, width, height = coordinates.tolist()
    corners = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    return Box(names.get(label, str(label)), corners)


def _parts_of(origin: str, photos: Folder) -> Iterator[tuple[Path, str]]:
    """Yield the folders and lists of photos that a YAML file names, each with its part."""
    file = Path(origin)
    if file.suffix.lower() not in (".yaml", ".yml"):
        return
    content = yaml.safe_load(read_bytes(file, MAX_NAMES))
    for part in PARTS:
        places = content.get(part) or []
        for place in [places] if isinstance(places, str) else places if isinstance(places, list) else []:
            # Some tools write paths as seen from a folder beside the file.
            tried = [file.parent / str(place), file.parent / str(place).removeprefix("../"), photos.root / str(place)]
            with suppress(OSError, ValueError):  # a damaged name: too long, for example
                yield next((path for path in tried if path.exists()), tried[0]), part


def _range(names: Mapping[int, str]) -> str:
    return ", ".join(str(label) for label in sorted(names)[:5]) + (", …" if len(names) > 5 else "")


def read_names(files: Sequence[Path]) -> tuple[dict[int, str], str]:
    """Return the name of each class number, and the file that they are from.

    Args:
        files: text and YAML files of the data set, nearest to its root first.

    Returns:
        The names, and their file; both empty if no file has any.

    Raises:
        DataError: a file of names cannot be read.
    """
    for file in files:
        try:
            if file.name.lower() in NAME_LISTS:
                lines = read_bytes(file, MAX_NAMES).decode("utf-8-sig").splitlines()
                names = {i: line.strip() for i, line in enumerate(lines) if line.strip()}
            elif file.suffix.lower() in (".yaml", ".yml"):
                content = yaml.safe_load(read_bytes(file, MAX_NAMES))
                listed = content.get("names") if isinstance(content, dict) else None
                pairs = listed.items() if isinstance(listed, dict) else enumerate(listed or [])
                names = {int(label): str(name) for label, name in pairs}
            else:
                continue
        except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
            raise DataError(f"{file} cannot be read as a list of class names: {first_line(error)}.") from error
        if names:
            return names, str(file)
    return {}, ""
