"""Read annotated photos (Pascal VOC, YOLO, COCO) and map their names to classes."""

import codecs
import os
import re
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ValidationError

from facemask.annotations.yolo import label_file, read_labels, read_names
from facemask.data.index import is_hidden
from facemask.data.pictures import PHOTOS
from facemask.detection.detectors import Boxes
from facemask.errors import DataError, first_line
from facemask.files import read_bytes

MAX_VOC, MAX_COCO = 10_000_000, 1_000_000_000  # bytes


@dataclass(frozen=True)
class AnnotatedPhoto:
    """A photo and its faces.

    Attributes:
        photo: path of the photo.
        names: annotated name of each face.
        boxes: float32[N, 4]: left, top, right, bottom in pixels.
    """

    photo: Path
    names: list[str]
    boxes: Boxes


def read_annotated(root: Path, coco: Path | None = None) -> list[AnnotatedPhoto]:
    """Read the Pascal VOC or YOLO files below a folder, or the COCO file of its photos.

    Raises:
        DataError: there are no annotations, or as :func:`read_voc`, :func:`read_yolo` and :func:`read_coco`.
    """
    if not root.is_dir():
        raise DataError(f"{root} is not a folder; give the folder of the annotated photos.")
    if coco:
        return read_coco(coco, root)
    if files_below(root, [".xml"]):
        return read_voc(root)
    if photos := read_yolo(root):
        return photos
    raise DataError(
        f"{root} contains no Pascal VOC files (.xml) and no photos with YOLO files (.txt); give the folder of the "
        "annotated photos, or their COCO file: boxes=path/to/coco.json"
    )


def files_below(root: Path, suffixes: Sequence[str]) -> list[Path]:
    """List the files with these suffixes, in any case of letters, without hidden files and folders."""
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not is_hidden(name)]  # os.walk does not enter the others
        found += [Path(folder, n) for n in names if not is_hidden(n) and Path(n).suffix.lower() in suffixes]
    return sorted(found)


def read_yolo(root: Path) -> list[AnnotatedPhoto]:
    """Read the photos below a folder that have a YOLO label file, beside them or in ``labels`` instead of ``images``.

    Names are taken from a YAML file with ``names``, or from ``classes.txt`` or ``obj.names``; without them, faces are
    named by the numbers of their classes.

    Raises:
        DataError: a file cannot be read, or a class has no name.
    """
    lists = sorted(files_below(root, [".yaml", ".yml", ".txt", ".names", ".labels"]), key=lambda file: len(file.parts))
    pairs = [(photo, label_file(photo, root)) for photo in files_below(root, PHOTOS)]
    if not any(labels for _, labels in pairs):
        return []
    names, origin = read_names(lists)
    read = []
    for photo, labels in pairs:
        if labels is not None:
            found, boxes = read_labels(photo, labels, names, origin)
            read.append(AnnotatedPhoto(photo, found, np.asarray(boxes, np.float32).reshape(-1, 4)))
    return read


def read_voc(root: Path) -> list[AnnotatedPhoto]:
    """Read every ``.xml`` file below a folder, beside its photo or in a separate folder.

    A missing photo is listed under its expected name, and reading it raises an error.

    Raises:
        DataError: there are no files, one cannot be read, all photos are missing, or a file matches several photos.
    """
    files = files_below(root, [".xml"])
    if not files:
        raise DataError(f"{root} contains no Pascal VOC files (.xml); give the folder of the annotated photos.")
    photos: dict[str, list[Path]] = defaultdict(list)
    for path in files_below(root, PHOTOS):
        photos[path.stem].append(path)
    read = [_read_file(file, photos[file.stem]) for file in files]
    if not any(photos[file.stem] for file in files):
        raise DataError(
            f"{files[0]} has no photo of the same name, nor has any other .xml file below {root}; add the photos."
        )
    return read


def _read_file(file: Path, photos: Sequence[Path]) -> AnnotatedPhoto:
    try:
        annotation = ET.fromstring(read_bytes(file, MAX_VOC))
        objects = [(str(item.findtext("name")), item.find("bndbox")) for item in annotation.iter("object")]
        sides = ("xmin", "ymin", "xmax", "ymax")
        boxes = [[float(str(box.findtext(side))) for side in sides] for _, box in objects if box is not None]
    except (ET.ParseError, ValueError, LookupError, OSError) as error:  # LookupError: an unknown encoding
        raise DataError(f"{file} cannot be read as a Pascal VOC file: {first_line(error)}.") from error
    told = _bare(str(annotation.findtext("filename") or ""))
    photos = [photo for photo in photos if photo.parent == file.parent] or photos
    photos = [photo for photo in photos if photo.name == told] or photos
    if not photos:
        photos = [file.with_name(told if Path(told).stem == file.stem else f"{file.stem}.jpg")]
    if len(photos) > 1:
        raise DataError(f"{file} matches both {photos[0]} and {photos[1]}; put it beside its photo.")
    names = [name for name, box in objects if box is not None]
    return AnnotatedPhoto(photos[0], names, np.asarray(boxes, np.float32).reshape(-1, 4))


class _CocoImage(BaseModel):
    id: int | str
    file_name: str


