"""Files that a reader, or a crash, finds whole or not at all; and what may be written into them as JSON."""

import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd


@contextmanager
def open_atomically(path: Path) -> Iterator[BinaryIO]:
    """Yield a stream whose content takes the place of a file: a reader, or a crash, finds the old or the new one."""
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with open_atomically(path) as stream:
        stream.write(text.encode())


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a Parquet table, whole or not at all."""
    with open_atomically(path) as stream:
        table.to_parquet(stream, index=False)


def link_or_copy(original: Path, other: Path) -> None:
    """Have a second name for a file take the place of another file; where there are no links, a copy of it."""
    partial = other.with_name(other.name + ".partial")
    partial.unlink(missing_ok=True)
    try:
        partial.hardlink_to(original)
    except OSError:
        shutil.copyfile(original, partial)
    partial.replace(other)


def remove_if_empty(folder: Path) -> None:
    """Remove the output folder that Hydra made for a job that wrote nothing, and its day's, if there is no more."""
    if folder == Path.cwd():  # which was there before
        return
    with suppress(OSError):  # not empty
        folder.rmdir()
        folder.parent.rmdir()


def relative_to_cwd(path: Path) -> Path:
    """Return a path as a user would type it from here."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def to_jsonable(value: Any) -> Any:
    """Return plain Python types; NaN, which JSON does not have, becomes None."""
    if isinstance(value, dict):
        return {str(key): to_jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_jsonable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
