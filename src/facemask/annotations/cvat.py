"""CVAT for images: one XML file for many photos."""

import math
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from pathlib import Path

from facemask.annotations.folder import Folder, head
from facemask.annotations.parts import part_of
from facemask.annotations.table import MISSING, AnnotatedPhoto, Box, corners_around
from facemask.errors import DataError, first_line
from facemask.files import read_bytes

MAX_BYTES = 1_000_000_000


def find(files: Folder, photos: Folder) -> list[Path]:
    """List the XML files of CVAT."""
    return [file for file in files.having(".xml") if b"<annotations" in head(file)]


def read(found: Sequence[Path], files: Folder, photos: Folder) -> Iterator[AnnotatedPhoto]:
    """Read CVAT files; polygons, ellipses and masks become the boxes around them.

    Raises:
        DataError: a file cannot be read, or describes a video.
    """
    for file in found:
        try:
            annotations = ET.fromstring(read_bytes(file, MAX_BYTES))
            images = [(image.attrib, [*_boxes(image)]) for image in annotations.iter("image")]
            sizes = [(int(image.get("width", 0)), int(image.get("height", 0))) for image, _ in images]
        except (ET.ParseError, ValueError, LookupError, OSError) as error:
            raise DataError(f"{file} cannot be read as a CVAT file: {first_line(error)}.") from error
        if annotations.find("track") is not None:
            raise DataError(f"{file} describes a video; export it as 'CVAT for images' together with its frames.")
        for (image, boxes), size in zip(images, sizes, strict=True):
            name = image.get("name", "")
            photo = photos.photo(name, [file.parent, file.parent / "images", photos.root])
            part = part_of(image.get("subset", ""))
            yield AnnotatedPhoto.of(photo or photos.root / name, boxes, size, part, "" if photo else MISSING)


def _boxes(image: ET.Element) -> Iterator[Box]:
    for shape in image:
        label, value = shape.get("label", ""), shape.attrib
        if shape.tag == "box":
            corners = [float(value[key]) for key in ("xtl", "ytl", "xbr", "ybr")]
            yield Box(label, _rotated(corners, float(value.get("rotation") or 0)))
        elif shape.tag in ("polygon", "polyline"):
            yield Box(label, corners_around([list(map(float, p.split(","))) for p in value["points"].split(";")]))
        elif shape.tag == "ellipse":
            x, y, rx, ry = (float(value[key]) for key in ("cx", "cy", "rx", "ry"))
            yield Box(label, _rotated([x - rx, y - ry, x + rx, y + ry], float(value.get("rotation") or 0)))
        elif shape.tag == "mask":
            left, top, width, height = (float(value[key]) for key in ("left", "top", "width", "height"))
            yield Box(label, (left, top, left + width, top + height))


def _rotated(corners: Sequence[float], degrees: float) -> Sequence[float]:
    """Return the box around a box that is rotated about its centre."""
    left, top, right, bottom = corners
    x, y = (left + right) / 2, (top + bottom) / 2
    cos, sin = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
    width = (right - left) * cos + (bottom - top) * sin
    height = (right - left) * sin + (bottom - top) * cos
    return corners if not degrees else (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
