"""A frame with its faces, as the sinks get it; it is drawn once, and only if one of them shows pictures."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from facemask.data.preprocessing import Pixels
from facemask.detection.detectors import Boxes
from facemask.video.overlay import draw, pixelate
from facemask.video.pipeline import SeenFace
from facemask.video.sources.source import Frame


@dataclass(frozen=True)
class Scene:
    """What came of one frame.

    Attributes:
        frame: as it was read. Sinks show :attr:`picture` instead, which hides what must be hidden.
        faces: in it.
        class_names: of the classifier.
        fps: frames a second, lately.
        n_tracks: faces followed since the beginning.
        hidden: float32[N, 4], boxes to be made unrecognisable.
    """

    frame: Frame
    faces: list[SeenFace]
    class_names: tuple[str, ...]
    fps: float
    n_tracks: int
    hidden: Boxes | None = None

    @cached_property
    def picture(self) -> Pixels:
        """The frame with all that is drawn on it, uint8[H, W, 3], BGR."""
        image = self.frame.image.copy()
        if self.hidden is not None:
            pixelate(image, self.hidden)
        return draw(image, self.faces, self.class_names, self.status)

    @property
    def counts(self) -> dict[str, int]:
        """How many faces of each class are in the frame."""
        found = Counter(face.label for face in self.faces)
        return {name: found[name] for name in self.class_names}

    @property
    def status(self) -> str:
        """One line of it all."""
        counts = "  ".join(f"{name} {n}" for name, n in self.counts.items())
        return f"{counts}  {self.fps:.0f} fps" if self.fps and not self.frame.name else counts
