"""Read photos with YOLO label files: one text file per photo, one line per face.

A line is ``CLASS X Y WIDTH HEIGHT``, the centre and size of a box as fractions of the photo, with or without a
confidence; or ``CLASS X1 Y1 X2 Y2 …``, a polygon, which becomes its bounding box.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import yaml

from facemask.data.pictures import image_size
from facemask.errors import DataError, first_line
from facemask.files import read_bytes

MAX_LABELS, MAX_NAMES = 10_000_000, 1_000_000  # bytes
NAME_LISTS = ("classes.txt", "obj.names", "predefined_classes.txt", "_darknet.labels")  # one name per line
IMAGES, LABELS = ("images", "jpegimages"), "labels"
LARGEST = 1.1  # largest coordinate that is taken for a rounding error, as a fraction of the photo


def label_file(photo: Path, root: Path) -> Path | None:
    """Return the label file of a photo below root: beside it, or in ``labels`` instead of ``images``; None without."""
    parts = photo.relative_to(root).parts
    places = [photo.with_suffix(".txt")]
    for i, part in enumerate(parts):
        if part.lower() in IMAGES:
            places.append(Path(root, *parts[:i], LABELS, *parts[i + 1 :]).with_suffix(".txt"))
    return next((place for place in places if place.is_file()), None)


def read_labels(photo: Path, file: Path, names: Mapping[int, str], origin: str) -> tuple[list[str], list[list[float]]]:
    """Read the label file of a photo.

    Args:
        photo: path of the photo.
        file: its label file; may be empty.
        names: name of each class number; empty to call the classes by their numbers.
        origin: where the names are from, for errors.

    Returns:
        The name and the box (left, top, right, bottom in pixels) of each face; none for a photo that cannot be read.

    Raises:
        DataError: a line is no label, or its class has no name.
    """
    try:
        lines = read_bytes(file, MAX_LABELS).decode("utf-8-sig").splitlines()
        rows = [(number, line.split()) for number, line in enumerate(lines, start=1) if line.strip()]
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read as a YOLO label file: {first_line(error)}.") from error
    if not rows:
        return [], []
    try:
        width, height = image_size(photo)
    except DataError:
        return [], []
    found, boxes = [], []
    for number, words in rows:
        where = f"{file}, line {number}"
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
        found.append(names.get(label, str(label)))
        boxes.append(_box(coordinates, is_polygon, width, height))
    return found, boxes


def _box(values: np.ndarray, is_polygon: bool, width: int, height: int) -> list[float]:
    if is_polygon:
        x, y = values[::2], values[1::2]
        left, top, right, bottom = x.min(), y.min(), x.max(), y.max()
    else:
        x, y, w, h = values
        left, top, right, bottom = x - w / 2, y - h / 2, x + w / 2, y + h / 2
    return [float(left * width), float(top * height), float(right * width), float(bottom * height)]


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
