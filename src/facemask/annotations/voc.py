"""Pascal VOC: one XML file per photo."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from pathlib import Path

from facemask.annotations.folder import Folder, bare, head
from facemask.annotations.table import DIFFICULT, MISSING, AnnotatedPhoto, Box
from facemask.errors import DataError, first_line
from facemask.files import normal, read_bytes

MAX_BYTES = 10_000_000
SIDES = ("xmin", "ymin", "xmax", "ymax")


def find(files: Folder, photos: Folder) -> list[Path]:
    """List the XML files that have ``<annotation`` or a photo's name; a damaged file may have only the name."""
    found = []
    for file in files.having(".xml"):
        beginning = head(file)
        is_voc = b"<annotation" in beginning or normal(file.stem) in photos.by_stem
        if is_voc and b"<annotations" not in beginning:
            found.append(file)
    return found


def read(found: Sequence[Path], files: Folder, photos: Folder) -> Iterator[AnnotatedPhoto]:
    """Read Pascal VOC files, beside their photos or apart.

    Yields:
        One photo per file; a file that cannot be read is named in ``error``.

    Raises:
        DataError: a file matches several photos.
    """
    for file in found:
        try:
            annotation = ET.fromstring(read_bytes(file, MAX_BYTES))
            boxes = [_box(item) for item in annotation.iter("object") if item.find("bndbox") is not None]
        except (ET.ParseError, ValueError, LookupError, OSError) as error:  # LookupError: an unknown encoding
            wrong = f"{file.name} cannot be read as a Pascal VOC file: {first_line(error)}"
            yield AnnotatedPhoto.of(_photo(file, "", photos) or file, error=wrong)
            continue
        filename = bare(str(annotation.findtext("filename") or ""))
        photo = _photo(file, filename, photos)
        if photo is None:
            expected = file.with_name(filename if Path(filename).stem == file.stem else f"{file.stem}.jpg")
            yield AnnotatedPhoto.of(expected, boxes, error=MISSING)
        else:
            yield AnnotatedPhoto.of(photo, boxes, _size(annotation))


def _box(item: ET.Element) -> Box:
    corners = [float(str(item.findtext(f"bndbox/{side}"))) for side in SIDES]
    return Box(str(item.findtext("name")), corners, DIFFICULT if item.findtext("difficult", "0").strip() == "1" else "")


def _size(annotation: ET.Element) -> tuple[int, int] | None:
    try:
        return int(str(annotation.findtext("size/width"))), int(str(annotation.findtext("size/height")))
    except ValueError:
        return None


def _photo(file: Path, filename: str, folder: Folder) -> Path | None:
    """Return the photo with the name of an XML file, else with the name inside it; prefer one in the same folder."""
    photos = folder.by_stem.get(normal(file.stem)) or folder.by_name.get(filename, [])
    photos = [photo for photo in photos if photo.parent == file.parent] or photos
    photos = [photo for photo in photos if normal(photo.name) == filename] or photos
    photos = [photo for photo in photos if photo.parent.name == file.parent.name] or photos
    if len(photos) > 1:
        raise DataError(f"{file} matches both {photos[0]} and {photos[1]}; put it beside its photo.")
    return photos[0] if photos else None
