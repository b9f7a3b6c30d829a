"""What all sinks have in common."""

from abc import ABC, abstractmethod
from pathlib import Path

from facemask.errors import ConfigError
from facemask.video.scene import Scene
from facemask.video.sources.source import Say, Source


def claim(target: Path, source: Source, key: str) -> Path:
    """Return a place for a sink to write to, the folder above it made.

    Raises:
        ConfigError: something is there already, or it is among the source's own files.
    """
    place, own = target.resolve(), source.path.resolve() if source.path else None
    if own and (place == own or (own.is_dir() and place.is_relative_to(own))):
        raise ConfigError(f"{key}={target} is where the source lies; choose another place.")
    if place.is_file() or (place.is_dir() and any(place.iterdir())):
        raise ConfigError(f"{target} is there already, and nothing is written over; choose another place: {key}=…")
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


class Sink(ABC):
    """One place that frames go to.

    Attributes:
        is_watched: whether somebody looks on, so that a video is to play at its own speed.
        wants_end: whether that somebody has seen enough.
    """

    is_watched = False
    wants_end = False

    @abstractmethod
    def begin(self, source: Source, folder: Path, say: Say) -> None:
        """Prepare for a source's frames.

        Args:
            source: whose frames will come.
            folder: where files go.
            say: takes a sentence for the user.

        Raises:
            ConfigError: it cannot be begun.
        """

    @abstractmethod
    def write(self, scene: Scene) -> None:
        """Take the next frame."""

    @abstractmethod
    def end(self) -> None:
        """Finish what was begun, if anything was; called once, whatever happened."""
