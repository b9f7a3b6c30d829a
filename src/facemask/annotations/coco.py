"""COCO: one JSON file for many photos."""

import codecs
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ValidationError

from facemask.annotations.folder import Folder, bare, head
from facemask.annotations.parts import part_of
from facemask.annotations.table import CROWD, DIFFICULT, MISSING, AnnotatedPhoto, Box
from facemask.errors import DataError, first_line
from facemask.files import read_bytes

MAX_BYTES = 1_000_000_000
BEGINNING = re.compile(rb'"(images|annotations|categories)"\s*:\s*\[')
NO_BOX = (np.nan,) * 4


class _Image(BaseModel):
    id: int | str
    file_name: str
    width: int | None = None
    height: int | None = None


class _Annotation(BaseModel):
    image_id: int | str
    category_id: int | str
    bbox: tuple[float, float, float, float] | tuple[()]  # left, top, width, height; some tools write an empty list
    iscrowd: bool = False
    difficult: bool = False


class _Category(BaseModel):
    id: int | str
    name: str


class _Coco(BaseModel):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


def find(files: Folder, photos: Folder) -> list[Path]:
    """List the COCO files."""
    return [file for file in files.having(".json") if BEGINNING.search(head(file, 65_536))]


def read(found: Sequence[Path], files: Folder, photos: Folder) -> Iterator[AnnotatedPhoto]:
    """Read COCO files, one or several (the parts of a data set); empty boxes are NaN.

    Photos are searched below the folder of their file and below that of the photos, then by a file name that is unique.
    The name of a file or of its folder gives its part, if there are several files.

    Raises:
        DataError: a file cannot be read, or is inconsistent.
    """
    contents = [(file, _parse(file)) for file in found]
    times = Counter(bare(name) for name in {image.file_name for _, coco in contents for image in coco.images})
    for file, coco in contents:
        names = {category.id: category.name for category in coco.categories}
        boxes: dict[int | str, list[Box]] = defaultdict(list)
        known = {image.id for image in coco.images}
        for box in coco.annotations:
            if box.category_id not in names or box.image_id not in known:
                raise DataError(
                    f"{file} has a box with image {box.image_id} and category {box.category_id}, but does not define "
                    "both."
                )
            flag = CROWD if box.iscrowd else DIFFICULT if box.difficult else ""
            boxes[box.image_id].append(Box(names[box.category_id], _corners(box.bbox), flag))
        part = (part_of(file.stem) or part_of(file.parent.name)) if len(found) > 1 else ""
        near = [file.parent, photos.root] if len(found) > 1 else [photos.root, file.parent]
        for image in coco.images:
            photo = photos.photo(image.file_name, near, times[bare(image.file_name)])
            size = (image.width or 0, image.height or 0)
            error = "" if photo else MISSING
            expected = photo or photos.root / bare(image.file_name)
            yield AnnotatedPhoto.of(expected, boxes[image.id], size, part, error)


def _parse(file: Path) -> _Coco:
    try:
        return _Coco.model_validate_json(read_bytes(file, MAX_BYTES).removeprefix(codecs.BOM_UTF8))
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read as a COCO file: {_first_problem(error)}.") from error


def _first_problem(error: OSError | ValueError) -> str:
    if isinstance(error, OSError):
        return str(error.strerror)
    if not isinstance(error, ValidationError):
        return first_line(error)
    problem = error.errors()[0]
    return ": ".join([*filter(None, [".".join(map(str, problem["loc"]))]), problem["msg"]])


def _corners(numbers: Sequence[float]) -> Sequence[float]:
    if not numbers:
        return NO_BOX
    left, top, width, height = numbers
    return left, top, left + width, top + height
