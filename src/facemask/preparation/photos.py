"""List photos, and derive their names, splits and classes from their paths."""

import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from facemask.data.index import images_below, is_text
from facemask.data.parts import part_of_folder
from facemask.errors import DataError

LONGEST = 200  # bytes of a stem; file systems allow 255 for a name
UNDECODED = "".join(map(chr, range(0xDC80, 0xDD00)))  # bytes of a letter that was cut in half
INVALID = re.compile(r'[<>:"|?*\\\x00-\x1f\udc80-\udcff]')  # on Windows, or in UTF-8
IMAGES = "images"  # first folder of the photos in YOLO's layout


@dataclass(frozen=True)
class Photo:
    """A photo.

    Attributes:
        name: path below the given folder, with forward slashes; starts with the folder's name if several folders are
            given.
        file: path of the file.
        split: ``train``, ``val`` or ``test``, from its annotations or the first folder of its name; else empty.
        label: class, from the next folder of the name; empty if folders are not classes.
        source: name of its data set; empty if there is only one.
        error: why it cannot be used; empty if it can.
    """

    name: str
    file: Path
    split: str
    label: str
    source: str = ""
    error: str = ""

    @property
    def stem(self) -> str:
        """File name of its crops without their number; valid on every system, and unique, so they can be sorted."""
        stem = self.name.replace("/", "__")
        safe = INVALID.sub("_", stem)
        if len(encoded := os.fsencode(safe)) <= LONGEST and safe == stem:
            return stem
        digest = hashlib.sha256(os.fsencode(stem)).hexdigest()[:12]  # keeps changed names unique
        return f"{os.fsdecode(encoded[-LONGEST + 16 :]).lstrip(UNDECODED)}_{digest}"

    @property
    def stamp(self) -> str:
        """Size and modification time of the file, to detect changes."""
        try:
            status = self.file.stat()
        except OSError:  # a broken link; reading it reports the error
            return "missing"
        return f"{status.st_size} {status.st_mtime_ns}"


def name_photos(
    files: Iterable[tuple[str, str, Path]],
    have_labels: bool = False,
    parts: Mapping[Path, str] = MappingProxyType({}),
    errors: Mapping[Path, str] = MappingProxyType({}),
) -> list[Photo]:
    """Read split and class of photos from names like ``train/mask/street/1.jpg`` or ``images/train/1.jpg``.

    Args:
        files: source, name below it and path of each photo; the source is empty if there is only one.
        have_labels: whether folders are classes.
        parts: the split of photos that annotation files give, which wins over their folders.
        errors: why photos cannot be used.

    Returns:
        The photos, sorted by name.

    Raises:
        DataError: crops of two photos would have the same name.
    """
    photos: dict[str, Photo] = {}
    for source, name, file in files:
        full = f"{source}/{name}" if source else name
        split, label = _split_and_label(PurePosixPath(name).parts[:-1], source)
        label = label if have_labels else ""
        error = errors.get(file, "")
        if not is_text(full):
            full, error = os.fsencode(full).decode(errors="backslashreplace"), "its name is not UTF-8; rename it"
        photo = Photo(full, file, parts.get(file) or split, label, source, error)
        other = photos.setdefault(photo.stem, photo)
        if other is not photo and not (other.file.exists() and file.exists() and other.file.samefile(file)):
            raise DataError(
                f"the crops of {other.file} and {file} would have the same names; rename one of the photos, or their "
                "folders."
            )
    return sorted(photos.values(), key=lambda photo: photo.name)


def _split_and_label(folders: Sequence[str], source: str) -> tuple[str, str]:
    """Return the split and the class from the names of folders; the source may itself be a split or a class."""
    if len(folders) > 1 and folders[0].lower() == IMAGES:
        folders = folders[1:]
    for found in ([source, *folders], folders) if source else (folders,):
        if found and (split := part_of_folder(found[0])):
            return split, "".join(found[1:2])
    return "", source or "".join(folders[:1])


def list_photos(places: Sequence[str], have_labels: bool = False) -> list[Photo]:
    """List the photos of folders and single files, as :func:`name_photos` does.

    Raises:
        DataError: a path does not exist, there are no photos, or crops of two photos would have the same name.
    """
    paths = [Path(place).expanduser() for place in places]
    for path in paths:
        if not path.exists():
            raise DataError(f"photos={path} does not exist; give a folder of photos, or a photo.")
    pictures = [found for path in paths for found in _pictures(path, has_several=len(paths) > 1)]
    if not pictures:
        raise DataError(f"photos={', '.join(map(str, paths))} contains no images; give a folder of photos.")
    return name_photos(pictures, have_labels)


def _pictures(path: Path, has_several: bool) -> list[tuple[str, str, Path]]:
    if path.is_file():
        return [("", path.name, path)]
    source = path.resolve().name if has_several else ""
    names = [name.removeprefix("./") for name in images_below(path, path)]
    return [(source, name, path / name) for name in names]
