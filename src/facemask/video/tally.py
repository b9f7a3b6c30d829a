"""Counts of frames, faces and labels, and the summary at the end."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from facemask.video.pipeline import SeenFace, Stopwatch


@dataclass
class Tally:
    """Counts and timings of a source.

    Attributes:
        source: name of the source.
        is_stills: whether its frames are photos.
        is_live: whether it is a camera, a stream, or a video played like one.
        is_interrupted: whether a signal ended it early.
        n_frames: number of processed frames.
        n_dropped: number of frames that a live source dropped.
        labels: number of faces per class, summed over frames.
        n_tracks: number of tracks.
        seconds: total time.
        delays: histogram of the delay from reading a frame to passing it to the sinks, in hundredths of a second.
        stages: time per stage.
    """

    source: str
    is_stills: bool = False
    is_live: bool = False
    is_interrupted: bool = False
    n_frames: int = 0
    n_dropped: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    n_tracks: int = 0
    seconds: float = 0.0
    delays: Counter[int] = field(default_factory=Counter)
    stages: Stopwatch = field(default_factory=Stopwatch)

    def count(self, faces: list[SeenFace], delay: float) -> None:
        """Count a frame."""
        self.n_frames += 1
        self.labels.update(face.label for face in faces)
        self.delays[int(delay * 100)] += 1  # a histogram, because a camera may run for months

    def delay(self, share: float) -> float:
        """Return a quantile of the delay, seconds."""
        bins = np.array(sorted(self.delays))
        reached = np.cumsum([self.delays[int(b)] for b in bins]) >= share * self.n_frames
        return float((bins[reached.argmax()] + 1) / 100)


def show(tally: Tally, console: Console) -> None:
    """Print the counts, the speed, and the time per stage."""
    if not tally.n_frames:
        console.print(f"{tally.source}: no frames.", highlight=False, markup=False)
        return
    n_faces = tally.labels.total()
    what = _count(tally.n_frames, "photo" if tally.is_stills else "frame")
    words = [f"{what} in {tally.seconds:.1f} s ({tally.n_frames / max(tally.seconds, 1e-9):.1f} a second)"]
    if tally.is_live:
        words.append(f"{tally.n_dropped:,} dropped for newer ones")
        words.append(f"delay {tally.delay(0.5) * 1000:.0f} ms (median), {tally.delay(0.95) * 1000:.0f} ms (95 %)")
    console.print(f"{tally.source}: {'; '.join(words)}.", soft_wrap=True, highlight=False, markup=False)
    if n_faces:
        shares = ", ".join(f"{label} {n / n_faces:.0%}" for label, n in tally.labels.most_common())
        of = _count(n_faces, "face") if tally.is_stills else f"{_count(tally.n_tracks, 'face')}, seen {n_faces:,} times"
        console.print(f"{of}: {shares}.", soft_wrap=True, highlight=False, markup=False)
    else:
        console.print("No faces were found.")
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("stage", "times", "ms each", "fraction of the time"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    for stage, seconds in tally.stages.seconds.items():
        times = tally.stages.times[stage]
        table.add_row(stage, f"{times:,}", f"{seconds / times * 1000:.1f}", f"{seconds / max(tally.seconds, 1e-9):.0%}")
    console.print(table)


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"
