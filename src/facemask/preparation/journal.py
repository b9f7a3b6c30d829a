"""Journal of processed photos, from which an interrupted command resumes."""

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout
from pydantic import TypeAdapter

from facemask.config.keys import Values
from facemask.errors import ConfigError, DataError
from facemask.files import is_below, named, read_text, write_atomically
from facemask.preparation.photos import Photo

JOURNAL, LOCK = "crops.jsonl", ".lock"
FORMAT = 1  # increment when the crops of an unchanged photo change
MAX_JOURNAL = 1_000_000_000  # bytes; a line per photo has some hundred
FORMER, PRESENT = "facemask.faces.", "facemask.detection."  # package of the detectors in older journals, and now


@dataclass(frozen=True)
class Face:
    """A crop: one row of the manifest.

    Attributes:
        file: path below the folder of crops.
        photo: name of its photo.
        label: class folder.
        split: part of the data set, from the photo's folder; empty if unknown.
        left, top, right, bottom: box in pixels of the photo.
        score: detection score; None for annotated boxes.
        source: name of the photo's data set; empty if there is only one.
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
    source: str = ""


@dataclass(frozen=True)
class Cropped:
    """Result of one photo.

    Attributes:
        photo: name of the photo.
        stamp: state of the file and its annotations; if it changes, the photo is processed again.
        faces: crops of the photo.
        left_out: number of faces that are too small or outside the photo.
        error: why the photo cannot be read; empty if it is readable.
    """

    photo: str
    stamp: str
    faces: list[Face]
    left_out: int = 0
    error: str = ""


JOURNAL_LINE = TypeAdapter(Cropped)


class Journal:
    """Settings in the first line, then one line per photo, written when its crops are complete.

    Attributes:
        folder: folder of crops.
        done: result of each photo, by name.
    """

    def __init__(self, folder: Path, done: dict[str, Cropped], stream: IO[str]) -> None:
        self.folder, self.done, self._stream = folder, done, stream

    def has(self, photo: Photo, stamp: str) -> bool:
        """Return whether a photo is done and unchanged; unreadable photos are tried again."""
        known = self.done.get(photo.name)
        return known is not None and known.stamp == stamp and not known.error

    def add(self, cropped: Cropped) -> None:
        """Record the result of a photo, and remove crops of its earlier state that no longer exist."""
        before = self.done.get(cropped.photo)
        stale = {face.file for face in before.faces} - {face.file for face in cropped.faces} if before else set()
        for file in stale:  # before the journal forgets them
            (self.folder / file).unlink(missing_ok=True)
        with named(self.folder / JOURNAL):
            self._stream.write(json.dumps(asdict(cropped)) + "\n")
            self._stream.flush()
        self.done[cropped.photo] = cropped

    def forget_unreadable(self, names: Collection[str]) -> None:
        """Forget unreadable photos that were deleted; ``names`` are the existing photos."""
        self.done = {name: cropped for name, cropped in self.done.items() if name in names or not cropped.error}


@contextmanager
def open_journal(out: Path, settings: Values) -> Iterator[Journal]:
    """Open the journal of a folder of crops, or create it.

    Args:
        out: folder of crops; created if missing.
        settings: settings that the crops depend on, plain types by dotted key.

    Raises:
        ConfigError: the folder contains crops made with other settings.
        DataError: the folder contains other files, or another command is writing there.
    """
    file = out / JOURNAL
    if out.exists() and not file.exists() and any(path.name != LOCK for path in out.iterdir()):
        raise DataError(f"out={out} already contains other files; choose a new folder: out=FOLDER")
    out.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(out / LOCK, timeout=0):
            done = _read(file, settings, out)
            lines = [{"format": FORMAT, "settings": settings}, *map(asdict, done.values())]
            write_atomically(file, "".join(json.dumps(line) + "\n" for line in lines))  # drops an incomplete last line
            with file.open("a") as stream:
                yield Journal(out, done, stream)
    except Timeout as error:
        raise DataError(
            f"out={out} is being written by another command; wait for it, or choose another folder."
        ) from error


def _read(file: Path, settings: Values, out: Path) -> dict[str, Cropped]:
    """Return the result of each photo, by name."""
    try:
        lines = read_text(file, MAX_JOURNAL).splitlines() if file.exists() else []
    except ValueError as error:
        raise DataError(f"{file} is damaged; delete {out} and start again, or choose another folder.") from error
    if not lines:
        return {}
    try:
        head = json.loads(lines[0])
        made_with, version = _with_present_names(head["settings"]), head["format"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{file} is damaged; delete {out} and start again, or choose another folder.") from error
    if version != FORMAT:
        raise DataError(f"out={out} contains crops of another version of this command; choose another folder.")
    for key in sorted(made_with.keys() | settings.keys()):
        if made_with.get(key) != settings.get(key):
            raise ConfigError(
                f"out={out} holds crops made with {key}={made_with.get(key)}, not {settings.get(key)}; choose another "
                "folder, or delete that one."
            )
    done: dict[str, Cropped] = {}
    for line in lines[1:]:
        try:
            values = json.loads(line)
            cropped = JOURNAL_LINE.validate_python(values)
        except (ValueError, RecursionError):  # incomplete line
            continue
        if outside := [face.file for face in cropped.faces if not is_below(face.file, out)]:
            raise DataError(f"{file} names {outside[0]!r}, which is not below {out}; delete {out} and start again.")
        done[cropped.photo] = cropped
    return done


def _with_present_names(settings: Values) -> Values:
    return {
        key: value.replace(FORMER, PRESENT, 1) if isinstance(value, str) and value.startswith(FORMER) else value
        for key, value in settings.items()
    }
