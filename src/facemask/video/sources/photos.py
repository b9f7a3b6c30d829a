"""A photo, or a folder of photos."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import cv2
import numpy as np

from facemask.data.pictures import PHOTOS, read_image
from facemask.errors import DataError
from facemask.video.sources.source import Frame, Opening, Say, Source, to_path


class Photos(Source):
    """Photos, each for itself.

    Args:
        path: a photo, or a folder of them, in folders of any depth.
        say: told of files that cannot be read, which are left out.

    Raises:
        DataError: there is none, or the only one cannot be read.
    """

    is_stills = True

    @classmethod
    def open(cls, text: str, how: Opening) -> Self | None:
        """Return the photo, or the photos of the folder, at a path."""
        path = to_path(text)
        return cls(path, how.say) if path.is_dir() or is_photo(path) else None

    def __init__(self, path: Path, say: Say) -> None:
        self.path, self.name, self._say = path, path.name, say
        self._root = path if path.is_dir() else path.parent
        self.photos = [path] if path.is_file() else sorted(p for p in path.rglob("*") if is_photo(p))
        self.n_frames = len(self.photos)
        if not self.photos:
            raise DataError(f"{path} holds no photo ({', '.join(PHOTOS)}); give another folder.")

    def frames(self) -> Iterator[Frame]:
        """Yield the photos that can be read."""
        number = 0
        for path in self.photos:
            if self.ended.is_set():
                return
            try:
                image = read_image(path)
            except DataError as error:
                if len(self.photos) == 1:
                    raise
                self._say(f"{error}; left out.")
                continue
            bgr = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), np.uint8)
            name = path.relative_to(self._root).as_posix()
            yield Frame(bgr, number, 0.0, time.monotonic(), name)
            number += 1


def is_photo(path: Path) -> bool:
    """Return whether a file is taken for a photo, by its name."""
    return path.suffix.lower() in PHOTOS and path.is_file()
