"""Atomic file writes, and conversion to JSON-compatible types."""

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
    """Open a file for atomic replacement: readers see the old or the new content, even after a crash.

    Args:
        path: file to create or replace.

    Yields:
        A binary stream to a temporary file that replaces ``path`` at the end of the ``with`` block.
    """
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
    """Write a text file atomically, as UTF-8."""
    with open_atomically(path) as stream:
        stream.write(text.encode())


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a Parquet file atomically."""
    with open_atomically(path) as stream:
        table.to_parquet(stream, index=False)


def link_or_copy(original: Path, other: Path) -> None:
    """Atomically replace ``other`` with a hard link to ``original``; fall back to a copy."""
    partial = other.with_name(other.name + ".partial")
    partial.unlink(missing_ok=True)
    try:
        partial.hardlink_to(original)
    except OSError:
        shutil.copyfile(original, partial)
    partial.replace(other)


def remove_if_empty(folder: Path) -> None:
    """Remove an empty output folder that Hydra created, and its parent folder (the date) if that is empty too."""
    if folder == Path.cwd():  # not created by Hydra
        return
    with suppress(OSError):  # not empty
        folder.rmdir()
        folder.parent.rmdir()


def relative_to_cwd(path: Path) -> Path:
    """Return a path relative to the current folder if it is inside it, else unchanged."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def to_jsonable(value: Any) -> Any:
    """Convert a value to types that JSON supports; NaN and infinity become None."""
    if isinstance(value, dict):
        return {str(key): to_jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_jsonable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
