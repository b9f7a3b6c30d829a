"""LabelMe: one JSON file per photo."""

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel, Field

from facemask.annotations.folder import Folder, head
from facemask.annotations.table import DIFFICULT, MISSING, AnnotatedPhoto, Box, corners_around
from facemask.errors import first_line
from facemask.files import normal, read_bytes

MAX_BYTES = 200_000_000  # a file may contain its photo
BEGINNING = re.compile(rb'"shapes"\s*:')


class _Shape(BaseModel):
    label: str
    points: list[tuple[float, float]]
    shape_type: str = "polygon"
    flags: dict[str, bool] | None = None


class _File(BaseModel):
    shapes: list[_Shape]
    path: str | None = Field(None, alias="imagePath")
    width: int | None = Field(None, alias="imageWidth")
    height: int | None = Field(None, alias="imageHeight")


def find(files: Folder, photos: Folder) -> list[Path]:
    """List the JSON files of LabelMe."""
    return [file for file in files.having(".json") if BEGINNING.search(head(file, 65_536))]


def read(found: Sequence[Path], files: Folder, photos: Folder) -> Iterator[AnnotatedPhoto]:
    """Read LabelMe files; polygons and circles become the boxes around them, points and lines are not faces.

    Yields:
        One photo per file; a file that cannot be read is named in ``error``.
    """
    for file in found:
        beside = _beside(file, photos)
        try:
            content = _File.model_validate_json(read_bytes(file, MAX_BYTES))
        except (OSError, ValueError) as error:
            wrong = f"{file.name} cannot be read as a LabelMe file: {first_line(error)}"
            yield AnnotatedPhoto.of(beside or file, error=wrong)
            continue
        name = content.path or ""
        photo = photos.photo(name, [file.parent, photos.root]) or beside
        size = (content.width or 0, content.height or 0)
        boxes = [box for shape in content.shapes for box in _boxes(shape)]
        expected = photo or file.with_suffix(".jpg")
        yield AnnotatedPhoto.of(expected, boxes, size, error="" if photo else MISSING)


def _beside(file: Path, photos: Folder) -> Path | None:
    found = photos.by_stem.get(normal(file.stem), [])
    found = [photo for photo in found if photo.parent == file.parent] or found
    return found[0] if len(found) == 1 else None


def _boxes(shape: _Shape) -> Iterator[Box]:
    flag = DIFFICULT if (shape.flags or {}).get("difficult") else ""
    if shape.shape_type == "circle" and len(shape.points) == 2:
        (x, y), edge = shape.points
        radius = math.dist((x, y), edge)
        yield Box(shape.label, (x - radius, y - radius, x + radius, y + radius), flag)
    elif shape.shape_type in ("rectangle", "polygon", "rotation", "mask") and len(shape.points) >= 2:
        yield Box(shape.label, corners_around(shape.points), flag)
