"""Which photos there are, what they are called, and where the crops of each go."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from facemask.data.index import SPLIT_OF_FOLDER, images_below
from facemask.errors import DataError

UNLABELLED = "unlabelled"  # the class folder of faces whose class nobody has said


@dataclass(frozen=True)
class Photo:
    """A photo.

    Attributes:
        name: its path below the folder given, with forward slashes; below the folder's own name where several are.
        file: where it is.
        split: ``train`` or ``test``, where the first folder of its name is called so; else empty.
        label: the class that its folder is named by; empty where folders are no classes, or there is none.
        stem: what its crops are called, below their class folder and before their number.
    """

    name: str
    file: Path
    split: str
    label: str
    stem: str

    @property
    def stamp(self) -> str:
        """What changes when the file does."""
        status = self.file.stat()
        return f"{status.st_size} {status.st_mtime_ns}"


def name_photo(name: str, file: Path, has_label: bool = False) -> Photo:
    """Read a photo's split, and its class if folders are classes, from its name: ``[train/][mask/]street/1.jpg``."""
    parts = list(PurePosixPath(name).parts)
    split = SPLIT_OF_FOLDER.get(parts[0].lower(), "") if len(parts) > 1 else ""
    at = 1 if split else 0
    label = parts.pop(at) if has_label and len(parts) > at + 1 else ""
    return Photo(name, file, split, label, "/".join(parts))


def list_photos(places: Sequence[str], have_labels: bool = False) -> list[Photo]:
    """List the pictures of some folders, and pictures that are named themselves, by name.

    Args:
        places: folders and pictures.
        have_labels: whether a picture's class is the first folder that it is in.

    Raises:
        DataError: a place is missing, there is no picture, or the crops of two would have one name.
    """
    paths = [Path(place).expanduser() for place in places]
    photos: dict[tuple[str, str], Photo] = {}
    for path in paths:
        if not path.exists():
            raise DataError(f"photos={path} does not exist; give a folder of photos, or a photo.")
        for name, file in _pictures(path, has_several=len(paths) > 1):
            photo = name_photo(name, file, have_labels)
            other = photos.setdefault((photo.label, photo.stem), photo)
            if not other.file.samefile(file):
                raise DataError(
                    f"the crops of {other.file} and {file} would have the same names; rename one of the photos, or "
                    "their folders."
                )
    if not photos:
        raise DataError(f"photos={', '.join(map(str, paths))} holds no picture; give a folder of photos.")
    return sorted(photos.values(), key=lambda photo: photo.name)


def _pictures(path: Path, has_several: bool) -> list[tuple[str, Path]]:
    if path.is_file():
        return [(path.name, path)]
    prefix = f"{path.resolve().name}/" if has_several else ""
    names = [name.removeprefix("./") for name in images_below(path, path)]
    return [(prefix + name, path / name) for name in names]
