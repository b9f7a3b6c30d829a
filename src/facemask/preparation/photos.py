"""Which photos there are, what they are called, and where the crops of each go."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from facemask.data.index import SPLIT_OF_FOLDER, images_below
from facemask.errors import DataError


@dataclass(frozen=True)
class Photo:
    """A photo.

    Attributes:
        name: its path below the folder given, with forward slashes; below the folder's own name where several are.
        file: where it is.
        split: ``train`` or ``test``, where the first folder of its name is called so; else empty.
        label: the class that the first folder after that is named by; empty where folders are no classes.
    """

    name: str
    file: Path
    split: str
    label: str

    @property
    def stem(self) -> str:
        """What its crops are called, before their number: no two alike, so that they can be sorted by hand."""
        return self.name.replace("/", "__")

    @property
    def stamp(self) -> str:
        """What changes when the file does."""
        try:
            status = self.file.stat()
        except OSError:  # a link to nowhere: reading it will say so
            return "missing"
        return f"{status.st_size} {status.st_mtime_ns}"


def name_photos(files: Iterable[tuple[str, Path]], have_labels: bool = False) -> list[Photo]:
    """Read the split of photos, and their class if folders are classes, from names like ``train/mask/street/1.jpg``.

    Args:
        files: the name and the place of each.
        have_labels: whether folders are classes.

    Returns:
        One a photo, sorted by name.

    Raises:
        DataError: the crops of two would be called the same.
    """
    photos: dict[str, Photo] = {}
    for name, file in files:
        parts = PurePosixPath(name).parts
        split = SPLIT_OF_FOLDER.get(parts[0].lower(), "") if len(parts) > 1 else ""
        folders = parts[1 if split else 0 : -1]
        photo = Photo(name, file, split, folders[0] if have_labels and folders else "")
        other = photos.setdefault(photo.stem, photo)
        if other is not photo and not other.file.samefile(file):
            raise DataError(
                f"the crops of {other.file} and {file} would have the same names; rename one of the photos, or their "
                "folders."
            )
    return sorted(photos.values(), key=lambda photo: photo.name)


def list_photos(places: Sequence[str], have_labels: bool = False) -> list[Photo]:
    """List the pictures of some folders, and pictures that are named themselves, as :func:`name_photos` does.

    Raises:
        DataError: a place is missing, there is no picture, or the crops of two would be called the same.
    """
    paths = [Path(place).expanduser() for place in places]
    for path in paths:
        if not path.exists():
            raise DataError(f"photos={path} does not exist; give a folder of photos, or a photo.")
    pictures = [found for path in paths for found in _pictures(path, has_several=len(paths) > 1)]
    if not pictures:
        raise DataError(f"photos={', '.join(map(str, paths))} holds no picture; give a folder of photos.")
    return name_photos(pictures, have_labels)


def _pictures(path: Path, has_several: bool) -> list[tuple[str, Path]]:
    if path.is_file():
        return [(path.name, path)]
    prefix = f"{path.resolve().name}/" if has_several else ""
    names = [name.removeprefix("./") for name in images_below(path, path)]
    return [(prefix + name, path / name) for name in names]
