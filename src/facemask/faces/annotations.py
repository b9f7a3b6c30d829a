"""Photos with a box around every face: what Pascal VOC files say."""

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facemask.errors import DataError
from facemask.faces.detectors import Boxes


@dataclass(frozen=True)
class AnnotatedPhoto:
    """A photo and its faces.

    Attributes:
        photo: the picture's file.
        names: the class of each face, as the file calls it.
        boxes: float32[N, 4], left, top, right and bottom in pixels.
    """

    photo: Path
    names: list[str]
    boxes: Boxes


def read_voc(root: Path) -> list[AnnotatedPhoto]:
    """Read every ``.xml`` below a folder, each beside its photo or in a folder of its own.

    Raises:
        DataError: there is none, one cannot be read, or its photo is missing.
    """
    files = sorted(root.rglob("*.xml")) if root.is_dir() else []
    if not files:
        raise DataError(f"{root} holds no Pascal VOC file (.xml); give the folder of the annotated photos.")
    photos: dict[str, Path] = {}
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".bmp", ".webp"):
            photos.setdefault(path.stem, path)
    return [_read_file(file, photos) for file in files]


def _read_file(file: Path, photos: dict[str, Path]) -> AnnotatedPhoto:
    try:
        annotation = ET.parse(file).getroot()
        objects = [(str(item.findtext("name")), item.find("bndbox")) for item in annotation.iter("object")]
        sides = ("xmin", "ymin", "xmax", "ymax")
        boxes = [[float(str(box.findtext(side))) for side in sides] for _, box in objects if box is not None]
    except (ET.ParseError, ValueError) as error:
        raise DataError(f"{file} cannot be read as a Pascal VOC file: {error}") from error
    if file.stem not in photos:
        raise DataError(f"{file} has no photo of its name beside it; add {file.stem}.jpg or .png, or remove the file.")
    names = [name for name, box in objects if box is not None]
    return AnnotatedPhoto(photos[file.stem], names, np.asarray(boxes, np.float32).reshape(-1, 4))
