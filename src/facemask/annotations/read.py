"""Read the annotated photos of a data set, whatever its format."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from facemask.annotations import boxes_csv, coco, cvat, labelme, voc, yolo
from facemask.annotations.fitting import fit
from facemask.annotations.folder import Folder
from facemask.annotations.parts import listed_parts
from facemask.annotations.table import CROWD, DIFFICULT, MISSING, AnnotatedPhoto
from facemask.errors import DataError
from facemask.files import not_a_folder

AUTO = "auto"
UNUSED = "{photos} without annotations: not used"
FLAGGED = {
    DIFFICULT: "{boxes} marked difficult: left out (difficult=true keeps them)",
    CROWD: "{boxes} marked as crowds: left out",
}


@dataclass(frozen=True)
class Format:
    """A format of annotation files.

    Attributes:
        name: its name.
        find: returns the annotation files among those of a folder, for the photos of another or the same folder.
        read: yields the photos of annotation files; takes the files, their folder and the folder of the photos.
    """

    name: str
    find: Callable[[Folder, Folder], list[Path]]
    read: Callable[[Sequence[Path], Folder, Folder], Iterator[AnnotatedPhoto]]


# By the value of boxes=. Of several formats of the same photos, the first is read: its files say most.
FORMATS = {
    "coco": Format("COCO", coco.find, coco.read),
    "voc": Format("Pascal VOC", voc.find, voc.read),
    "cvat": Format("CVAT", cvat.find, cvat.read),
    "labelme": Format("LabelMe", labelme.find, labelme.read),
    "csv": Format("a table of boxes", boxes_csv.find, boxes_csv.read),
    "yolo": Format("YOLO", yolo.find, yolo.read),
}
KINDS = "Pascal VOC, COCO, YOLO, CVAT, LabelMe, or a CSV table with photo, class, xmin, ymin, xmax, ymax"


@dataclass(frozen=True)
class Annotations:
    """The annotated photos of a data set.

    Attributes:
        root: folder of the photos.
        photos: the photos, sorted by path; photos without any annotation are left out, those without a face are not.
        format: name of the format.
        others: names of further formats that were found but not read.
        notes: what was mended or left out, and how often.
    """

    root: Path
    photos: list[AnnotatedPhoto]
    format: str
    others: list[str]
    notes: Counter[str]

    @property
    def n_boxes(self) -> int:
        """Number of boxes."""
        return sum(len(photo.names) for photo in self.photos)

    def describe(self) -> list[str]:
        """Return what was found, a line each: format, photos, boxes by name, parts, and what was mended or left out."""
        names = Counter(name for photo in self.photos for name in photo.names)
        parts = Counter(photo.part for photo in self.photos if photo.part)
        found = f"{self.root.name}: {self.format}, {_photos(len(self.photos))}, {_boxes(self.n_boxes)}"
        by_name = ", ".join(f"{name} {n:,}" for name, n in sorted(names.items()))
        lines = [f"{found} ({by_name})." if names else f"{found}."]
        if parts:
            lines.append("Parts: " + ", ".join(f"{part} {_photos(n)}" for part, n in sorted(parts.items())) + ".")
        if self.others:
            keys = [key for key, one in FORMATS.items() if one.name in self.others]
            lines.append(f"Also found, not read: {', '.join(self.others)} (boxes={keys[0]} reads it instead).")
        marks = {note: note.format(photos=_photos(n), boxes=_boxes(n)) for note, n in self.notes.items() if n}
        return lines + [f"{line}." for line in marks.values()]


def _photos(n: int) -> str:
    return f"{n:,} photo{'s' * (n != 1)}"


def _boxes(n: int) -> str:
    return f"{n:,} box{'es' * (n != 1)}"


def read_annotated(root: Path, boxes: str = AUTO, with_difficult: bool = False) -> Annotations:
    """Read the annotated photos below a folder.

    Boxes are in pixels of the photo as it is shown; see :func:`facemask.annotations.fitting.fit`.

    Args:
        root: folder of the photos.
        boxes: ``auto``; a format (a key of ``FORMATS``); or the annotation file, or the folder of the annotation files,
            where it is not the folder of the photos.
        with_difficult: whether to take away the flags of difficult faces and of crowds, so that they count as faces.

    Raises:
        DataError: there are no annotations or no photos, or an annotation file is damaged or inconsistent. A photo
            that cannot be used is no error: its ``error`` says why.
    """
    if not root.is_dir():
        raise DataError(f"{not_a_folder(root)}; give the folder of the annotated photos.")
    photos = Folder(root)
    key, found, files = _find(photos, boxes)
    read = list(FORMATS[key].read(found[key], files, photos))
    _check_present(read, found[key][0], root)
    notes: Counter[str] = Counter()
    fitted = []
    parts = listed_parts(photos)
    for photo in _merged(read, key):
        photo = replace(photo, part=photo.part or parts.get(photo.photo, ""))
        if not photo.photo.is_relative_to(root):  # a missing photo, expected beside its annotations
            photo = replace(photo, photo=root / photo.photo.name)
        photo, changes = fit(photo)
        notes += changes
        notes.update(FLAGGED[flag] for flag in photo.flags if flag and not with_difficult)
        fitted.append(replace(photo, flags=[]) if with_difficult else photo)
    unused = set(photos.photos) - {photo.photo for photo in fitted}
    notes[UNUSED] += len(unused)
    others = [FORMATS[other].name for other in found if other != key]
    fitted.sort(key=lambda photo: photo.photo)
    return Annotations(root, fitted, FORMATS[key].name, others, notes)


def _find(photos: Folder, boxes: str) -> tuple[str, dict[str, list[Path]], Folder]:
    """Return the format to read, the annotation files of each format, and their folder."""
    place = Path(boxes).expanduser()
    is_place = boxes != AUTO and boxes not in FORMATS
    if is_place and not place.exists():
        raise DataError(
            f"boxes={boxes} does not exist; give an annotation file, the folder of such files, or one of auto, "
            f"{', '.join(FORMATS)}."
        )
    files = Folder(place if place.is_dir() else place.parent) if is_place else photos
    found = {key: one.find(files, photos) for key, one in FORMATS.items()}
    if is_place and not place.is_dir() and place.suffix.lower() not in (".yaml", ".yml"):
        found = {key: [file for file in listed if file == place] for key, listed in found.items()}
    found = {key: listed for key, listed in found.items() if listed and boxes in (key, AUTO, *[boxes] * is_place)}
    if not found:
        of = FORMATS[boxes].name if boxes in FORMATS else KINDS
        where = boxes if is_place else photos.root
        raise DataError(
            f"{where} contains no annotations that can be read: {of}; give the folder of the annotated photos, and "
            "boxes=PLACE if their annotations are elsewhere."
        )
    return next(iter(found)), found, files


def _check_present(read: Sequence[AnnotatedPhoto], file: Path, root: Path) -> None:
    """Raise if there are no photos, or all are missing: the annotations are of another folder."""
    if not read:
        raise DataError(f"{file} lists no photos; give annotations of photos below {root}.")
    missing = [photo for photo in read if photo.error == MISSING]
    if missing and len(missing) == len(read):
        raise DataError(
            f"none of the {len(read):,} photos that {file} names is below {root}, the first is "
            f"{missing[0].photo.name}; add the photos, or give their folder."
        )


def _merged(read: Sequence[AnnotatedPhoto], key: str) -> list[AnnotatedPhoto]:
    """Join what several annotation files say of one photo.

    Raises:
        DataError: they give it different parts or sizes.
    """
    merged: dict[Path, AnnotatedPhoto] = {}
    for photo in read:
        other = merged.setdefault(photo.photo, photo)
        if other is photo:
            continue
        if (other.part, other.size) != (photo.part, photo.size):
            raise DataError(
                f"{photo.photo} is annotated twice, with different {'sizes' if other.part == photo.part else 'parts'}"
                f"; remove it from one of the {FORMATS[key].name} files."
            )
        merged[photo.photo] = other.joined(photo)
    return list(merged.values())
