"""A CSV table of boxes: one row per face, of many photos."""

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from facemask.annotations.folder import Folder, head
from facemask.annotations.parts import part_of
from facemask.annotations.table import FRACTIONS, MISSING, AnnotatedPhoto, Box
from facemask.data.pictures import is_picture_name
from facemask.errors import DataError, first_line
from facemask.files import read_bytes

MAX_BYTES = 1_000_000_000
# Names of the columns in the tables of the usual tools, without case and underscores.
COLUMNS = {
    "photo": ("filename", "file", "image", "photo", "imagepath", "path", "filepath", "imagename", "img", "imageid"),
    "name": ("class", "label", "classname", "category", "name", "labelname", "worn"),
    "left": ("xmin", "left", "x1", "x"),
    "top": ("ymin", "top", "y1", "y"),
    "right": ("xmax", "right", "x2"),
    "bottom": ("ymax", "bottom", "y2"),
    "width": ("width", "w", "imagewidth"),
    "height": ("height", "h", "imageheight"),
    "part": ("split", "part", "set", "subset"),
}
SIDES, EXTENT = ("left", "top", "right", "bottom"), ("left", "top", "width", "height")
BARE = ("photo", *SIDES, "name")  # order of the columns of a table without header


def find(files: Folder, photos: Folder) -> list[Path]:
    """List the CSV files whose columns name a photo, a class and a box."""
    return [file for file in files.having(".csv") if _columns(file) is not None]


def _columns(file: Path) -> tuple[dict[str, int], str, bool] | None:
    """Return the position of each known column, the separator, and whether there is a header; None for other tables."""
    line = head(file).decode("utf-8-sig", errors="replace").partition("\n")[0]
    mark = next((mark for mark in (",", ";", "\t") if mark in line), ",")
    try:
        cells = next(csv.reader([line.strip()], delimiter=mark), [])
    except csv.Error:  # a lone carriage return, for example
        return None
    if len(cells) == len(BARE) and is_picture_name(cells[0]) and all(map(_is_number, cells[1:5])):
        return {name: i for i, name in enumerate(BARE)}, mark, False
    plain = [cell.strip().lower().replace("_", "").replace(" ", "") for cell in cells]
    found = {}
    for column, words in COLUMNS.items():
        position = next((plain.index(word) for word in words if word in plain), None)
        if position is not None:
            found[column] = position
    has_box = all(side in found for side in SIDES) or all(side in found for side in EXTENT)
    return (found, mark, True) if has_box and {"photo", "name"} <= found.keys() else None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def read(found: Sequence[Path], files: Folder, photos: Folder) -> Iterator[AnnotatedPhoto]:
    """Read tables of boxes in pixels, or in fractions of the photo; a row without a box is a photo without a face.

    Raises:
        DataError: a table cannot be read, or a row is no box.
    """
    for file in found:
        layout = _columns(file)
        try:
            read_bytes(file, MAX_BYTES)  # for its checks
            if layout is None:
                raise ValueError("it needs a column each for photo, class, xmin, ymin, xmax and ymax")
            columns, mark, has_header = layout
            header = 0 if has_header else None
            table = pd.read_csv(file, sep=mark, header=header, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        except (OSError, ValueError) as error:
            raise DataError(f"{file} cannot be read as a table of boxes: {first_line(error)}.") from error
        rows: dict[str, list[Mapping[str, str]]] = defaultdict(list)
        for number, values in enumerate(table.itertuples(index=False, name=None), start=1 + has_header):
            row = {column: str(values[i]).strip() for column, i in columns.items()} | {"line": str(number)}
            rows[row["photo"]].append(row)
        boxes = {name: [box for row in of_photo if (box := _box(row, file))] for name, of_photo in rows.items()}
        largest = max((abs(x) for faces in boxes.values() for box in faces for x in box.corners), default=0)
        for name, of_photo in rows.items():
            photo = photos.photo(name, [photos.root, file.parent])
            size = FRACTIONS if largest <= 1 else _size(of_photo[0])
            part = part_of(of_photo[0].get("part", ""))
            yield AnnotatedPhoto.of(photo or photos.root / name, boxes[name], size, part, "" if photo else MISSING)


def _box(row: Mapping[str, str], file: Path) -> Box | None:
    has_corners = all(side in row for side in SIDES)
    sides = [row[side] for side in (SIDES if has_corners else EXTENT)]
    if not any(sides):
        return None
    try:
        left, top, *rest = map(float, sides)
    except ValueError as error:
        raise DataError(f"{file}, line {row['line']}: {', '.join(sides)} is no box; correct or remove it.") from error
    right, bottom = rest if has_corners else (left + rest[0], top + rest[1])
    return Box(row["name"], (left, top, right, bottom))


def _size(row: Mapping[str, str]) -> tuple[int, int] | None:
    """Return the size of the photo, which a table with all four sides of the boxes may give."""
    try:
        size = int(float(row["width"])), int(float(row["height"]))
    except (LookupError, ValueError, OverflowError):
        return None
    return size if all(side in row for side in SIDES) else None
