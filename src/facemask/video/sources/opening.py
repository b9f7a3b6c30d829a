"""Which kind of source a user means."""

import re
from pathlib import Path

from facemask.errors import DataError
from facemask.video.sources.camera import Camera
from facemask.video.sources.photos import Photos, is_photo
from facemask.video.sources.source import Say, Source
from facemask.video.sources.video_file import VideoFile

STREAM = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def open_source(
    what: int | str | None, say: Say, is_live: bool | None = None, is_looped: bool = False, reconnect: float = 60.0
) -> Source:
    """Open a camera by its number, a stream by its address, or a video, a photo or a folder of photos by its path.

    Args:
        what: which.
        say: told, in a sentence, what a user should know meanwhile.
        is_live: whether a video file plays at its own speed, dropping what cannot be kept up with; None for no.
        is_looped: whether a video file begins again when it ends.
        reconnect: as in :class:`Camera`.

    Raises:
        DataError: it cannot be opened.
    """
    text = str(what).strip()
    if what is None or not text:
        raise DataError("source has no value; give a camera's number, an address, a video, a photo or a folder.")
    if text.isascii() and text.isdigit() and len(text) < 4:
        return Camera(int(text), say, reconnect)
    if STREAM.match(text) and not text.lower().startswith("file://"):
        return Camera(text, say, reconnect)
    path = Path(text.removeprefix("file://")).expanduser()
    if path.is_dir() or is_photo(path):
        return Photos(path, say)
    if not path.is_file():
        raise DataError(
            f"source={text} is not there; give a camera's number, an address, a video, a photo or a folder."
        )
    return VideoFile(path, say, is_looped, bool(is_live))
