"""Open the source that the user named."""

from facemask.config.component import Component
from facemask.errors import ConfigError, DataError
from facemask.video.sources.camera import Camera
from facemask.video.sources.photos import Photos
from facemask.video.sources.source import Opening, Say, Source
from facemask.video.sources.video_file import VideoFile

KINDS: tuple[type[Source], ...] = (Camera, Photos, VideoFile)  # tried in this order


def open_source(
    what: int | str | Component | None,
    say: Say,
    is_live: bool | None = None,
    is_looped: bool = False,
    reconnect: float = 60.0,
) -> Source:
    """Open a camera, a stream, a video, a photo, a folder of photos, or a custom source.

    Args:
        what: camera number, URL, path, or the node of a :class:`Source`.
        say: function that shows a message to the user.
        is_live: whether a video file plays at its own speed and drops frames like a camera; None for no.
        is_looped: whether a video file restarts when it ends.
        reconnect: as in :class:`Camera`.

    Raises:
        DataError: it cannot be opened.
        ConfigError: the node's target is not a source.
    """
    if isinstance(what, Component):
        return _build(what)
    text = "" if what is None else str(what).strip()
    if not text:
        raise DataError("source has no value; give a camera number, a URL, a video, a photo or a folder.")
    how = Opening(say, bool(is_live), is_looped, reconnect)
    for kind in KINDS:
        if (source := kind.open(text, how)) is not None:
            return source
    raise DataError(f"source={text} does not exist; give a camera number, a URL, a video, a photo or a folder.")


def _build(node: Component) -> Source:
    source = node.build()
    if not isinstance(source, Source):
        raise ConfigError(f"source={node.target} is not a Source; derive it from {Source.__module__}.Source.")
    return source
