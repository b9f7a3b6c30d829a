"""Write events as text."""

import json
import sys
from pathlib import Path
from typing import TextIO

import numpy as np

from facemask.files import named, relative_to_cwd
from facemask.video.scene import Scene
from facemask.video.sinks.sink import Sink, claim
from facemask.video.sources.source import Say, Source

STANDARD_OUTPUT = ("-", "/dev/stdout")


class EventsSink(Sink):
    """Write one JSON line per face and frame, without images.

    A line has ``seconds``, ``frame``, ``track``, ``box``, ``label`` and ``probability``; for photos ``photo`` instead
    of ``seconds`` and ``track``. The label may be ``unsure``; the probability is that of the most probable class.

    Args:
        path: path of the file; None for ``events.jsonl`` in the output folder; ``-`` for standard output.
        only_changes: whether to write only new faces and changed labels.
    """

    def __init__(self, path: str | None = None, only_changes: bool = False) -> None:
        self.path, self.only_changes = path, only_changes
        self._labels: dict[int, str] = {}
        self._stream: TextIO | None = None

    def begin(self, source: Source, folder: Path, say: Say) -> None:
        """Open the file."""
        self._say = say
        if self.path in STANDARD_OUTPUT:
            self._target, self._stream = Path("standard output"), sys.stdout
            return
        target = Path(self.path).expanduser() if self.path else folder / "events.jsonl"
        self._target = claim(target, source, "sink.events.path")
        self._stream = self._target.open("x", buffering=1)  # line-buffered, so that a crash loses no line

    def write(self, scene: Scene) -> None:
        """Write a line for each face."""
        for face in scene.faces:
            if self.only_changes and face.track is not None and self._labels.get(face.track) == face.label:
                continue
            event: dict[str, object] = {"photo": scene.frame.name, "frame": scene.frame.number}
            if face.track is not None:
                self._labels[face.track] = face.label
                seconds = round(scene.frame.seconds, 3)
                event = {"seconds": seconds, "frame": scene.frame.number, "track": face.track}
            event |= {"box": np.round(face.box.astype(float), 1).tolist(), "label": face.label}
            with named(self._target):
                print(json.dumps(event | {"probability": round(face.probability, 4)}), file=self._stream, flush=True)

    def end(self) -> None:
        """Close the file and print its path."""
        if self._stream is not None and self._stream is not sys.stdout:
            self._stream.close()
            self._say(f"events: {relative_to_cwd(self._target.absolute())}")
