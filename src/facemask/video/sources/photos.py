"""A photo, or a folder of photos."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import cv2
import numpy as np

from facemask.data.index import images_below
from facemask.data.pictures import is_picture_name, read_image
from facemask.errors import DataError
from facemask.video.sources.source import Frame, Opening, Say, Source, to_path


class Photos(Source):
    """Independent photos.

    Args:
        path: a photo, or a folder of photos, searched recursively.
        say: function that shows a message about unreadable files, which are skipped.

    Raises:
        DataError: there are no photos, or the only one cannot be read.
    """

    is_stills = True

    @classmethod
    def open(cls, text: str, how: Opening) -> Self | None:
        """Return the photo or the photos of a folder."""
        path = to_path(text)
        is_still = is_photo(path) and path.suffix.lower() != ".gif"  # which may be a short film
        return cls(path, how.say) if path.is_dir() or is_still else None

    def __init__(self, path: Path, say: Say) -> None:
        self.path, self.name, self._say = path, path.name, say
        self._root = path if path.is_dir() else path.parent
        self.photos = [path] if path.is_file() else sorted(path / name for name in images_below(path, path))
        self.n_frames = len(self.photos)
        if not self.photos:
            raise DataError(f"{path} contains no photos; give another folder.")

    def frames(self) -> Iterator[Frame]:
        """Yield the readable photos."""
        number = 0
        for path in self.photos:
            if self.ended.is_set():
                return
            try:
                image = read_image(path)
            except DataError as error:
                if len(self.photos) == 1:
                    raise
                self._say(f"{error}; skipped.")
                continue
            bgr = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), np.uint8)
            name = path.relative_to(self._root).as_posix()
            yield Frame(bgr, number, 0.0, time.monotonic(), name)
            number += 1


def is_photo(path: Path) -> bool:
    """Return whether a file has the suffix of a photo."""
    return is_picture_name(path.name) and path.is_file()
