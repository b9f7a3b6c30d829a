"""Open the source that the user named, or the sources."""

from glob import glob, has_magic
from pathlib import Path

from facemask.config.component import Component
from facemask.data.index import images_below, is_hidden
from facemask.errors import ConfigError, DataError
from facemask.video.sources.camera import Camera
from facemask.video.sources.photos import Photos
from facemask.video.sources.source import Opening, Say, Source, to_path
from facemask.video.sources.video_file import VideoFile, videos_below

KINDS: tuple[type[Source], ...] = (Camera, Photos, VideoFile)  # tried in this order


def open_sources(
    what: int | str | Component | None,
    say: Say,
    is_live: bool | None = None,
    is_looped: bool = False,
    reconnect: float = 60.0,
) -> list[Source]:
    """Open a camera, a stream, a video, a photo, a folder or a pattern of videos and photos, or a custom source.

    Args:
        what: camera number, URL, path, pattern such as ``*.mp4``, or the node of a :class:`Source`.
        say: function that shows a message to the user.
        is_live: whether a video file plays at its own speed and drops frames like a camera; None for no.
        is_looped: whether a video file restarts when it ends.
        reconnect: as in :class:`Camera`.

    Returns:
        The sources, each to be read to its end; several for a folder or a pattern with videos. Of several, those that
        cannot be opened are skipped with a message.

    Raises:
        DataError: nothing can be opened.
        ConfigError: the node's target is not a source.
    """
    if isinstance(what, Component):
        return [_build(what)]
    text = "" if what is None else str(what).strip()
    if not text:
        raise DataError("source has no value; give a camera number, a URL, a video, a photo or a folder.")
    how = Opening(say, bool(is_live), is_looped, reconnect)
    names = _several(text)
    if not names:
        return [_open(text, how)]
    if is_looped:
        raise ConfigError("loop=true only applies to one video; give one, or remove loop=.")
    opened = []
    for name in names:
        try:
            opened.append(_open(name, how))
        except DataError as error:
            say(f"{error} Skipped.")
    if not opened:
        raise DataError(f"source={text}: none of {len(names):,} files can be opened; give other videos or photos.")
    return opened


def _several(text: str) -> list[str]:
    """Return the sources of a folder with videos, or of a pattern; none if the text names a single source."""
    path = to_path(text)
    if path.is_dir():
        videos = videos_below(path)
        has_photos = bool(videos) and next(images_below(path, path), None) is not None
        return [*([text] if has_photos else []), *map(str, videos)]
    if has_magic(text) and "://" not in text and not path.exists():
        found = sorted(file for file in glob(str(path), recursive=True) if not is_hidden(Path(file).name))
        if not found:
            raise DataError(f"source={text} matches no file; correct the pattern.")
        return found
    return []


def _open(text: str, how: Opening) -> Source:
    for kind in KINDS:
        if (source := kind.open(text, how)) is not None:
            return source
    raise DataError(f"source={text} does not exist; give a camera number, a URL, a video, a photo or a folder.")


def _build(node: Component) -> Source:
    source = node.build()
    if not isinstance(source, Source):
        raise ConfigError(f"source={node.target} is not a Source; derive it from {Source.__module__}.Source.")
    return source
