"""Atomic file writes, and conversion to JSON-compatible types."""

import csv
import math
import os
import shutil
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import pandas as pd  # whose import would take most of the time in which a wrong key is refused

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # first characters of formulas in spreadsheets


@contextmanager
def private_files(is_private: bool, folder: Path | None = None) -> Iterator[None]:
    """Let all files and folders that this process creates be readable only by the current user (modes 600 and 700).

    Args:
        is_private: False changes nothing.
        folder: a folder that was created before and is still empty; made private, too.
    """
    if not is_private:
        yield
        return
    if folder is not None and folder.is_dir() and not any(folder.iterdir()):
        folder.chmod(0o700)
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


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
        with named(path), partial.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Add the path to errors of the operating system that name no file: a full disk is noticed while writing."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def write_atomically(path: Path, text: str) -> None:
    """Write a text file atomically, as UTF-8."""
    with open_atomically(path) as stream:
        stream.write(text.encode())


def write_table(path: Path, table: "pd.DataFrame") -> None:
    """Write a Parquet file atomically."""
    with open_atomically(path) as stream:
        table.to_parquet(stream, index=False)


def to_csv(table: "pd.DataFrame") -> str:
    """Return a table as CSV in which no text is a formula for a spreadsheet; :func:`from_cell` is the inverse."""
    words = table.select_dtypes(exclude=["number", "bool"]).columns
    cells = table.assign(**{name: table[name].map(_to_cell) for name in words})
    has_returns = any("\r" in str(cell) for name in words for cell in cells[name])  # which are not quoted otherwise
    return cells.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC if has_returns else csv.QUOTE_MINIMAL)


def _to_cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.lstrip("'")[:1] in FORMULA and value else value


def from_cell(text: str) -> str:
    """Return the text that :func:`to_csv` wrote into a cell."""
    return text[1:] if text[:1] == "'" and text.lstrip("'")[:1] in FORMULA else text


def link_or_copy(original: Path, other: Path) -> None:
    """Atomically replace ``other`` with a hard link to ``original``; fall back to a copy."""
    partial = other.with_name(other.name + ".partial")
    partial.unlink(missing_ok=True)
    try:
        partial.hardlink_to(original)
    except OSError:
        shutil.copyfile(original, partial)
    partial.replace(other)


def normal(name: str) -> str:
    """Return a file name in Unicode's normal form C: systems store accents differently."""
    return unicodedata.normalize("NFC", name)


def is_below(name: str, root: Path) -> bool:
    """Return whether a path read from a file is relative and stays below a folder, also through symbolic links."""
    path = PurePosixPath(name)
    is_inside = bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "\0" not in name
    return is_inside and (root / name).resolve().is_relative_to(root.resolve())


def read_bytes(path: Path, limit: int) -> bytes:
    """Read a file that may be from somebody else.

    Args:
        path: path of the file.
        limit: maximum size, bytes.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: it is larger, or not a regular file (reading a pipe would wait for ever).
        OSError: it cannot be read.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is not a regular file")
    if status.st_size > limit:
        raise ValueError(f"it is larger than {limit / 1e6:g} MB")
    return path.read_bytes()


def read_text(path: Path, limit: int) -> str:
    """Do the same as :func:`read_bytes` for a text in UTF-8; invalid text is a ValueError."""
    return read_bytes(path, limit).decode()


def not_a_folder(path: Path) -> str:
    """Return what is wrong with a path that should be a folder, for messages."""
    return f"{path} is not a folder" if path.exists() else f"{path} does not exist"


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
