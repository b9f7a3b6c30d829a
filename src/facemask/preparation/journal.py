"""What has become of each photo so far, on disk: typed again after a crash, a command goes on after the last line."""

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout

from facemask.config.keys import Values
from facemask.errors import ConfigError, DataError
from facemask.files import write_atomically
from facemask.preparation.photos import Photo

JOURNAL, LOCK = "crops.jsonl", ".lock"
FORMAT = 1  # raise it when the crops of an unchanged photo would change
FORMER, PRESENT = "facemask.faces.", "facemask.detection."  # the package of detectors, as earlier journals name it


@dataclass(frozen=True)
class Face:
    """A crop, as its row of the manifest says.

    Attributes:
        file: below the folder of crops.
        photo: the name of the photo it is from.
        label: its class folder.
        split: the photo's part, if its folder names one; else empty.
        left, top, right, bottom: the box that was found, in pixels of the photo.
        score: the detector's; None where a person has drawn the box.
    """

    file: str
    photo: str
    label: str
    split: str
    left: float
    top: float
    right: float
    bottom: float
    score: float | None


@dataclass(frozen=True)
class Cropped:
    """What has become of a photo.

    Attributes:
        photo: its name.
        stamp: what it was made from; where this has changed, it is done again.
        faces: its crops.
        left_out: faces that are too small, or outside the photo.
        error: why the photo cannot be read; empty if it can.
    """

    photo: str
    stamp: str
    faces: list[Face]
    left_out: int = 0
    error: str = ""


class Journal:
    """One line of settings, then one line a photo, each written when the photo's crops are whole.

    Attributes:
        folder: where the crops are.
        done: what has become of each photo, by name.
    """

    def __init__(self, folder: Path, done: dict[str, Cropped], stream: IO[str]) -> None:
        self.folder, self.done, self._stream = folder, done, stream

    def has(self, photo: Photo, stamp: str) -> bool:
        """Return whether a photo has been done, and is as it was then; one that could not be read is tried again."""
        known = self.done.get(photo.name)
        return known is not None and known.stamp == stamp and not known.error

    def add(self, cropped: Cropped) -> None:
        """Note what has become of a photo, and remove crops that an earlier state of it had and this has not."""
        before = self.done.get(cropped.photo)
        stale = {face.file for face in before.faces} - {face.file for face in cropped.faces} if before else set()
        for file in stale:  # first: what the journal does not know any more would stay for good
            (self.folder / file).unlink(missing_ok=True)
        self._stream.write(json.dumps(asdict(cropped)) + "\n")
        self._stream.flush()
        self.done[cropped.photo] = cropped

    def forget_unreadable(self, names: Collection[str]) -> None:
        """Forget the photos that could not be read and have gone since; ``names`` are those still there."""
        self.done = {name: cropped for name, cropped in self.done.items() if name in names or not cropped.error}


@contextmanager
def open_journal(out: Path, settings: Values) -> Iterator[Journal]:
    """Open the journal of a folder of crops, or begin one.

    Args:
        out: the folder; made where it is missing.
        settings: all that the crops depend on, as plain types, by dotted key.

    Raises:
        ConfigError: the folder holds crops made with other settings.
        DataError: it holds something else, or another command is writing there.
    """
    file = out / JOURNAL
    if out.exists() and not file.exists() and any(path.name != LOCK for path in out.iterdir()):
        raise DataError(f"out={out} holds other files already; give a new folder: out=FOLDER")
    out.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(out / LOCK, timeout=0):
            done = _read(file, settings, out)
            lines = [{"format": FORMAT, "settings": settings}, *map(asdict, done.values())]
            write_atomically(file, "".join(json.dumps(line) + "\n" for line in lines))  # without a line cut off
            with file.open("a") as stream:
                yield Journal(out, done, stream)
    except Timeout as error:
        raise DataError(
            f"out={out} is being written by another command; wait for it, or give another folder."
        ) from error


def _read(file: Path, settings: Values, out: Path) -> dict[str, Cropped]:
    """Return what has become of each photo, by name."""
    lines = file.read_text().splitlines() if file.exists() else []
    if not lines:
        return {}
    try:
        head = json.loads(lines[0])
        made_with, version = _with_present_names(head["settings"]), head["format"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{file} is damaged; delete {out} and begin again, or give another folder.") from error
    if version != FORMAT:
        raise DataError(f"out={out} holds crops of another version of this command; give another folder.")
    for key in sorted(made_with.keys() | settings.keys()):
        if made_with.get(key) != settings.get(key):
            raise ConfigError(
                f"out={out} holds crops made with {key}={made_with.get(key)}, not {settings.get(key)}; give another "
                "folder, or delete that one."
            )
    done: dict[str, Cropped] = {}
    for line in lines[1:]:
        try:
            values = json.loads(line)
            cropped = Cropped(**values | {"faces": [Face(**face) for face in values["faces"]]})
        except (ValueError, TypeError, KeyError):  # cut off
            continue
        done[cropped.photo] = cropped
    return done


def _with_present_names(settings: Values) -> Values:
    return {
        key: value.replace(FORMER, PRESENT, 1) if isinstance(value, str) and value.startswith(FORMER) else value
        for key, value in settings.items()
    }
