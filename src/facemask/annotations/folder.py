"""The files of a data set: listed once, and found by the names that annotation files use."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from facemask.data.index import files_below
from facemask.data.pictures import is_picture_name
from facemask.files import is_below, normal


def bare(name: str) -> str:
    """Return the last part of a path of any system, in Unicode's normal form C."""
    return normal(name.replace("\\", "/").rpartition("/")[2])


def head(file: Path, size: int = 2000) -> bytes:
    """Return the first bytes of a file; none of a file that cannot be read."""
    try:
        with file.open("rb") as stream:
            return stream.read(size)
    except OSError:  # reading the whole file names the reason
        return b""


class Folder:
    """The files below a folder, sorted, without hidden ones.

    Attributes:
        root: the folder.
        files: paths of all files.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.files = root, files_below(root)

    def having(self, *suffixes: str) -> list[Path]:
        """List the files with these suffixes, in any case of letters."""
        return [file for file in self.files if file.suffix.lower() in suffixes]

    @cached_property
    def photos(self) -> list[Path]:
        """Paths of all files with the suffix of an image."""
        return [file for file in self.files if is_picture_name(file.name)]

    @cached_property
    def by_name(self) -> dict[str, list[Path]]:
        """Photos by file name."""
        return self._by(lambda photo: photo.name)

    @cached_property
    def by_stem(self) -> dict[str, list[Path]]:
        """Photos by file name without suffix."""
        return self._by(lambda photo: photo.stem)

    def _by(self, key: Callable[[Path], str]) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = defaultdict(list)
        for photo in self.photos:
            found[normal(key(photo))].append(photo)
        return dict(found)

    def photo(self, name: str, near: Sequence[Path], times: int = 1) -> Path | None:
        """Return the photo that an annotation file means.

        Args:
            name: path in the file, of any system; a path that exists wins over a file name that is unique.
            near: folders that the path may be relative to.
            times: how many photos of this file name the annotations name.
        """
        for path in (name, name.replace("\\", "/")):
            for folder in near:
                with suppress(OSError, ValueError):  # damaged names: too long, for example
                    if is_below(path, folder) and (folder / path).is_file():
                        return folder / path
        found = self.by_name.get(bare(name), [])
        return found[0] if len(found) == times == 1 else None
