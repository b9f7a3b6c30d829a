"""A frame with its faces for the sinks; drawn once, and only if a sink shows images."""

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
    """A processed frame.

    Attributes:
        frame: frame as it was read. Sinks show :attr:`picture` instead, which hides faces if needed.
        faces: faces in the frame.
        class_names: classes of the classifier.
        fps: current frame rate, frames per second; 0 if nobody watches.
        n_tracks: number of tracks so far.
        hidden: float32[N, 4], boxes to make unrecognisable.
    """

    frame: Frame
    faces: list[SeenFace]
    class_names: tuple[str, ...]
    fps: float
    n_tracks: int
    hidden: Boxes | None = None

    @cached_property
    def picture(self) -> Pixels:
        """The annotated frame, uint8[H, W, 3], BGR."""
        image = self.frame.image.copy()
        if self.hidden is not None:
            pixelate(image, self.hidden)
        return draw(image, self.faces, self.class_names, self.status)

    @property
    def counts(self) -> dict[str, int]:
        """Number of faces per class in the frame."""
        found = Counter(face.label for face in self.faces)
        return {name: found[name] for name in self.class_names}

    @property
    def status(self) -> str:
        """Status line."""
        counts = "  ".join(f"{name} {n}" for name, n in self.counts.items())
        return f"{counts}  {self.fps:.0f} fps" if self.fps and not self.frame.name else counts
