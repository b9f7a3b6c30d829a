"""What all sinks have in common."""

from abc import ABC, abstractmethod
from pathlib import Path

from facemask.video.scene import Scene
from facemask.video.sources import Say, Source


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
