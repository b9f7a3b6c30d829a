"""What there was to see, counted while it is seen, and told at the end."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from facemask.video.pipeline import SeenFace, Stopwatch


@dataclass
class Tally:
    """Counts over a source.

    Attributes:
        source: its name.
        is_stills: whether its frames are photos.
        is_live: whether it is a camera, a stream, or a video played as one.
        is_interrupted: whether Ctrl-C or another signal ended it before its own end.
        n_frames: worked on.
        n_dropped: which a live source brought while another was worked on.
        labels: how often each class was seen; a face in a frame counts one.
        n_tracks: faces followed.
        seconds: that it took.
        delays: how many frames took so many hundredths of a second, from being read to having been handed on.
        stages: where the time went.
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
        self.delays[int(delay * 100)] += 1  # a camera may run for months: no list of them all

    def delay(self, share: float) -> float:
        """Return the delay, in seconds, that so many of the frames kept within."""
        bins = np.array(sorted(self.delays))
        reached = np.cumsum([self.delays[int(b)] for b in bins]) >= share * self.n_frames
        return float((bins[reached.argmax()] + 1) / 100)


def show(tally: Tally, console: Console) -> None:
    """Print what there was, how fast it went, and where the time went."""
    if not tally.n_frames:
        console.print(f"{tally.source}: no frame came.", highlight=False, markup=False)
        return
    n_faces = tally.labels.total()
    what = _count(tally.n_frames, "photo" if tally.is_stills else "frame")
    words = [f"{what} in {tally.seconds:.1f} s ({tally.n_frames / max(tally.seconds, 1e-9):.1f} a second)"]
    if tally.is_live:
        words.append(f"{tally.n_dropped:,} dropped for a newer one")
        words.append(f"delay {tally.delay(0.5) * 1000:.0f} ms (median), {tally.delay(0.95) * 1000:.0f} ms (95 %)")
    console.print(f"{tally.source}: {'; '.join(words)}.", soft_wrap=True, highlight=False, markup=False)
    if n_faces:
        shares = ", ".join(f"{label} {n / n_faces:.0%}" for label, n in tally.labels.most_common())
        of = _count(n_faces, "face") if tally.is_stills else f"{_count(tally.n_tracks, 'face')}, seen {n_faces:,} times"
        console.print(f"{of}: {shares}.", soft_wrap=True, highlight=False, markup=False)
    else:
        console.print("No face was seen.")
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("stage", "times", "ms each", "share of the time"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    for stage, seconds in tally.stages.seconds.items():
        times = tally.stages.times[stage]
        table.add_row(stage, f"{times:,}", f"{seconds / times * 1000:.1f}", f"{seconds / max(tally.seconds, 1e-9):.0%}")
    console.print(table)


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"