class _CocoBox(BaseModel):
    image_id: int | str
    category_id: int | str
    bbox: tuple[float, float, float, float] | tuple[()]  # left, top, width, height; some tools write an empty list
    iscrowd: bool = False


class _CocoName(BaseModel):
    id: int | str
    name: str


class _Coco(BaseModel):
    images: list[_CocoImage]
    annotations: list[_CocoBox]
    categories: list[_CocoName]


def read_coco(file: Path, root: Path) -> list[AnnotatedPhoto]:
    """Read a COCO file; crowd boxes are left out, and empty boxes are NaN.

    A photo that is not where its name says is searched by its bare name, which must then be unique below ``root``.

    Args:
        file: the ``.json`` file.
        root: folder that the file names are relative to.

    Raises:
        DataError: it cannot be read, is inconsistent, or a photo is missing.
    """
    try:
        coco = _Coco.model_validate_json(read_bytes(file, MAX_COCO).removeprefix(codecs.BOM_UTF8))
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read as a COCO file: {_first_problem(error)}.") from error
    where = _Finder(root, [image.file_name for image in coco.images])
    photos = {image.id: where.find(image.file_name) for image in coco.images}
    names = {category.id: category.name for category in coco.categories}
    missing = [name for name in photos.values() if not _is_below(name, root)]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(photos)} photos of {file} are not below {root}, the first is {missing[0]}; "
            "give the folder that these names are relative to."
        )
    faces: dict[str, list[_CocoBox]] = {name: [] for name in photos.values()}
    for box in coco.annotations:
        if box.category_id not in names or box.image_id not in photos:
            raise DataError(
                f"{file} has a box with image {box.image_id} and category {box.category_id}, but does not define both."
            )
        if not box.iscrowd:
            faces[photos[box.image_id]].append(box)
    return [
        AnnotatedPhoto(
            root / name,
            [names[box.category_id] for box in boxes],
            np.array([_corners(box.bbox) for box in boxes], np.float32).reshape(-1, 4),
        )
        for name, boxes in faces.items()
    ]


class _Finder:
    """Finds photos by the names in an annotation file.

    Args:
        root: folder of the photos.
        names: all names in the file.
    """

    def __init__(self, root: Path, names: Iterable[str]) -> None:
        self.root = root
        self.times = Counter(_bare(name) for name in set(names))

    @cached_property
    def by_name(self) -> dict[str, list[str]]:
        """Paths below root of all photos, by their bare name."""
        found: dict[str, list[str]] = defaultdict(list)
        for file in files_below(self.root, PHOTOS):
            found[file.name].append(file.relative_to(self.root).as_posix())
        return found

    def find(self, name: str) -> str:
        """Return the path of a photo below root; the name itself if there is no such photo, or several."""
        if _is_below(name, self.root):
            return name
        name = name.replace("\\", "/")
        if _is_below(name, self.root):
            return name
        found = self.by_name.get(_bare(name), [])
        return found[0] if len(found) == 1 == self.times[_bare(name)] else name


def _bare(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]


def _is_below(name: str, root: Path) -> bool:
    path = Path(name)
    return not path.is_absolute() and ".." not in path.parts and (root / path).is_file()


def _first_problem(error: OSError | ValueError) -> str:
    if isinstance(error, OSError):
        return str(error.strerror)
    if not isinstance(error, ValidationError):
        return first_line(error)
    problem = error.errors()[0]
    return ": ".join([*filter(None, [".".join(map(str, problem["loc"]))]), problem["msg"]])


def _corners(numbers: Sequence[float]) -> tuple[float, float, float, float]:
    if not numbers:
        return (np.nan,) * 4
    left, top, width, height = numbers
    return left, top, left + width, top + height


def to_classes(photos: Sequence[AnnotatedPhoto], classes: Mapping[str, str | None]) -> list[AnnotatedPhoto]:
    """Map annotated names to classes.

    Args:
        photos: annotated photos; names are compared without case, spaces and hyphens.
        classes: class of each name; None leaves its faces out.

    Raises:
        DataError: a name is not in ``classes``.
    """
    classes = {_plain(name): label for name, label in classes.items()}
    unknown = Counter(name for photo in photos for name in map(_plain, photo.names) if name not in classes)
    if unknown:
        first = min(unknown)
        listed = ", ".join(f"{name} ({n:,} faces)" for name, n in sorted(unknown.items()))
        known = ", ".join(sorted({label for label in classes.values() if label}))
        raise DataError(
            f"unknown names of faces: {listed}; map each to a class ({known}), for example "
            f"+classes.{first}={known.partition(',')[0]}, or leave its faces out: +classes.{first}=null"
        )
    renamed = []
    for photo in photos:
        labels = [classes[_plain(name)] for name in photo.names]
        kept = [i for i, label in enumerate(labels) if label is not None]
        renamed.append(AnnotatedPhoto(photo.photo, [str(labels[i]) for i in kept], photo.boxes[kept]))
    return renamed


def _plain(name: str) -> str:
    """Return a name in normal form: ``With Mask`` and ``with-mask`` are ``with_mask``."""
    return re.sub(r"\W+", "_", name.strip().lower())
