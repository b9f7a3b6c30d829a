"""Which source a user means."""

from facemask.config.component import Component
from facemask.errors import ConfigError, DataError
from facemask.video.sources.camera import Camera
from facemask.video.sources.photos import Photos
from facemask.video.sources.source import Opening, Say, Source
from facemask.video.sources.video_file import VideoFile

KINDS: tuple[type[Source], ...] = (Camera, Photos, VideoFile)  # asked in this order


def open_source(
    what: int | str | Component | None,
    say: Say,
    is_live: bool | None = None,
    is_looped: bool = False,
    reconnect: float = 60.0,
) -> Source:
    """Open a camera, a stream, a video, a photo, a folder of photos, or a source of a user's own.

    Args:
        what: a camera's number, a stream's address, a path, or the node of a :class:`Source`.
        say: takes a sentence that the user should read meanwhile.
        is_live: whether a video file plays at its own speed, dropping what cannot be kept up with; None for no.
        is_looped: whether a video file begins again when it ends.
        reconnect: as in :class:`Camera`.

    Raises:
        DataError: it cannot be opened.
        ConfigError: the node's target is no source.
    """
    if isinstance(what, Component):
        return _build(what)
    text = "" if what is None else str(what).strip()
    if not text:
        raise DataError("source has no value; give a camera's number, an address, a video, a photo or a folder.")
    how = Opening(say, bool(is_live), is_looped, reconnect)
    for kind in KINDS:
        if (source := kind.open(text, how)) is not None:
            return source
    raise DataError(f"source={text} is not there; give a camera's number, an address, a video, a photo or a folder.")


def _build(node: Component) -> Source:
    source = node.build()
    if not isinstance(source, Source):
        raise ConfigError(f"source={node.target} is not a Source; derive it from {Source.__module__}.Source.")
    return source
