"""Base class of sinks."""

import os
from abc import ABC, abstractmethod
from pathlib import Path

from facemask.errors import ConfigError
from facemask.video.scene import Scene
from facemask.video.sources.source import Say, Source


def claim(target: Path, source: Source, key: str) -> Path:
    """Return a new output path for a sink, and create its parent folder.

    Nothing is overwritten: if the path exists, a number is added to its name, so that a command which was killed can be
    run again.

    Raises:
        ConfigError: the path is among the source's files.
    """
    place, own = target.resolve(), source.path.resolve() if source.path else None
    if own and (place == own or (own.is_dir() and place.is_relative_to(own))):
        raise ConfigError(f"{key}={target} is among the source's files; choose another path.")
    target.parent.mkdir(parents=True, exist_ok=True)
    free, number = target, 2
    while os.path.lexists(free) and not (free.is_dir() and not any(free.iterdir())):
        free, number = target.with_name(f"{target.stem}-{number}{target.suffix}"), number + 1
    return free


class Sink(ABC):
    """Output of the pipeline.

    Attributes:
        is_watched: whether a person watches, so that a video plays at its own speed.
        wants_end: whether the person has asked to stop.
    """

    is_watched = False
    wants_end = False

    @abstractmethod
    def begin(self, source: Source, folder: Path, say: Say) -> None:
        """Prepare for the frames of a source.

        Args:
            source: source of the frames.
            folder: output folder.
            say: function that shows a message to the user.

        Raises:
            ConfigError: the output cannot be opened.
        """

    @abstractmethod
    def write(self, scene: Scene) -> None:
        """Handle the next frame."""

    @abstractmethod
    def end(self) -> None:
        """Close the output; called exactly once, also after errors."""
