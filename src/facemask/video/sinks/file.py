"""An annotated video, or annotated photos."""

from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from facemask.data.preprocessing import Pixels
from facemask.errors import ConfigError
from facemask.files import open_atomically, relative_to_cwd
from facemask.video.scene import Scene
from facemask.video.sinks.sink import Sink, claim
from facemask.video.sources.source import Say, Source

if TYPE_CHECKING:
    import av
    from av.video.stream import VideoStream

# Fragmented MP4, each fragment written at once, so that the part before a crash or a power failure plays.
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "flush_packets": "1"}
FRAGMENT = 1.0  # seconds
FAST = {"preset": "ultrafast", "crf": "23"}  # x264 options for speed, because a camera does not wait
TICKS = 60_000  # per second: frames keep their own time; usual frame rates are exact


class FileSink(Sink):
    """Write an annotated video of the source's size and speed without sound, or annotated copies of photos.

    Videos need the package ``av``; photos do not.

    Args:
        path: path of the video, or of the folder for photos; None for the source's name in the output folder.
        codec: name of an FFmpeg video encoder.
    """

    def __init__(self, path: str | None = None, codec: str = "libx264") -> None:
        if find_spec("av") and not _encodes_video(codec):
            raise ConfigError(f"sink.file.codec={codec} is not an installed video encoder; use libx264 or mpeg4.")
        self.path, self.codec = path, codec
        self._container: av.container.OutputContainer | None = None
        self._size, self._last = (0, 0), -1
        self._is_resized, self._n_photos = False, 0

    def begin(self, source: Source, folder: Path, say: Say) -> None:
        """Choose the file's name."""
        if not source.is_stills and not find_spec("av"):
            raise ConfigError("sink=file needs the package av; type: pip install 'facemask[video]'")
        self._source, self._say = source, say
        name = "photos" if source.is_stills else f"{Path(source.name).stem}.mp4" if source.path else "camera.mp4"
        self._target = claim(Path(self.path).expanduser() if self.path else folder / name, source, "sink.file.path")

    def write(self, scene: Scene) -> None:
        """Write the frame."""
        if self._source.is_stills:
            self._write_photo(scene)
            return
        if self._container is None:
            self._open(*scene.picture.shape[1::-1])
        import av

        frame = av.VideoFrame.from_ndarray(self._fitted(scene.picture), format="bgr24")
        frame.time_base = Fraction(1, TICKS)
        frame.pts = self._last = max(self._last + 1, round(scene.frame.seconds * TICKS))
        self._mux(frame)

    def _write_photo(self, scene: Scene) -> None:
        file = self._target / scene.frame.name
        file.parent.mkdir(parents=True, exist_ok=True)
        with open_atomically(file) as stream:
            stream.write(cv2.imencode(file.suffix, scene.picture)[1].tobytes())
        self._n_photos += 1

    def _open(self, width: int, height: int) -> None:
        import av

        self._size = width - width % 2, height - height % 2  # codecs need even sides
        rate = Fraction(self._source.fps).limit_denominator(1001)
        options = FAST if self.codec == "libx264" else {}
        try:
            self._container = av.open(str(self._target), "w", options=FRAGMENTS)
            stream: VideoStream = self._container.add_stream(self.codec, rate=rate, options=options)  # type: ignore[assignment]
            stream.width, stream.height = self._size
            stream.pix_fmt, stream.time_base = "yuv420p", Fraction(1, TICKS)
            stream.codec_context.time_base = Fraction(1, TICKS)
            stream.codec_context.gop_size = max(1, round(self._source.fps * FRAGMENT))
            self._stream = stream
            self._container.start_encoding()
        except (av.FFmpegError, ValueError) as error:
            self._container = None
            raise ConfigError(
                f"{self._target} cannot be written with the codec {self.codec} ({error}); give sink.file.path a name "
                "that ends in .mp4, or choose sink.file.codec=mpeg4."
            ) from error

    def _mux(self, frame: "av.VideoFrame | None") -> None:
        assert self._container is not None
        for packet in self._stream.encode(frame):
            self._container.mux(packet)

    def _fitted(self, picture: Pixels) -> Pixels:
        """Return the frame in the video's size: without an odd row or column, or scaled and padded."""
        width, height = self._size
        if picture.shape[1] // 2 * 2 == width and picture.shape[0] // 2 * 2 == height:
            return np.ascontiguousarray(picture[:height, :width])
        if not self._is_resized:
            self._is_resized = True
            self._say(f"the frame size changes; the video keeps the first frame's, {width} x {height}.")
        scale = min(width / picture.shape[1], height / picture.shape[0])
        size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
        canvas = np.zeros((height, width, 3), np.uint8)
        top, left = (height - size[1]) // 2, (width - size[0]) // 2
        canvas[top : top + size[1], left : left + size[0]] = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        return canvas

    def end(self) -> None:
        """Close the file and print its path."""
        if self._container is not None:
            self._mux(None)  # flushes the encoder
            self._container.close()
        if self._container is not None or self._n_photos:
            self._say(f"annotated: {relative_to_cwd(self._target.absolute())}")


def _encodes_video(name: str) -> bool:
    import av

    try:
        return av.Codec(name, "w").type == "video"
    except ValueError:  # PyAV raises this for an unknown name
        return False
