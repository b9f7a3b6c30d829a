"""List photos, and derive their names, splits and classes from their paths."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from facemask.data.index import SPLIT_OF_FOLDER, images_below
from facemask.errors import DataError

LONGEST = 200  # bytes of a stem; file systems allow 255 for a name
UNDECODED = "".join(map(chr, range(0xDC80, 0xDD00)))  # parts of a letter that the shortening has cut
IMAGES = "images"  # first folder of the photos in YOLO's layout


@dataclass(frozen=True)
class Photo:
    """A photo.

    Attributes:
        name: path below the given folder, with forward slashes; starts with the folder's name if several folders are
            given.
        file: path of the file.
        split: ``train`` or ``test`` if that is the first folder of the name, else empty.
        label: class, from the next folder of the name; empty if folders are not classes.
    """

    name: str
    file: Path
    split: str
    label: str

    @property
    def stem(self) -> str:
        """File name of its crops without their number; unique, so that crops can be sorted by hand."""
        stem = self.name.replace("/", "__")
        if len(encoded := os.fsencode(stem)) <= LONGEST:
            return stem
        digest = hashlib.sha256(encoded).hexdigest()[:12]  # keeps shortened names unique
        return f"{os.fsdecode(encoded[-LONGEST + 16 :]).lstrip(UNDECODED)}_{digest}"

    @property
    def stamp(self) -> str:
        """State of the file: changes with its content."""
        try:
            status = self.file.stat()
        except OSError:  # a broken link; reading it reports the error
            return "missing"
        return f"{status.st_size} {status.st_mtime_ns}"


def name_photos(files: Iterable[tuple[str, Path]], have_labels: bool = False) -> list[Photo]:
    """Read split and class of photos from names like ``train/mask/street/1.jpg`` or ``images/train/1.jpg``.

    Args:
        files: name and path of each photo.
        have_labels: whether folders are classes.

    Returns:
        The photos, sorted by name.

    Raises:
        DataError: crops of two photos would have the same name.
    """
    photos: dict[str, Photo] = {}
    for name, file in files:
        folders = PurePosixPath(name).parts[:-1]
        if len(folders) > 1 and folders[0].lower() == IMAGES:
            folders = folders[1:]
        split = SPLIT_OF_FOLDER.get(folders[0].lower(), "") if folders else ""
        folders = folders[1 if split else 0 :]
        photo = Photo(name, file, split, folders[0] if have_labels and folders else "")
        other = photos.setdefault(photo.stem, photo)
        if other is not photo and not other.file.samefile(file):
            raise DataError(
                f"the crops of {other.file} and {file} would have the same names; rename one of the photos, or their "
                "folders."
            )
    return sorted(photos.values(), key=lambda photo: photo.name)


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


def _pictures(path: Path, has_several: bool) -> list[tuple[str, Path]]:
    if path.is_file():
        return [(path.name, path)]
    prefix = f"{path.resolve().name}/" if has_several else ""
    names = [name.removeprefix("./") for name in images_below(path, path)]
    return [(prefix + name, path / name) for name in names]
