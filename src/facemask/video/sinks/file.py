"""An annotated video, or annotated photos."""

import os
from pathlib import Path

import cv2
import numpy as np

from facemask.data.preprocessing import Pixels
from facemask.errors import ConfigError
from facemask.files import as_typed
from facemask.video.scene import Scene
from facemask.video.sinks.sink import Sink
from facemask.video.sources import Say, Source

LONGEST_GAP = 2.0  # seconds a camera's frame stays in the video while no other comes
# In fragments, so that what was written before a crash or a pulled plug plays.
FRAGMENTS = "movflags;frag_keyframe+empty_moov+default_base_moof"


class FileSink(Sink):
    """An annotated video of the source's size and speed, or annotated copies of photos.

    A camera's frames come when they come: in its video each stays until the next, so that it lasts as long as it did.

    Args:
        path: of the video, or of the folder for photos; None for one named after the source in the output folder.
        codec: four letters, as FFmpeg knows them.
    """

    def __init__(self, path: str | None = None, codec: str = "mp4v") -> None:
        if len(codec) != 4:
            raise ConfigError(f"sink.file.codec={codec} is no codec; four letters name one, such as mp4v.")
        self.path, self.codec = path, codec
        self._writer: cv2.VideoWriter | None = None
        self._size, self._n_written, self._until = (0, 0), 0, 0.0
        self._skipped = 0.0  # seconds of a camera's absence that the video leaves out
        self._is_resized = self._is_begun = False

    def begin(self, source: Source, folder: Path, say: Say) -> None:
        """Choose the file's name."""
        self._source, self._say = source, say
        name = "photos" if source.is_stills else f"{Path(source.name).stem}.mp4" if source.path else "camera.mp4"
        self._target = Path(self.path).expanduser() if self.path else folder / name
        if source.path and self._target.resolve() in (source.path.resolve(), source.path.resolve().parent):
            raise ConfigError(f"sink.file.path={self.path} is where the source lies; choose another place.")
        (self._target if source.is_stills else self._target.parent).mkdir(parents=True, exist_ok=True)
        self._is_begun = True

    def write(self, scene: Scene) -> None:
        """Write the frame; of a camera, as often as its time asks for."""
        if self._source.is_stills:
            self._write_photo(scene)
            return
        height, width = scene.picture.shape[:2]
        writer = self._writer = self._writer or self._open(width, height)
        picture = self._fitted(scene.picture)
        for _ in range(self._copies(scene.frame.seconds)):
            writer.write(picture)
            self._n_written += 1

    def _copies(self, seconds: float) -> int:
        """Return how often a frame is written for the video to last as long as what it shows."""
        if not self._source.is_live:
            return 1
        gap = seconds - self._until
        if gap > LONGEST_GAP:
            self._skipped += gap - LONGEST_GAP
        self._until = seconds
        return max(0, round((seconds - self._skipped) * self._source.fps) + 1 - self._n_written)

    def _write_photo(self, scene: Scene) -> None:
        file = self._target / scene.frame.name
        file.parent.mkdir(parents=True, exist_ok=True)
        if not cv2.imwrite(str(file), scene.picture):
            raise ConfigError(f"{file} cannot be written; choose another place: sink.file.path=FOLDER")

    def _open(self, width: int, height: int) -> cv2.VideoWriter:
        self._size = width - width % 2, height - height % 2  # codecs take even sides
        os.environ.setdefault("OPENCV_FFMPEG_WRITER_OPTIONS", FRAGMENTS)
        code = cv2.VideoWriter.fourcc(*self.codec)
        writer = cv2.VideoWriter(str(self._target), cv2.CAP_FFMPEG, code, self._source.fps, self._size)
        if not writer.isOpened():
            raise ConfigError(
                f"{self._target} cannot be written with the codec {self.codec}; type sink.file.codec=mp4v, and a name "
                "that ends in .mp4."
            )
        return writer

    def _fitted(self, picture: Pixels) -> Pixels:
        """Return a frame of the video's size: cut by an odd pixel, or scaled and put on black."""
        width, height = self._size
        if picture.shape[1] // 2 * 2 == width and picture.shape[0] // 2 * 2 == height:
            return np.ascontiguousarray(picture[:height, :width])
        if not self._is_resized:
            self._is_resized = True
            self._say(f"the frames change their size; in the video they keep the first one's, {width} x {height}.")
        scale = min(width / picture.shape[1], height / picture.shape[0])
        size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
        canvas = np.zeros((height, width, 3), np.uint8)
        top, left = (height - size[1]) // 2, (width - size[0]) // 2
        canvas[top : top + size[1], left : left + size[0]] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        return canvas

    def end(self) -> None:
        """Close the file and say where it is."""
        if self._writer is not None:
            self._writer.release()
        if self._writer is not None or (self._is_begun and self._source.is_stills):
            self._say(f"annotated: {as_typed(self._target.absolute())}")
